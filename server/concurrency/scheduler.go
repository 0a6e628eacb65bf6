package concurrency

import (
	"errors"
	"runtime"
	"time"
)

// Scheduler describes how the threads of this process share its processors. The zero value
// is that of a process that was not prepared.
type Scheduler struct {
	Processors int  // for the calls of all orgs; 0: GOMAXPROCS
	Slices     bool // threads have short slices, so heavy calls get long ones
}

// The kernel lets a thread run for a slice before another one that is ready gets its
// processor, and lets a thread that wakes up interrupt one with a longer slice. A call that
// needs little therefore waits for no heavy call.
const (
	shortSlice = 200 * time.Microsecond
	longSlice  = 4 * time.Millisecond
)

// errNoSlices says that this system has no slices that a process can set.
var errNoSlices = errors.New("concurrency: the system has no slices of threads")

// Prepare prepares this process to serve: it raises GOMAXPROCS, and where the kernel has
// them (Linux from 6.12 on; older ones ignore it), gives all threads short slices. It is
// called by main, before anything computes. The error says why the slices are as they were;
// the scheduler is good in any case.
func Prepare() (Scheduler, error) {
	s := Scheduler{Processors: runtime.GOMAXPROCS(0)}
	runtime.GOMAXPROCS(threads(s.Processors))
	err := shortenSlices()
	s.Slices = err == nil
	if errors.Is(err, errNoSlices) {
		err = nil
	}
	return s, err
}

// threads is the GOMAXPROCS for a server on so many processors: more than its limiter lets
// one org keep busy.
func threads(processors int) int { return processors + 2 }
