package redisnotify

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/eventlog/notification/notificationtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNotifier(t *testing.T) {
	t.Parallel()
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
	byA, endedA, stopA := notificationtest.Listen(t, a)
	byB, endedB, stopB := notificationtest.Listen(t, b)
	defer stopB()
	began := time.Now()
	a.Notify("org", 7)
	for _, received := range []chan notificationtest.Notice{byA, byB} {
		if got := <-received; got != (notificationtest.Notice{Org: "org", Seq: 7}) {
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
			t.Error("Listen returned without an error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Listen did not return on a lost connection")
	}
	server.Start()
	byB, endedB, again := notificationtest.Listen(t, b)
	a.Notify("org", 9)
	for got := range byB {
		if got == (notificationtest.Notice{Org: "org", Seq: 9}) {
			break
		}
	}
	again()
	<-endedB
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}
