package concurrency

import (
	"sync"
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
				var threads, room atomic.Int64
				l.ticks.room = func(n int) { room.Add(int64(n)) }
				l.ticks.tick = func(processor int, more func() bool) {
					threads.Add(1)
					defer threads.Add(-1)
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
				if got := threads.Load(); got != c.want || room.Load() != c.want {
					t.Errorf("%d processors have ticks, with room for %d, want %d", got, room.Load(), c.want)
				}
				long.End()
				if n := l.ticks.busy.Load(); n != 0 {
					t.Errorf("%d busy calls remain", n)
				}
				time.Sleep(tickSpan + tickEvery)
				synctest.Wait()
				if got := threads.Load(); got != 0 || room.Load() != 0 || l.ticks.running.Load() {
					t.Errorf("%d processors still have ticks, with room for %d", got, room.Load())
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

// The decoding of a large body has ticks, too, and no call is counted twice or for ever. A processor
// that cannot be used is not tried again for each call.
func TestTicksOfDecoding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2, ticked: []int{0}}})
		var tries atomic.Int64
		l.ticks.tick = func(int, func() bool) { tries.Add(1) }
		l.ticks.room = func(int) {}
		l.note("b", "")
		for range 100 {
			body, err := l.Decode(t.Context(), "a", HeavyBytes)
			if err != nil {
				t.Fatal(err)
			}
			if n := l.ticks.busy.Load(); n != 1 {
				t.Errorf("%d busy calls, want 1", n)
			}
			synctest.Wait()
			body.End()
			body.End()
		}
		if n := l.ticks.busy.Load(); n != 0 {
			t.Errorf("%d busy calls remain", n)
		}
		time.Sleep(3 * tickSpan)
		synctest.Wait()
		if l.ticks.running.Load() || tries.Load() != 1 {
			t.Errorf("the ticks run: %v, after %d tries, want 1", l.ticks.running.Load(), tries.Load())
		}
	})
}

// B2B-LIM-020: an org whose short calls wait for their share of the processors has ticks beside
// another org. A burst that is soon over has none.
func TestTicksOfManyCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		takes  time.Duration // each call
		beside bool
		want   bool
	}{
		{"calls that wait beside another org", 2 * longWait, true, true},
		{"calls that wait of an org alone", 2 * longWait, false, false},
		{"a burst beside another org", longWait / 2, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2, ticked: []int{0}}})
				var ticked atomic.Bool
				l.ticks.room = func(int) {}
				l.ticks.tick = func(_ int, more func() bool) {
					for more() {
						ticked.Store(true)
						time.Sleep(tickEvery)
					}
				}
				if c.beside {
					l.note("b", "")
				}
				var calls sync.WaitGroup
				for range 4 { // two of them wait for the first two
					calls.Go(func() {
						permit, err := l.Begin(t.Context(), callOf("a", "get", true))
						if err != nil {
							t.Error(err)
							return
						}
						time.Sleep(c.takes)
						permit.End()
						permit.End()
					})
				}
				calls.Wait()
				time.Sleep(3 * tickSpan)
				synctest.Wait()
				if ticked.Load() != c.want {
					t.Errorf("there were ticks: %v, want %v", ticked.Load(), c.want)
				}
				if l.ticks.busy.Load() != 0 || l.ticks.running.Load() {
					t.Errorf("the ticks go on: %d busy calls", l.ticks.busy.Load())
				}
			})
		})
	}
}
