package rings

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOutbox: while one message is under way all others become one, with the highest
// seq of each org, and none is longer than allowed.
func TestOutbox(t *testing.T) {
	sent, release := make(chan string), make(chan error)
	o := New(func(_ context.Context, message string) error {
		sent <- message
		return <-release
	}, slog.New(slog.DiscardHandler))
	o.Ring("first", 1)
	if got := <-sent; got != "1 first" {
		t.Errorf("sent %q", got)
	}
	want := map[string]int64{}
	for i := range 2000 {
		org := fmt.Sprintf("018f0000-0000-7000-8000-%012d", i%500)
		o.Ring(org, int64(i))
		want[org] = int64(i)
	}
	o.Ring("first", 9)
	o.Ring("first", 3)
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
		t.Errorf("got %d rings, want %d", len(got), len(want))
	}
	o.Close()
	o.Ring("late", 1)
}

func TestCloseWaits(t *testing.T) {
	var busy atomic.Bool
	begun := make(chan struct{})
	o := New(func(ctx context.Context, _ string) error {
		busy.Store(true)
		close(begun)
		<-ctx.Done()
		time.Sleep(10 * time.Millisecond)
		busy.Store(false)
		return ctx.Err()
	}, slog.New(slog.DiscardHandler))
	o.Ring("org", 1)
	<-begun
	if o.Close(); busy.Load() {
		t.Error("closed while sending")
	}
}

func TestReadNonsense(t *testing.T) {
	for _, message := range []string{"", "x", "1", "1 ", "x org", "1 org\nx"} {
		all := false
		if err := Read(message, func(org string, seq int64) { all = all || org == "" && seq == 0 }); err == nil || !all {
			t.Errorf("%q: %v, rang for everybody: %v", message, err, all)
		}
	}
}
