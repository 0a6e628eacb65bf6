package pgnotify

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/eventlog/notification/notificationtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNotifier(t *testing.T) {
	t.Parallel()
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
	byA, endedA, stopA := notificationtest.Listen(t, a)
	byB, endedB, stopB := notificationtest.Listen(t, b)
	defer stopB()
	start := time.Now()
	a.Notify("org", 7)
	for _, received := range []chan notificationtest.Notice{byA, byB} {
		if got := <-received; got != (notificationtest.Notice{Org: "org", Seq: 7}) {
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
			t.Error("Listen returned without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Listen did not return on a lost connection")
	}
	byB, endedB, stop := notificationtest.Listen(t, b)
	// The first ones may be lost with the old connection.
	waittest.Until(t, "a notification arrives over a new connection", func() bool {
		a.Notify("org", 9)
		select {
		case got := <-byB:
			return got == notificationtest.Notice{Org: "org", Seq: 9}
		default:
			return false
		}
	})
	stop()
	<-endedB
}

func TestNoServer(t *testing.T) {
	t.Parallel()
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
	_, ended, stop := notificationtest.Listen(t, b)
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
