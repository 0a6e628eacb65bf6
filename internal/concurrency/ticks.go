package concurrency

import (
	"sync/atomic"
	"time"
)

const (
	// tickEvery is the longest time that a thread which may run waits for one that computes, about.
	tickEvery = 400 * time.Microsecond
	// tickSpan is how long the ticks go on after the last call that needed them.
	tickSpan = 100 * time.Millisecond
	// mostTicked is the greatest number of processors with ticks. With more, a thread that wakes up
	// usually finds an idle one.
	mostTicked = 8
)

// ticks makes the kernel reconsider more often which thread runs, while heavy calls run beside
// calls of another org. By itself the kernel does so when a thread wakes up, and at its ticks: each
// 4 ms at 250 Hz. A thread that has just used its share of the processor when it wakes up does not
// interrupt a heavy call or the garbage collector, so that a short call waits for the next tick. So
// there is a thread for each processor that wakes up each tickEvery and does nothing. It takes
// about a twentieth of the processor.
//
// The threads start when they are needed and end tickSpan later. The zero value has no ticks.
type ticks struct {
	processors []int
	tick       func(processor int, more func() bool) // returns after more has returned false

	heavy   atomic.Int64 // heavy calls that run
	until   atomic.Int64 // end of the ticks, in nanoseconds of Unix time
	running atomic.Int64 // threads
}

// needed is called for each call that has another org beside it.
func (t *ticks) needed(now time.Time) {
	if len(t.processors) == 0 || t.heavy.Load() == 0 {
		return
	}
	ended := now.UnixNano() > t.until.Load()
	t.until.Store(now.Add(tickSpan).UnixNano())
	if !ended || !t.running.CompareAndSwap(0, int64(len(t.processors))) {
		return
	}
	for _, processor := range t.processors {
		go func() { // ends tickSpan after the last heavy call
			defer t.running.Add(-1)
			t.tick(processor, func() bool { return time.Now().UnixNano() < t.until.Load() })
		}()
	}
}
