package concurrency

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// B2B-LIM-020: each processor has ticks while a heavy call of an org runs beside calls of another,
// and a little longer. They end by themselves.
func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		heavy, beside bool
		want          int64
	}{
		{"a heavy call beside another org", true, true, 2},
		{"a heavy call of an org alone", true, false, 0},
		{"a light call beside another org", false, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2, ticked: []int{3, 5}}})
				var ticked [6]atomic.Int64
				l.ticks.tick = func(processor int, more func() bool) {
					for more() {
						ticked[processor].Add(1)
						time.Sleep(tickEvery)
					}
				}
				list, other := callOf("a", "list", true), callOf("b", "get", true)
				if c.heavy {
					l.answered(list, HeavyBytes)
				}
				long, err := l.Begin(t.Context(), list)
				if err != nil {
					t.Fatal(err)
				}
				if c.beside {
					short, err := l.Begin(t.Context(), other)
					if err != nil {
						t.Fatal(err)
					}
					short.End()
				}
				synctest.Wait()
				if got := l.ticks.running.Load(); got != c.want {
					t.Errorf("%d processors have ticks, want %d", got, c.want)
				}
				long.End()
				if n := l.ticks.heavy.Load(); n != 0 {
					t.Errorf("%d heavy calls remain", n)
				}
				time.Sleep(tickSpan + tickEvery)
				synctest.Wait()
				if got := l.ticks.running.Load(); got != 0 {
					t.Errorf("%d processors still have ticks", got)
				}
				for _, processor := range l.ticks.processors {
					most := int64(tickSpan/tickEvery) * c.want / 2
					if got := ticked[processor].Load(); got < most*9/10 || got > most+1 {
						t.Errorf("processor %d had %d ticks, want %d", processor, got, most)
					}
				}
			})
		})
	}
}

// The decoding of a large body has ticks, too, and no call is counted twice or for ever.
func TestTicksOfDecoding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2, ticked: []int{0}}})
		l.ticks.tick = func(_ int, more func() bool) {
			for more() {
				time.Sleep(tickEvery)
			}
		}
		l.note("b", "")
		body, err := l.Decode(t.Context(), "a", HeavyBytes)
		if err != nil {
			t.Fatal(err)
		}
		if running, heavy := l.ticks.running.Load(), l.ticks.heavy.Load(); running != 1 || heavy != 1 {
			t.Errorf("%d processors have ticks for %d heavy calls, want 1 and 1", running, heavy)
		}
		body.End()
		body.End()
		if n := l.ticks.heavy.Load(); n != 0 {
			t.Errorf("%d heavy calls remain", n)
		}
		time.Sleep(2 * tickSpan)
		synctest.Wait()
		if n := l.ticks.running.Load(); n != 0 {
			t.Errorf("%d processors still have ticks", n)
		}
	})
}
