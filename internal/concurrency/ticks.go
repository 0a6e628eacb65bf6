package concurrency

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tickEvery is the longest time that a thread which may run waits for one that computes, about.
	tickEvery = 400 * time.Microsecond
	// tickSpan is how long the ticks go on after the last call that needed them. Their start and end
	// stop all goroutines for about 0.1 ms.
	tickSpan = time.Second
	// mostTicked is the greatest number of processors with ticks. With more, a thread that wakes up
	// usually finds an idle one.
	mostTicked = 8
)

// ticks makes the kernel reconsider more often which thread runs, while heavy calls, or so many
// calls of an org that some wait, run beside calls of another org. By itself the kernel does so
// when a thread wakes up, and at its ticks: each 4 ms at 250 Hz. A thread that has just used its
// share of the processor when it wakes up does not interrupt a heavy call or the garbage collector,
// so that a short call waits for the next tick. So there is a thread for each processor that wakes
// up each tickEvery and does nothing. It takes about a twentieth of the processor.
//
// The threads start when they are needed and end tickSpan later. The Go scheduler has room for them
// only as long: room that is not used costs each call some percent of its time. The zero value has
// no ticks.
type ticks struct {
	processors []int
	tick       func(processor int, more func() bool) // returns after more has returned false
	room       func(threads int)                     // makes room for so many more threads

	busy    atomic.Int64 // calls that run and are heavy, or of an org that sends more than its share
	until   atomic.Int64 // end of the ticks, in nanoseconds of Unix time
	running atomic.Bool
}

// needed is called for each call that has another org beside it.
func (t *ticks) needed(now time.Time) {
	if len(t.processors) == 0 || t.busy.Load() == 0 {
		return
	}
	t.until.Store(now.Add(tickSpan).UnixNano())
	if t.running.CompareAndSwap(false, true) {
		go t.run() // ends tickSpan after the last call that is busy
	}
}

func (t *ticks) run() {
	more := func() bool { return time.Now().UnixNano() < t.until.Load() }
	t.room(len(t.processors))
	var threads sync.WaitGroup
	for _, processor := range t.processors {
		threads.Go(func() { t.tick(processor, more) })
	}
	threads.Wait()
	for more() { // the processors could not be used
		time.Sleep(tickSpan)
	}
	t.room(-len(t.processors))
	t.running.Store(false)
}

// moreThreads lets the Go scheduler run so many more threads; less than zero: fewer.
func moreThreads(n int) { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n) }
