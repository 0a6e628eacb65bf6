package concurrency

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// tickedProcessors returns the processors that this process may use; none if they are too many.
func tickedProcessors() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil || set.Count() > mostTicked {
		return nil
	}
	var all []int
	for processor := 0; len(all) < set.Count(); processor++ {
		if set.IsSet(processor) {
			all = append(all, processor)
		}
	}
	return all
}

// tick wakes up on a processor again and again while more. It returns at once if the processor
// cannot be used.
func tick(processor int, more func() bool) {
	runtime.LockOSThread() // the thread ends with the goroutine
	var only unix.CPUSet
	only.Set(processor)
	if unix.SchedSetaffinity(0, &only) != nil {
		return
	}
	// Without it the kernel delays a timer by 50 µs; then the ticks are a little fewer.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	every := unix.NsecToTimespec(int64(tickEvery))
	for more() {
		_ = unix.Nanosleep(&every, nil) // a signal ends it early
	}
}
