package concurrency

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/fair"
)

// B2B-LIM-022: an org that is alone runs all its changes at once. Beside another org, which may
// only read, it runs two, and as many as the others; theirs do not wait.
func TestChangesOfTheBusiestOrg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		busy, other := callOf("a", "send", false), callOf("b", "send", false)
		var alone []Permit
		for range 32 {
			p, err := l.Begin(t.Context(), busy)
			if err != nil {
				t.Fatal(err)
			}
			alone = append(alone, p)
		}
		for i := range alone {
			alone[i].Answered(300)
			alone[i].End() // a second time has no effect
		}
		read, err := l.Begin(t.Context(), callOf("b", "get", true))
		if err != nil {
			t.Fatal(err)
		}
		read.End()
		if got := most(t, l, busy); got != changesOfOrg {
			t.Errorf("an org beside one that reads changes %d times at once, want %d", got, changesOfOrg)
		}
		waits := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		for range 30 {
			go func() {
				_, err := l.Begin(ctx, busy)
				waits <- err
			}()
		}
		synctest.Wait()
		for range 5 {
			if _, err := l.Begin(t.Context(), other); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for range 5 - changesOfOrg {
			if err := <-waits; err != nil {
				t.Error(err)
			}
		}
		cancel()
		for range 30 - (5 - changesOfOrg) {
			if err := <-waits; !errors.Is(err, context.Canceled) {
				t.Errorf("a change that should wait: %v", err)
			}
		}
	})
}

// A change that waited for others of its org counts as one beside which short calls need ticks; one
// that did not wait does not, and neither does that of the other org.
func TestChangesThatWaitHaveTicks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		other, err := l.Begin(t.Context(), callOf("b", "send", false))
		if err != nil {
			t.Fatal(err)
		}
		for _, held := range []time.Duration{longChangeWait - 1, longChangeWait} {
			var first []Permit
			for range changesOfOrg {
				p, err := l.Begin(t.Context(), callOf("a", "send", false))
				if err != nil {
					t.Fatal(err)
				}
				first = append(first, p)
			}
			if n := l.ticks.busy.Load(); n != 0 {
				t.Errorf("%d calls have ticks before one waits", n)
			}
			time.AfterFunc(held, first[0].End)
			waited, err := l.Begin(t.Context(), callOf("a", "send", false))
			if err != nil {
				t.Fatal(err)
			}
			want := int64(0)
			if held >= longChangeWait {
				want = 1
			}
			if n := l.ticks.busy.Load(); n != want {
				t.Errorf("after a wait of %v %d calls have ticks, want %d", held, n, want)
			}
			waited.End()
			first[1].End()
		}
		if n := l.ticks.busy.Load(); n != 0 {
			t.Errorf("%d calls still have ticks", n)
		}
		other.End()
	})
}

// All changes of an org run at once again when the other has not called for some time.
func TestChangesAfterANeighbour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}})
		if _, err := l.Begin(t.Context(), callOf("b", "get", true)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 9)
		begin := func() { _, err := l.Begin(t.Context(), callOf("a", "send", false)); done <- err }
		for range 8 {
			go begin()
		}
		synctest.Wait()
		if n := len(done); n != changesOfOrg {
			t.Errorf("%d changes run beside another org, want %d", n, changesOfOrg)
		}
		time.Sleep(activeSpan + 1) // Sleeps: in a bubble.
		go begin()
		synctest.Wait()
		if n := len(done); n != 9 {
			t.Errorf("%d changes run after it, want 9", n)
		}
	})
}

// With a remote database, changes of an org have batches of their own, and do not wait.
func TestChangesOfARemoteDatabase(t *testing.T) {
	t.Parallel()
	l := NewLimiter(Config{Scheduler: Scheduler{Processors: 2}, Remote: true})
	for _, org := range []string{"b", "a", "a", "a", "a", "a"} {
		p, err := l.Begin(t.Context(), callOf(org, "send", false))
		if err != nil {
			t.Fatal(err)
		}
		if p.change != (fair.Turn{}) {
			t.Errorf("a change of %s has a turn", org)
		}
	}
}
