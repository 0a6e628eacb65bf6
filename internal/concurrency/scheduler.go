package concurrency

import (
	"errors"
	"runtime"
	"time"
)

// Scheduler describes how the threads of this process share its processors. The zero value
// describes a process that did not call [Prepare].
type Scheduler struct {
	Processors int  // for the calls of all orgs; 0: GOMAXPROCS
	Slices     bool // threads have short time slices, and heavy calls get long ones

	ticked []int // processors that get a thread for ticks while heavy calls run
}

// The kernel lets a thread run for one time slice before it gives the processor to another runnable
// thread, and lets a thread that wakes up preempt one with a longer slice. So a short call does not
// wait for a heavy one.
const (
	shortSlice = 200 * time.Microsecond
	longSlice  = 4 * time.Millisecond
)

// errNoSlices means that a process cannot set time slices on this system.
var errNoSlices = errors.New("concurrency: the system has no slices of threads")

// Prepare prepares this process to serve. It raises GOMAXPROCS and gives all threads short time
// slices, if the kernel supports that (Linux from 6.12 on; older ones ignore it). The program must
// call it first. The error says why the slices were not changed; the returned Scheduler can be used
// in any case.
func Prepare() (Scheduler, error) {
	s := Scheduler{Processors: runtime.GOMAXPROCS(0), ticked: tickedProcessors()}
	runtime.GOMAXPROCS(threads(s.Processors))
	err := shortenSlices()
	s.Slices = err == nil
	if errors.Is(err, errNoSlices) {
		err = nil
	}
	return s, err
}

// threads returns the GOMAXPROCS for a server with this number of processors: more than its limiter
// lets one org keep busy.
func threads(processors int) int { return processors + 2 }
