package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

func TestGarbageRoom(t *testing.T) {
	t.Parallel()
	for memory, want := range map[uint64]uint64{
		0: 32 << 20, 512 << 20: 32 << 20, 4 << 30: 32 << 20, 6 << 30: 48 << 20, 8 << 30: 64 << 20, 1 << 40: 64 << 20,
	} {
		if got := garbageRoom(memory); got != want {
			t.Errorf("room for %d MB of garbage on a machine of %d MB, want %d", got>>20, memory>>20, want>>20)
		}
	}
}

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for _, room := range []uint64{leastRoom, mostRoom} {
		last := mostPercent(room)
		for live := uint64(0); live < 1<<34; live = live*5/4 + 1<<10 {
			percent := gcPercent(live, room)
			if percent < minPercent || percent > mostPercent(room) || percent > last {
				t.Fatalf("%d%% of %d bytes, after %d%%", percent, live, last)
			}
			if garbage := live * uint64(percent) / 100; garbage > max(room, live*minPercent/100) {
				t.Fatalf("room for %d bytes of garbage beside %d", garbage, live)
			}
			last = percent
		}
	}
	for _, c := range []struct {
		live, room uint64
		want       int
	}{
		{0, leastRoom, 300}, {5 << 20, leastRoom, 300}, {16 << 20, leastRoom, 200}, {32 << 20, leastRoom, 100}, {64 << 20, leastRoom, 50}, {1 << 30, leastRoom, 50},
		{0, mostRoom, 600}, {8 << 20, mostRoom, 600}, {32 << 20, mostRoom, 200}, {128 << 20, mostRoom, 50},
	} {
		if got := gcPercent(c.live, c.room); got != c.want {
			t.Errorf("%d%% of %d MB, want %d", got, c.live>>20, c.want)
		}
	}
}

func TestIdleDetector(t *testing.T) {
	t.Parallel()
	var r idleDetector
	total := uint64(0)
	given := func(bytes, live uint64, ticks int) (n int) {
		for range ticks {
			if total += bytes; r.tick(total, live) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name  string
		bytes uint64 // a tick
		ticks int
		want  int
		live  uint64
	}{
		{"busy from the beginning", 1 << 20 * 3, 4, 0, 0},
		{"quiet after the start", idleBytes / 8, 20, 1, 0},
		{"busy", 50 << 20, 100, 0, 0},
		{"not quiet for long", 0, idleTicks - 1, 0, 0},
		{"busy again", idleBytes + 1, 1, 0, 0},
		{"quiet, once", 0, 50, 1, 0},
		{"a trickle piles up", idleBytes, busyBytes / idleBytes, 1, 0},
		{"nothing new", 0, 50, 0, 0},
		{"more than a trickle", 3 << 20, 50, 0, 0},
		{"the same of many connections", 3 << 20, idleTicks, 1, 100 << 20},
		{"again when half of the live bytes have piled up", 3 << 20, 16, 0, 100 << 20},
		{"and not earlier", 3 << 20, 1, 1, 100 << 20},
	} {
		if got := given(c.bytes, c.live, c.ticks); got != c.want {
			t.Errorf("%s: given back %d times, want %d", c.name, got, c.want)
		}
	}
}

func TestTuneMemory(t *testing.T) {
	// Not parallel: it changes the collector of the process.
	was := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	t.Setenv("GOGC", "70")
	tuneMemory(t.Context()) // returns, since GOGC takes precedence
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC was set, and the percent became %d", got)
	}
	t.Setenv("GOGC", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var tuner sync.WaitGroup
	tuner.Go(func() { tuneMemory(ctx) })
	most := mostPercent(garbageRoom(memoryLimit()))
	percent := func() int {
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return int(sample[0].Value.Uint64())
	}
	waittest.Until(t, "the percent of a small node", func() bool { return percent() == most })
	many := make([]byte, 512<<20) // is live, but never written to
	runtime.GC()
	waittest.Until(t, "the percent of a large node", func() bool { return percent() == minPercent })
	runtime.KeepAlive(many)
	cancel()
	tuner.Wait()
}

// Each collection is reported, also if nobody listens for a while, and none after stop.
func TestCollections(t *testing.T) {
	t.Parallel()
	collected, stop := collections()
	for range 3 {
		runtime.GC()
		runtime.GC()
		select {
		case <-collected:
		case <-time.After(10 * time.Second):
			t.Fatal("a collection was not reported")
		}
	}
	stop()
}
