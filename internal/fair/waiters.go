package fair

import (
	"context"
	"time"
)

// waiter is a request that waits for slots.
type waiter struct {
	n          int
	prev, next *waiter
	ready      chan struct{} // closed when it is served
	got        bool
}

func newWaiter(n int) *waiter { return &waiter{n: n, ready: make(chan struct{})} }

// wait waits until w is served. It returns ErrBusy if that takes longer than most, which 0 makes
// endless, or the cause of the end of ctx. After an error, w may have been served meanwhile.
func (w *waiter) wait(ctx context.Context, most time.Duration) error {
	var late <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late:
		return ErrBusy
	}
}

// serve ends the wait of w. The caller has removed it from its queue.
func (w *waiter) serve() {
	w.got = true
	close(w.ready)
}

// waiters are the waiting requests of a key, in the order of arrival.
type waiters struct {
	first, last *waiter
	n           int
}

func (q *waiters) push(w *waiter) {
	w.prev = q.last
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	q.n++
}

func (q *waiters) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	q.n--
}
