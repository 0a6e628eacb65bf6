package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage that may accumulate before a collection. A mostly idle node has a few megabytes of
// live objects; collecting each time they double would take a tenth of the processor under load. A
// node with many thousand connections has many live objects; several times their size in garbage
// would be most of its memory. So the limit for garbage is a number of bytes rather than a
// percentage: three times the live bytes on a small node, and down to half of them on a large one,
// so that collections take a limited share of the work on either. Decision 0027 compares this with
// settings of the Go runtime.
const (
	garbageRoom = 32 << 20 // bytes
	mostPercent = 300
	minPercent  = 50
	percentStep = 10 // a smaller change of the percent is not worth stopping the world
)

// gcPercent returns garbageRoom as a percentage of the live bytes: objects, stacks and global
// variables.
func gcPercent(live uint64) int {
	return int(min(max(garbageRoom*100/max(live, 1), minPercent), mostPercent))
}

// A node that was busy and is idle again returns memory to the system. The runtime alone would do
// so only after minutes, and keep a part.
const (
	busyBytes = 32 << 20 // allocated since memory was last returned: makes returning worthwhile
	idleBytes = 1 << 20  // the most that an idle node allocates in a tick
	idleTicks = 5
)

// idleDetector finds out when a node that was busy is idle.
type idleDetector struct {
	last     uint64 // bytes allocated at the last tick
	returned uint64 // bytes allocated when memory was last returned
	ticks    int    // consecutive idle ticks
}

// tick reports whether to return memory. allocated is the number of bytes allocated since the
// process started.
func (r *idleDetector) tick(allocated uint64) bool {
	if allocated-r.last > idleBytes {
		r.ticks = 0
	} else {
		r.ticks++
	}
	r.last = allocated
	if r.ticks < idleTicks || allocated-r.returned < busyBytes {
		return false
	}
	r.returned = allocated
	return true
}

// tuneMemory adjusts the garbage collector until ctx ends. It does nothing if GOGC is set in the
// environment.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := mostPercent
	debug.SetGCPercent(percent)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	sample := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	var r idleDetector
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		live := uint64(0)
		for _, s := range sample[1:] {
			live += s.Value.Uint64()
		}
		if want := gcPercent(live); want-percent >= percentStep || percent-want >= percentStep {
			percent = want
			debug.SetGCPercent(percent)
		}
		if r.tick(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
