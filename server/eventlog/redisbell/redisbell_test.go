package redisbell

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/server/store/storetest/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type ring struct {
	org string
	seq int64
}

func listen(t *testing.T, b *Bell) (heard chan ring, ended chan error, stop context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	heard, ended = make(chan ring, 100), make(chan error, 1)
	go func() { ended <- b.Listen(ctx, func(org string, seq int64) { heard <- ring{org, seq} }) }()
	select {
	case got := <-heard:
		if got != (ring{}) {
			t.Fatalf("listening began with %v", got)
		}
	case err := <-ended:
		t.Fatalf("listening ended with %v", err)
	}
	return heard, ended, stop
}

func TestBell(t *testing.T) {
	server := redistest.Start(t)
	log := slog.New(slog.DiscardHandler)
	a, err := New(server.URL, log)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(server.URL, log)
	if err != nil {
		t.Fatal(err)
	}
	byA, endedA, stopA := listen(t, a)
	byB, endedB, stopB := listen(t, b)
	defer stopB()
	began := time.Now()
	a.Ring("org", 7)
	for _, heard := range []chan ring{byA, byB} {
		if got := <-heard; got != (ring{"org", 7}) {
			t.Errorf("heard %v", got)
		}
	}
	t.Logf("connected and rang in %v", time.Since(began))
	stopA()
	if err := <-endedA; !errors.Is(err, context.Canceled) {
		t.Errorf("listening ended with %v", err)
	}
	server.Stop()
	select {
	case err := <-endedB:
		if err == nil {
			t.Error("listening ended without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a lost connection was not noticed")
	}
	server.Start()
	byB, endedB, again := listen(t, b)
	a.Ring("org", 9)
	for got := range byB {
		if got == (ring{"org", 9}) {
			break
		}
	}
	again()
	<-endedB
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}
