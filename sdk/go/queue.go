package b2b

import (
	"context"
	"sync"
)

// The most that a listener has received and its consumer has not taken (B2B-SDK-015).
const (
	queueEvents = 1024
	queueBytes  = 8 << 20
)

// item is an event, or without one a position that the stream has reached.
type item struct {
	event    *Event
	position string
}

func (i item) size() int {
	if i.event == nil {
		return 0
	}
	return len(i.event.Raw)
}

// queue passes items from the goroutine that reads to the consumer, in their order. One goroutine
// pushes, one pops.
type queue struct {
	mu     sync.Mutex
	items  []item
	bytes  int
	closed bool
	err    error
	pushed chan struct{} // has room for one signal
	popped chan struct{}
}

func newQueue() *queue {
	return &queue{pushed: make(chan struct{}, 1), popped: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push waits until there is room. An empty queue has room for an item of any size.
func (q *queue) push(ctx context.Context, i item) error {
	for {
		q.mu.Lock()
		if room := len(q.items) < queueEvents && q.bytes+i.size() <= queueBytes; room || len(q.items) == 0 {
			q.items = append(q.items, i)
			q.bytes += i.size()
			q.mu.Unlock()
			signal(q.pushed)
			return nil
		}
		q.mu.Unlock()
		select {
		case <-q.popped:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close ends the queue: after its items, pop returns err.
func (q *queue) close(err error) {
	q.mu.Lock()
	q.closed, q.err = true, err
	q.mu.Unlock()
	signal(q.pushed)
}

// pop waits for the next item.
func (q *queue) pop(ctx context.Context) (item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return item{}, err
		}
		q.mu.Lock()
		if len(q.items) > 0 {
			i := q.items[0]
			q.items[0] = item{}
			q.items = q.items[1:]
			q.bytes -= i.size()
			q.mu.Unlock()
			signal(q.popped)
			return i, nil
		}
		closed, err := q.closed, q.err
		q.mu.Unlock()
		if closed {
			return item{}, err
		}
		select {
		case <-q.pushed:
		case <-ctx.Done():
		}
	}
}
