package fair

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sent is a request that runs in its own goroutine until Leave.
type sent struct {
	turn Turn
	err  error
	done atomic.Bool
}

func sendOne(ctx context.Context, m *Majority, key string, alone bool) *sent {
	s := &sent{}
	go func() {
		s.turn, s.err = m.Enter(ctx, key, alone)
		s.done.Store(true)
	}()
	synctest.Wait()
	return s
}

func (s *sent) runs() bool { return s.done.Load() && s.err == nil }

// state returns the running and waiting requests of each key, such as "a2+3 b1".
func (m *Majority) state() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for key, c := range m.keys {
		text := fmt.Sprint(key, c.running)
		if c.waiting.n > 0 {
			text += fmt.Sprint("+", c.waiting.n)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// B2B-LIM-022: what runs and waits after requests have come; "A" is a request of the key a, which is
// alone.
func TestMajority(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ come, want string }{
		{"", ""},
		{"aa", "a2"},
		{"aaaaa", "a2+3"},          // at most its share
		{"aaaaab", "a2+3 b1"},      // as many as the others have, if that is more than its share
		{"aaaaabbb", "a3+2 b3"},    // the others never wait,
		{"aaaaabbbbb", "a5 b5"},    // whatever they send
		{"aaaaabbbbbb", "a5 b5+1"}, // until they are the majority
		{"aaaaabbbbbba", "a6 b6"},  //
		{"aaaaabbc", "a3+2 b2 c1"}, // the others together
		{"aaaaabcdef", "a5 b1 c1 d1 e1 f1"},
		{"bbbbaaa", "a3 b3+1"},
		{"AAAAA", "a5"},        // who is alone does not wait
		{"AAAAAb", "a5 b1"},    // what runs goes on,
		{"AAAAAba", "a5+1 b1"}, // and what comes waits
		{"aaaaaA", "a6"},       // all that waited, too
	} {
		synctest.Test(t, func(t *testing.T) {
			m := NewMajority(Sizes{Share: 2})
			ctx, cancel := context.WithCancel(t.Context())
			for _, key := range c.come {
				name := strings.ToLower(string(key))
				sendOne(ctx, m, name, string(key) != name)
			}
			if got := m.state(); got != c.want {
				t.Errorf("%q: %s, want %s", c.come, got, c.want)
			}
			cancel()
		})
	}
}

// B2B-LIM-022: requests of a key run in the order of arrival, and one that gives up is skipped.
func TestMajorityOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMajority(Sizes{Share: 1})
		first := sendOne(t.Context(), m, "a", false)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := sendOne(ctx, m, "a", false)
		second, third := sendOne(t.Context(), m, "a", false), sendOne(t.Context(), m, "a", false)
		why := errors.New("the client is gone")
		cancel(why)
		synctest.Wait()
		if !errors.Is(gone.err, why) {
			t.Errorf("a request that gave up: %v", gone.err)
		}
		for i, step := range []struct{ leaves, next, waits *sent }{{first, second, third}, {second, third, nil}} {
			if step.next.runs() {
				t.Fatalf("step %d: the next runs beside the one before", i)
			}
			step.leaves.turn.Leave()
			step.leaves.turn.Leave() // has no effect
			synctest.Wait()
			if !step.next.runs() || step.waits != nil && step.waits.runs() {
				t.Fatalf("step %d: %s", i, m.state())
			}
		}
		third.turn.Leave()
		if got := m.state(); got != "" || m.total != 0 || m.waits != nil {
			t.Errorf("left: %q, %d in all", got, m.total)
		}
	})
}

// A request is refused if it waited too long, if the queue is full, or if it came too late.
func TestMajorityRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMajority(Sizes{Share: 1, Queue: 1, Wait: time.Second})
		runs := sendOne(t.Context(), m, "a", false)
		waits, refused := sendOne(t.Context(), m, "a", false), sendOne(t.Context(), m, "a", false)
		if other := sendOne(t.Context(), m, "b", false); !other.runs() {
			t.Error("another key is refused, too")
		} else {
			other.turn.Leave()
		}
		if !errors.Is(refused.err, ErrBusy) || waits.done.Load() {
			t.Errorf("with a full queue: %v; before: %v", refused.err, waits.done.Load())
		}
		time.Sleep(time.Second) // Sleeps: in a bubble.
		synctest.Wait()
		if !errors.Is(waits.err, ErrBusy) {
			t.Errorf("after its time: %v", waits.err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if late := sendOne(over, m, "c", false); !errors.Is(late.err, context.Canceled) {
			t.Errorf("after its context: %v", late.err)
		}
		runs.turn.Leave()
		if got := m.state(); got != "" || m.total != 0 {
			t.Errorf("left: %q, %d in all", got, m.total)
		}
	})
}

// B2B-LIM-022: whatever comes, ends and gives up, at most one key waits, it runs what it may, and in
// the end nothing is left.
func TestMajorityModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			m := NewMajority(Sizes{Share: 1 + random.IntN(3)})
			type request struct {
				*sent
				cancel context.CancelFunc
			}
			var all []request
			for range 300 {
				if n := len(all); n > 0 && random.IntN(2) == 0 {
					i := random.IntN(n)
					all[i].cancel()
					synctest.Wait()
					all[i].turn.Leave()
					all = slices.Delete(all, i, i+1)
				} else {
					ctx, cancel := context.WithCancel(t.Context())
					key := string("aaaabbc"[random.IntN(7)])
					all = append(all, request{sendOne(ctx, m, key, random.IntN(50) == 0), cancel})
				}
				synctest.Wait()
				m.check(t, len(all))
			}
			for _, r := range all {
				r.cancel()
				synctest.Wait()
				r.turn.Leave()
			}
			if got := m.state(); got != "" || m.total != 0 || m.waits != nil {
				t.Errorf("seed %d: left: %q, %d in all", seed, got, m.total)
			}
		})
	}
}

// check compares the state with the rule.
func (m *Majority) check(t *testing.T, total int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total != total {
		t.Fatalf("%d requests, want %d", m.total, total)
	}
	for key, c := range m.keys {
		if waits := c.waiting.n > 0; waits != (m.waits == c) {
			t.Fatalf("%s has %d waiting requests, and is the key that waits: %v", key, c.waiting.n, m.waits == c)
		}
		if others := total - c.running - c.waiting.n; c.waiting.n > 0 && c.running < max(m.sizes.Share, others) {
			t.Fatalf("%s waits with %d running and %d waiting beside %d", key, c.running, c.waiting.n, others)
		}
	}
}

// A request that need not wait costs no allocation.
func TestMajorityAllocatesNothing(t *testing.T) {
	// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
	m := NewMajority(Sizes{Share: 2})
	if n := testing.AllocsPerRun(100, func() {
		turn, err := m.Enter(t.Context(), "a", false)
		if err != nil {
			t.Fatal(err)
		}
		turn.Leave()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
