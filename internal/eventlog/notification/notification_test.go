package notification

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestQueue: notifications that come while a message is sent are merged, with the highest
// seq of each org, into messages of at most MaxMessage bytes.
func TestQueue(t *testing.T) {
	t.Parallel()
	sent, release := make(chan string), make(chan error)
	q := New(func(_ context.Context, message string) error {
		sent <- message
		return <-release
	}, slog.New(slog.DiscardHandler))
	q.Notify("first", 1)
	if got := <-sent; got != "1 first" {
		t.Errorf("sent %q", got)
	}
	want := map[string]int64{}
	for i := range 2000 {
		org := fmt.Sprintf("018f0000-0000-7000-8000-%012d", i%500)
		q.Notify(org, int64(i))
		want[org] = int64(i)
	}
	q.Notify("first", 9)
	q.Notify("first", 3)
	want["first"] = 9
	release <- errors.New("lost")
	got := map[string]int64{}
	for len(got) < len(want) {
		message := <-sent
		if len(message) > MaxMessage {
			t.Errorf("a message of %d bytes", len(message))
		}
		if err := Read(message, func(org string, seq int64) { got[org] = seq }); err != nil {
			t.Error(err)
		}
		release <- nil
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %d notifications, want %d", len(got), len(want))
	}
	q.Close()
	q.Notify("late", 1)
}

func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var busy atomic.Bool
		begun := make(chan struct{})
		q := New(func(ctx context.Context, _ string) error {
			busy.Store(true)
			close(begun)
			<-ctx.Done()
			time.Sleep(time.Minute)
			busy.Store(false)
			return ctx.Err()
		}, slog.New(slog.DiscardHandler))
		q.Notify("org", 1)
		<-begun
		if q.Close(); busy.Load() {
			t.Error("Close returned while a message was being sent")
		}
	})
}

func TestReadMalformed(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"", "x", "1", "1 ", "x org", "1 org\nx"} {
		all := false
		if err := Read(message, func(org string, seq int64) { all = all || org == "" && seq == 0 }); err == nil || !all {
			t.Errorf("%q: %v, notified for every org: %v", message, err, all)
		}
	}
}
