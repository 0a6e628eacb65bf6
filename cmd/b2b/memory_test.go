package main

import (
	"context"
	"runtime/debug"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	t.Parallel()
	last := mostPercent
	for live := uint64(0); live < 1<<34; live = live*5/4 + 1<<10 {
		percent := gcPercent(live)
		if percent < minPercent || percent > mostPercent || percent > last {
			t.Fatalf("%d%% of %d bytes, after %d%%", percent, live, last)
		}
		room := live * uint64(percent) / 100
		if room > max(garbageRoom, live*minPercent/100) {
			t.Fatalf("room for %d bytes of garbage beside %d", room, live)
		}
		last = percent
	}
	for live, want := range map[uint64]int{0: 300, 5 << 20: 300, 16 << 20: 200, 32 << 20: 100, 64 << 20: 50, 1 << 30: 50} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d%% of %d MB, want %d", got, live>>20, want)
		}
	}
}

func TestIdleDetector(t *testing.T) {
	t.Parallel()
	var r idleDetector
	total := uint64(0)
	given := func(bytes uint64, ticks int) (n int) {
		for range ticks {
			if total += bytes; r.tick(total) {
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
	}{
		{"little from the beginning", idleBytes / 8, 20, 0},
		{"busy", 50 << 20, 100, 0},
		{"not quiet for long", 0, idleTicks - 1, 0},
		{"busy again", idleBytes + 1, 1, 0},
		{"quiet, once", 0, 50, 1},
		{"a trickle piles up", idleBytes, busyBytes / idleBytes, 1},
		{"nothing new", 0, 50, 0},
	} {
		if got := given(c.bytes, c.ticks); got != c.want {
			t.Errorf("%s: given back %d times, want %d", c.name, got, c.want)
		}
	}
}

func TestTuneMemory(t *testing.T) {
	was := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	t.Setenv("GOGC", "70")
	tuneMemory(t.Context()) // returns, since GOGC takes precedence
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC was set, and the percent became %d", got)
	}
	t.Setenv("GOGC", "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	tuneMemory(ctx)
	if got := debug.SetGCPercent(100); got != mostPercent {
		t.Errorf("the percent is %d, want %d", got, mostPercent)
	}
}
