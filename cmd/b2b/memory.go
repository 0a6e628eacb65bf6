package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage may pile up before it is collected. What lives in a node that does
// little is a few megabytes: collecting that each time it doubles cost a tenth of the
// processor under load. What lives in a node with many thousand connections is much,
// and garbage of several times that would be most of its memory. So the room for
// garbage is a number of bytes rather than a share: a small node has up to three times
// what lives, a large one the same bytes, though never less than half of what lives,
// so that collecting costs a bounded share of the work in either.
const (
	garbageRoom = 32 << 20 // bytes
	mostPercent = 300
	minPercent  = 50
	percentStep = 10 // a smaller change of the percent is not worth stopping the world
)

// gcPercent is the room for garbage in percent of what lives, which a collection has
// to look at: objects, stacks and global variables, in bytes.
func gcPercent(live uint64) int {
	return int(min(max(garbageRoom*100/max(live, 1), minPercent), mostPercent))
}

// When a node that was busy is quiet, it gives back the memory that it needed for that:
// the runtime alone would do so after minutes, and keep a part.
const (
	busyBytes  = 32 << 20 // allocated since memory was given back: worth the work
	quietBytes = 1 << 20  // allocated in a tick at most
	quietTicks = 5
)

// rest finds out when a node that was busy is quiet.
type rest struct {
	last  uint64 // allocated until the last tick
	given uint64 // allocated until memory was given back
	ticks int    // quiet ones, one after another
}

// tick tells to give back memory; allocated is how many bytes were allocated since the
// process began.
func (r *rest) tick(allocated uint64) bool {
	if allocated-r.last > quietBytes {
		r.ticks = 0
	} else {
		r.ticks++
	}
	r.last = allocated
	if r.ticks < quietTicks || allocated-r.given < busyBytes {
		return false
	}
	r.given = allocated
	return true
}

// keepMemory sets how the runtime collects garbage, until ctx ends. GOGC in the
// environment wins, and nothing is done.
func keepMemory(ctx context.Context) {
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
	var r rest
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
