package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// The garbage that may accumulate before a collection. A mostly idle node has a few megabytes of
// live objects; collecting each time they double would take a tenth of the processor under load,
// and delay the calls of all orgs. A node with many thousand connections has many live objects;
// several times their size in garbage would be most of its memory. So the limit for garbage is a
// number of bytes rather than a percentage: several times the live bytes on a small node, and down
// to half of them on a large one, so that collections take a limited share of the work on either.
// Decision 0027 compares this with settings of the Go runtime.
const (
	leastRoom = 32 << 20 // bytes, on a machine with little memory
	mostRoom  = 64 << 20
	roomPart  = 128 // the room is this part of the memory of the machine
	// percentOfLeast is the greatest percentage of the live bytes, with leastRoom; with more room it
	// is more.
	percentOfLeast = 300
	minPercent     = 50
)

// garbageRoom returns how many bytes of garbage may accumulate on a machine or in a container with
// this many bytes of memory; 0: not known.
func garbageRoom(memory uint64) uint64 {
	return min(max(memory/roomPart, leastRoom), mostRoom)
}

// mostPercent returns the percentage of the live bytes for a node with few.
func mostPercent(room uint64) int { return int(percentOfLeast * room / leastRoom) }

// gcPercent returns the room as a percentage of the live bytes: objects, stacks and global
// variables.
func gcPercent(live, room uint64) int {
	return min(max(int(room*100/max(live, 1)), minPercent), mostPercent(room))
}

// differs reports whether another percentage is worth stopping the world for. The live bytes
// include what the calls in progress need, and differ after each collection.
func differs(percent, want int) bool {
	return want < percent*3/4 || want > percent*3/2
}

// A node that was busy and is idle again returns memory to the system. The runtime alone would do
// so only after minutes, and keep a part. Its start counts as busy: it allocates and reads what is
// not needed again.
const (
	busyBytes = 32 << 20 // allocated since memory was last returned, or half of the live bytes: makes returning worthwhile
	idleBytes = 1 << 20  // the most that an idle node allocates in a tick
	idlePart  = 32       // or this part of its live bytes: pings and checks of idle connections
	idleTicks = 5
)

// idleDetector finds out when a node that was busy is idle.
type idleDetector struct {
	started  bool   // memory was returned since the start
	last     uint64 // bytes allocated at the last tick
	returned uint64 // bytes allocated when memory was last returned
	ticks    int    // consecutive idle ticks
}

// tick reports whether to return memory. allocated is the number of bytes allocated since the
// process started, live the number of live bytes.
func (r *idleDetector) tick(allocated, live uint64) bool {
	if allocated-r.last > max(idleBytes, live/idlePart) {
		r.ticks = 0
	} else {
		r.ticks++
	}
	r.last = allocated
	if r.ticks < idleTicks || r.started && allocated-r.returned < max(busyBytes, live/2) {
		return false
	}
	r.started, r.returned = true, allocated
	return true
}

// tuneMemory adjusts the garbage collector until ctx ends. It does nothing if GOGC is set in the
// environment.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	room := garbageRoom(memoryLimit())
	percent := mostPercent(room)
	debug.SetGCPercent(percent)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	// After a collection, so that a node which suddenly has many live objects does not leave several
	// times their size in garbage.
	collected, stop := collections()
	defer stop()
	sample := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	var r idleDetector
	for {
		ticked := false
		select {
		case <-ctx.Done():
			return
		case <-collected:
		case <-tick.C:
			ticked = true
		}
		metrics.Read(sample)
		live := uint64(0)
		for _, s := range sample[1:] {
			live += s.Value.Uint64()
		}
		if want := gcPercent(live, room); differs(percent, want) {
			percent = want
			debug.SetGCPercent(percent)
		}
		if ticked && r.tick(sample[0].Value.Uint64(), live) {
			debug.FreeOSMemory()
			unmapProgram()
		}
	}
}

// collections returns a channel that receives after each garbage collection, until stop.
func collections() (<-chan struct{}, func()) {
	collected := make(chan struct{}, 1)
	var stopped atomic.Bool
	var watch func()
	watch = func() {
		// The runtime calls the finalizer of an object without references after the next collection.
		runtime.SetFinalizer(&sentinel{}, func(*sentinel) {
			select {
			case collected <- struct{}{}:
			default: // the last one was not handled yet
			}
			if !stopped.Load() {
				watch()
			}
		})
	}
	watch()
	return collected, func() { stopped.Store(true) }
}

// sentinel is an object with a finalizer. It has a pointer, so that it does not share its memory
// with others.
type sentinel struct{ _ *int }
