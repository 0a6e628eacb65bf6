package pgbell

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type ring struct {
	org string
	seq int64
}

// listen gives what a bell hears, and how listening ended.
func listen(t *testing.T, b *Bell) (heard chan ring, ended chan error, stop context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	heard, ended = make(chan ring, 100), make(chan error, 1)
	go func() { ended <- b.Listen(ctx, func(org string, seq int64) { heard <- ring{org, seq} }) }()
	if got := <-heard; got != (ring{}) {
		t.Fatalf("listening began with %v", got)
	}
	return heard, ended, stop
}

func TestBell(t *testing.T) {
	url := pgtest.EmptyURL(t)
	log := slog.New(slog.DiscardHandler)
	a, err := New(url, log)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(url, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	byA, endedA, stopA := listen(t, a)
	byB, endedB, stopB := listen(t, b)
	defer stopB()
	start := time.Now()
	a.Ring("org", 7)
	for _, heard := range []chan ring{byA, byB} {
		if got := <-heard; got != (ring{"org", 7}) {
			t.Errorf("heard %v", got)
		}
	}
	t.Logf("connected and rang in %v", time.Since(start))
	stopA()
	if err := <-endedA; !errors.Is(err, context.Canceled) {
		t.Errorf("listening ended with %v", err)
	}

	// All connections are lost: listening ends, ringing connects again.
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-endedB:
		if err == nil {
			t.Error("listening ended without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a lost connection was not noticed")
	}
	byB, endedB, stop := listen(t, b)
	a.Ring("org", 8) // is lost with the old connection
	time.Sleep(50 * time.Millisecond)
	a.Ring("org", 9)
	for {
		if got := <-byB; got == (ring{"org", 9}) {
			break
		}
	}
	stop()
	<-endedB
}

func TestNoServer(t *testing.T) {
	if _, err := New("postgres://%zz", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a bad URL was taken")
	}
	b, err := New("postgres://127.0.0.1:1/x", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.Ring("org", 1)
	if err := b.Listen(t.Context(), func(string, int64) { t.Error("rang") }); err == nil {
		t.Error("listening to nobody is no error")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A connection that went silent is given up soon (B2B-LIFE-030); one that is only quiet is
// kept.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.EmptyURL(t))
	b, err := New(proxy.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	b.quiet = 20 * time.Millisecond
	_, ended, stop := listen(t, b)
	defer stop()
	select {
	case err := <-ended:
		t.Fatalf("a quiet connection was given up: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	proxy.Silence(true)
	select {
	case err := <-ended:
		if err == nil || t.Context().Err() != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(replyTime + closeTime + 10*time.Second):
		t.Fatal("a silent connection is still listened to")
	}
}
