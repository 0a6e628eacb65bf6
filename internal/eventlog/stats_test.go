package eventlog_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
)

// The numbers of a hub count what waits for readers and those that were too slow; the lag of each
// delivered event is reported, apart for those of other nodes.
func TestStats(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, fx *fixture) {
		var here, elsewhere atomic.Int64
		h := fx.hub(eventlog.Config{Queue: 4, Grace: time.Nanosecond, Streams: 2, Lag: func(lag time.Duration, own bool) {
			switch {
			case lag < time.Hour: // the clock of the fixture is far behind
				t.Errorf("the lag of an event is %v", lag)
			case own:
				here.Add(1)
			default:
				elsewhere.Add(1)
			}
		}})
		b := fx.bots(2)
		thread := fx.thread(b...)
		before := here.Load()
		slow, reader := fx.subscribe(h, fx.bot(b[0]), nil), fx.subscribe(h, fx.bot(b[1]), nil)
		if got, want := h.Stats(), (eventlog.Stats{Logs: 1, Subscriptions: 2}); got != want {
			t.Errorf("at first: %+v, want %+v", got, want)
		}
		posted := func() {
			fx.post(thread, b[0], "text")
			if _, err := reader.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		posted()
		posted()
		got := h.Stats()
		if got.Queued != 2 || got.QueuedMost != 2 || got.QueuedBytes < 100 {
			t.Errorf("after two events that one reader has not taken: %+v", got)
		}
		for range 4 {
			posted()
		}
		var end *eventlog.SlowError
		if _, err := slow.Next(t.Context()); !errors.As(err, &end) {
			t.Fatalf("a slow reader got %v", err)
		}
		fx.subscribe(h, fx.bot(b[1]), nil)
		_, err := h.Subscribe(t.Context(), fx.bot(b[1]), nil, eventlog.Filter{})
		if err == nil {
			t.Fatal("a third stream of a bot was not refused")
		}
		if got := h.Stats(); got.Slow != 1 || got.Refused != 1 || got.Subscriptions != 2 {
			t.Errorf("after a slow reader and a refused one: %+v", got)
		}
		if n := here.Load() - before; n != 6 || elsewhere.Load() != 0 {
			t.Errorf("the lag of %d events of this node and %d of others was reported, want 6 and 0", n, elsewhere.Load())
		}
	})
}
