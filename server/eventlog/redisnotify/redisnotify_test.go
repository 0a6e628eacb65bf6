package redisnotify

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

// notice is one call of the function given to Listen.
type notice struct {
	org string
	seq int64
}

func listen(t *testing.T, b *Notifier) (received chan notice, ended chan error, stop context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	received, ended = make(chan notice, 100), make(chan error, 1)
	go func() { ended <- b.Listen(ctx, func(org string, seq int64) { received <- notice{org, seq} }) }()
	select {
	case got := <-received:
		if got != (notice{}) {
			t.Fatalf("Listen began with %v", got)
		}
	case err := <-ended:
		t.Fatalf("Listen returned %v", err)
	}
	return received, ended, stop
}

func TestNotifier(t *testing.T) {
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
	a.Notify("org", 7)
	for _, received := range []chan notice{byA, byB} {
		if got := <-received; got != (notice{"org", 7}) {
			t.Errorf("received %v", got)
		}
	}
	t.Logf("connected and notified in %v", time.Since(began))
	stopA()
	if err := <-endedA; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen returned %v", err)
	}
	server.Stop()
	select {
	case err := <-endedB:
		if err == nil {
			t.Error("Listen returnedout an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Listen did not return on a lost connection")
	}
	server.Start()
	byB, endedB, again := listen(t, b)
	a.Notify("org", 9)
	for got := range byB {
		if got == (notice{"org", 9}) {
			break
		}
	}
	again()
	<-endedB
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}
