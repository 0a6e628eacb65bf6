package pgnotify

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

// notice is one call of the function given to Listen.
type notice struct {
	org string
	seq int64
}

// listen returns what a notifier receives, and a channel with the error that ended it.
func listen(t *testing.T, b *Notifier) (received chan notice, ended chan error, stop context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	received, ended = make(chan notice, 100), make(chan error, 1)
	go func() { ended <- b.Listen(ctx, func(org string, seq int64) { received <- notice{org, seq} }) }()
	if got := <-received; got != (notice{}) {
		t.Fatalf("Listen began with %v", got)
	}
	return received, ended, stop
}

func TestNotifier(t *testing.T) {
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
	a.Notify("org", 7)
	for _, received := range []chan notice{byA, byB} {
		if got := <-received; got != (notice{"org", 7}) {
			t.Errorf("received %v", got)
		}
	}
	t.Logf("connected and notified in %v", time.Since(start))
	stopA()
	if err := <-endedA; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen returned %v", err)
	}

	// All connections are lost: Listen returns, and Notify connects again.
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
			t.Error("Listen returnedout an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Listen did not return on a lost connection")
	}
	byB, endedB, stop := listen(t, b)
	a.Notify("org", 8) // is lost with the old connection
	time.Sleep(50 * time.Millisecond)
	a.Notify("org", 9)
	for {
		if got := <-byB; got == (notice{"org", 9}) {
			break
		}
	}
	stop()
	<-endedB
}

func TestNoServer(t *testing.T) {
	if _, err := New("postgres://%zz", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a malformed URL was accepted")
	}
	b, err := New("postgres://127.0.0.1:1/x", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.Notify("org", 1)
	if err := b.Listen(t.Context(), func(string, int64) { t.Error("received a notification without a server") }); err == nil {
		t.Error("Listen without a server returned no error")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestSilentConnection: Listen returns soon when the server replies no more (B2B-LIFE-030); a
// connection that merely has no notifications is kept.
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
		t.Fatalf("a connection without notifications was given up: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	proxy.Silence(true)
	select {
	case err := <-ended:
		if err == nil || t.Context().Err() != nil {
			t.Errorf("Listen returned %v", err)
		}
	case <-time.After(replyTime + closeTime + 10*time.Second):
		t.Fatal("Listen did not return on a silent connection")
	}
}
