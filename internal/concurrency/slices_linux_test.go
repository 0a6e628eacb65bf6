package concurrency

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slice returns the time slice of the calling thread; 0 if the kernel has none.
func slice(t *testing.T) time.Duration {
	t.Helper()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(attr.Runtime)
}

// A heavy call runs on a thread with a long time slice, and resets it afterwards.
func TestHeavyCallsHaveLongSlices(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // the thread ends with the test
	switch err := setSlice(0, shortSlice); {
	case errors.Is(err, errNoSlices):
		t.Log("this process has a policy without slices")
		return
	case err != nil:
		t.Fatal(err)
	}
	short, long := slice(t), longSlice
	if short == 0 { // the kernel ignores slices; calls must work nevertheless
		long = 0
	}
	l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2, Slices: true}, Long: []string{"search"}})
	l.ended(callOf("a", "search", true), slowCall, time.Now())
	for _, c := range []struct {
		procedure string
		want      time.Duration
	}{{"get", short}, {"search", long}, {"get", short}} {
		slot, err := l.Begin(t.Context(), callOf("a", c.procedure, true))
		if err != nil {
			t.Fatal(err)
		}
		if got := slice(t); got != c.want {
			t.Errorf("%s runs with a slice of %v, want %v", c.procedure, got, c.want)
		}
		slot.End()
		slot.End()
		if got := slice(t); got != short {
			t.Errorf("after %s the slice is %v, want %v", c.procedure, got, short)
		}
	}
}

// A tick runs on its processor alone, and the threads of calls on any.
func TestTicksHaveTheirProcessor(t *testing.T) {
	t.Parallel()
	all := tickedProcessors()
	if len(all) == 0 {
		all = []int{firstProcessor(t)} // a machine with more than mostTicked
	}
	for _, processor := range all {
		done := make(chan unix.CPUSet)
		go tick(processor, func() bool {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(0, &set); err != nil {
				t.Error(err)
			}
			done <- set
			return false
		})
		if set := <-done; set.Count() != 1 || !set.IsSet(processor) {
			t.Errorf("a tick of processor %d runs on %d, on it: %v", processor, set.Count(), set.IsSet(processor))
		}
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	if len(all) > 1 && set.Count() != len(all) {
		t.Errorf("after it a goroutine runs on %d processors, want %d", set.Count(), len(all))
	}
}

func firstProcessor(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for processor := 0; ; processor++ {
		if set.IsSet(processor) {
			return processor
		}
	}
}
