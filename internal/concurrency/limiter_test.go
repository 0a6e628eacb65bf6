package concurrency

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func callOf(org, procedure string, reads bool) *call.Info {
	op := &call.Operation{
		Procedure: procedure, Reads: reads, Changes: !reads,
		Access: &optionsv1.Access{Callers: []optionsv1.Caller{optionsv1.Caller_CALLER_BOT}},
	}
	return &call.Info{Operation: op, Caller: &call.Caller{Kind: call.Bot, OrgID: org}}
}

// most returns how many calls of an org run at once, and leaves them running.
func most(t *testing.T, l *Limiter, info *call.Info) int {
	t.Helper()
	for n := 0; ; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := l.Begin(ctx, info)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 1000 {
			t.Fatal("the calls are not limited")
		}
	}
}

// B2B-LIM-020: an org alone uses every processor. Beside another org it uses half of them for heavy
// calls, and leaves as many slots for reads as it takes.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config                     Config
		reads, alone, shared, next int
	}{
		{Config{Scheduler: Scheduler{Processors: 1}}, 1, 1, 1, 1},
		{Config{Scheduler: Scheduler{Processors: 2}}, 2, 2, 1, 1},
		{Config{Scheduler: Scheduler{Processors: 4}}, 4, 4, 2, 2},
		{Config{Scheduler: Scheduler{Processors: 16}}, 16, 16, 8, 5},
		{Config{Scheduler: Scheduler{Processors: 2}, Remote: true}, 8, 2, 2, 5},
	} {
		t.Run(fmt.Sprint(c.config.Scheduler.Processors, c.config.Remote), func(t *testing.T) {
			c.config.Long = []string{"search"}
			synctest.Test(t, func(t *testing.T) {
				if got := most(t, NewLimiter(c.config), callOf("a", "get", true)); got != c.reads {
					t.Errorf("an org reads %d times at once, want %d", got, c.reads)
				}
				l := NewLimiter(c.config)
				search(t, l, "a", slowCall)
				time.Sleep(activeSpan)
				if got := most(t, l, callOf("a", "search", true)); got != c.alone {
					t.Errorf("an org alone searches %d times at once, want %d", got, c.alone)
				}
				l = NewLimiter(c.config)
				search(t, l, "a", slowCall)
				if _, err := l.Begin(t.Context(), callOf("b", "send", false)); err != nil {
					t.Fatal(err)
				}
				if got := most(t, l, callOf("a", "search", true)); got != c.shared {
					t.Errorf("an org beside another one searches %d times at once, want %d", got, c.shared)
				}
				if got := most(t, l, callOf("b", "get", true)); got < c.next {
					t.Errorf("the other org reads %d times at once, want at least %d", got, c.next)
				}
			})
		})
	}
}

// search makes a call that takes a while.
func search(t *testing.T, l *Limiter, org string, took time.Duration) {
	t.Helper()
	s, err := l.Begin(t.Context(), callOf(org, "search", true))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(took) // Sleeps: in the bubble of its caller.
	s.End()
}

// A search is heavy for an org for some time after one that was slow, whatever follows it, and not
// for another org.
func TestSlowCallsAreHeavy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}, Long: []string{"search"}})
		for _, step := range []struct {
			after, took time.Duration
			org         string
			heavy       bool // a search after it
		}{
			{0, slowCall - 1, "a", false},
			{0, slowCall, "a", true},
			{0, 0, "b", false},
			{slowSpan / 2, 0, "a", true},
			{slowSpan/2 - 1, 0, "a", true},
			{1, 0, "a", false},
			{0, time.Hour, "a", true},
		} {
			time.Sleep(step.after)
			search(t, l, step.org, step.took)
			_, last := l.note(step.org, "search")
			if got := last != (cost{}); got != step.heavy {
				t.Errorf("%s after a search of %v is heavy: %v, want %v", step.org, step.took, got, step.heavy)
			}
			if _, last := l.note(step.org, "get"); last != (cost{}) {
				t.Errorf("another call is heavy: %v", last)
			}
		}
		if n := len(l.costly); n != 1 {
			t.Errorf("%d calls are remembered, want 1", n)
		}
	})
}

// A call is heavy after a large response, and not after a small one.
func TestLargeAnswersAreHeavy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		list, other := callOf("a", "list", true), callOf("b", "get", true)
		for _, step := range []struct {
			answer int64
			heavy  bool // the next call
		}{{100, false}, {HeavyBytes, true}, {HeavyBytes - 1, false}} {
			slot, err := l.Begin(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			slot.Answered(step.answer)
			slot.End() // a second time has no effect
			beside, err := l.Begin(t.Context(), other)
			if err != nil {
				t.Fatal(err)
			}
			beside.End()
			next, err := l.Begin(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.heavy.InUse("a") > 0; got != step.heavy {
				t.Errorf("after a response of %d bytes the next call is heavy: %v, want %v", step.answer, got, step.heavy)
			}
			next.End()
		}
		if n := l.heavy.InUse("a") + l.reads.InUse("a"); n != 0 {
			t.Errorf("%d slots were not returned", n)
		}
	})
}

// An org counts as alone some time after the last call of another org.
func TestAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		for _, c := range []struct {
			after time.Duration
			org   string
			alone bool
		}{
			{0, "a", true}, {0, "a", true}, {0, "b", false}, {0, "a", false},
			{activeSpan, "a", false}, {time.Millisecond, "a", true}, {0, "c", false},
		} {
			time.Sleep(c.after)
			if alone, _ := l.note(c.org, ""); alone != c.alone {
				t.Errorf("%s after %v is alone: %v, want %v", c.org, c.after, alone, c.alone)
			}
		}
	})
}

// Large bodies of an org are decoded one after the other, small ones at once.
func TestDecode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		if _, err := l.Decode(t.Context(), "b", HeavyBytes); err != nil { // another org has no effect on it
			t.Fatal(err)
		}
		first, err := l.Decode(t.Context(), "a", HeavyBytes)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Decode(ctx, "a", HeavyBytes); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second: %v, want it to wait", err)
		}
		if _, err := l.Decode(t.Context(), "a", HeavyBytes-1); err != nil {
			t.Errorf("a small one: %v", err)
		}
		first.End()
		if _, err := l.Decode(t.Context(), "a", HeavyBytes); err != nil {
			t.Errorf("one after it: %v", err)
		}
	})
}

// A call that waited too long is refused with an error that allows a retry.
func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		info := callOf("a", "get", true)
		most(t, l, info)
		begun := time.Now()
		_, err := l.Begin(t.Context(), info)
		var e *call.Error
		if !errors.As(err, &e) || e.Code != b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE || e.RetryAfter < 1 || e.Hint == "" {
			t.Errorf("refused with %v", err)
		}
		if took := time.Since(begun); took != wait {
			t.Errorf("after %v, want %v", took, wait)
		}
	})
}

// A call costs no allocation.
func BenchmarkBegin(b *testing.B) {
	for name, reads := range map[string]bool{"read": true, "change": false} {
		b.Run(name, func(b *testing.B) {
			l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
			info := callOf("a", name, reads)
			b.ReportAllocs()
			for b.Loop() {
				slot, err := l.Begin(b.Context(), info)
				if err != nil {
					b.Fatal(err)
				}
				slot.Answered(300)
			}
		})
	}
}
