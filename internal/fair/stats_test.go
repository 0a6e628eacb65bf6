package fair

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The numbers of a pool and of a Majority follow requests that run, wait and are refused.
func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Sizes{Slots: 4, Queue: 1, Wait: time.Second})
		slots := fill(p, "a")
		waiting := ask(t.Context(), p, "a", 1)
		if got, want := p.Stats(), (Stats{Slots: 4, InUse: 2, Waiting: 1}); got != want {
			t.Errorf("a pool with a waiting request: %+v, want %+v", got, want)
		}
		refused := 0
		for _, n := range []int{1, 5} { // no room in the queue; more than the pool
			if _, err := p.EnterN(t.Context(), "a", n); errors.Is(err, ErrBusy) {
				refused++
			}
		}
		time.Sleep(2 * time.Second) // Sleeps: in the bubble.
		if !waiting.done.Load() || refused != 2 {
			t.Fatalf("%d requests were refused, want 2, and the waiting one, too", refused)
		}
		slots[0].Leave()
		if got, want := p.Stats(), (Stats{Slots: 4, InUse: 1, Refused: 3}); got != want {
			t.Errorf("a pool after refusals: %+v, want %+v", got, want)
		}
		if got := New(Sizes{}).Stats(); got != (Stats{}) {
			t.Errorf("a pool without limits: %+v", got)
		}

		m := NewMajority(Sizes{Share: 1, Queue: 1, Wait: time.Second})
		if _, err := m.Enter(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
		late := make(chan error)
		go func() {
			_, err := m.Enter(context.Background(), "a", false)
			late <- err
		}()
		synctest.Wait()
		if got, want := m.Stats(), (Stats{InUse: 1, Waiting: 1}); got != want {
			t.Errorf("a Majority with a waiting request: %+v, want %+v", got, want)
		}
		_, first := m.Enter(t.Context(), "a", false)
		if second := <-late; !errors.Is(first, ErrBusy) || !errors.Is(second, ErrBusy) {
			t.Fatalf("got %v and %v, want two refusals", first, second)
		}
		if got, want := m.Stats(), (Stats{InUse: 1, Refused: 2}); got != want {
			t.Errorf("a Majority after refusals: %+v, want %+v", got, want)
		}
	})
}
