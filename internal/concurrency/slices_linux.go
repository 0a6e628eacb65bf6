package concurrency

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// shortenSlices gives all threads of this process short time slices. Threads that the runtime
// starts later inherit the slice of a thread that is not locked.
func shortenSlices() error {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list the threads: %w", err)
	}
	for _, entry := range entries {
		thread, err := strconv.Atoi(entry.Name())
		if err != nil {
			return fmt.Errorf("list the threads: %w", err)
		}
		if err := setSlice(thread, shortSlice); err != nil {
			return err
		}
	}
	return nil
}

// beginLong runs this goroutine on a thread with a long time slice, until endLong.
func beginLong() bool {
	runtime.LockOSThread()
	yield()
	if err := setSlice(0, longSlice); err != nil {
		runtime.UnlockOSThread()
		return false
	}
	return true
}

// endLong must be called by the goroutine for which beginLong returned true. If the slice cannot be
// reset, the thread stays locked to the goroutine, and ends with it.
func endLong() {
	if setSlice(0, shortSlice) == nil {
		runtime.UnlockOSThread()
	}
}

// yield lets the threads that wait for this processor run first. A thread preempts one with a longer
// slice only when it wakes up. One that woke up while this thread still had a short slice would
// otherwise wait for the next tick of the kernel, up to 10 ms.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) } // never fails

// setSlice sets the time slice of a thread (0: the calling one) without changing its policy and
// nice value.
func setSlice(thread int, slice time.Duration) error {
	attr, err := unix.SchedGetAttr(thread, 0)
	if err != nil {
		return fmt.Errorf("read the slice of a thread: %w", err)
	}
	if attr.Policy != unix.SCHED_NORMAL && attr.Policy != unix.SCHED_BATCH {
		return errNoSlices // the operator has chosen a policy without slices
	}
	attr.Runtime = uint64(slice)
	if err := unix.SchedSetAttr(thread, attr, 0); err != nil {
		return fmt.Errorf("set the slice of a thread: %w", err)
	}
	return nil
}
