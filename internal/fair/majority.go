package fair

import (
	"context"
	"errors"
	"sync"
)

// Majority limits the key that has more than half of all requests, running and waiting: it may run
// as many at the same time as the other keys have in all, and at least Sizes.Share. The other keys
// do not wait, whatever they send, so at most one key does. Its requests run in the order of
// arrival.
//
// It is for requests that are served together, so that those of the busiest key lengthen all the
// others. A [Pool] would give each key a part of its slots, and would make a key wait with requests
// that come in bursts while it has fewer than the busiest one.
//
// A Majority has no goroutines, and stores only keys with requests. It is safe for concurrent use.
type Majority struct {
	sizes Sizes

	mu      sync.Mutex
	refused int64
	total   int // requests that run or wait
	keys    map[string]*contender
	waits   *contender // the key with waiting requests; nil: none
	spare   []*contender
}

// contender is the state of a key: how many of its requests run, and those that wait.
type contender struct {
	key     string
	running int
	waiting waiters
}

// NewMajority returns a limit. It does not use Sizes.Slots.
func NewMajority(s Sizes) *Majority {
	return &Majority{sizes: s, keys: make(map[string]*contender)}
}

// Turn is a request that may run. The zero Turn is none.
type Turn struct {
	of *Majority
	by *contender
}

// Enter waits until a request of a key may run. If the caller knows that no other key is active,
// so that nobody gains from a wait, all requests of the key run at once. Enter returns ErrBusy, or
// the cause of the end of ctx.
func (m *Majority) Enter(ctx context.Context, key string, alone bool) (Turn, error) {
	if ctx.Err() != nil {
		return Turn{}, context.Cause(ctx)
	}
	m.mu.Lock()
	c := m.contender(key)
	if alone {
		m.start(c, c.waiting.n)
	}
	if alone || c.waiting.n == 0 && m.allowed(c) > 0 {
		c.running++
		m.total++
		m.serve()
		m.mu.Unlock()
		return Turn{m, c}, nil
	}
	if m.sizes.Queue > 0 && c.waiting.n >= m.sizes.Queue {
		m.refused++
		m.mu.Unlock()
		return Turn{}, ErrBusy
	}
	w := newWaiter(1)
	c.waiting.push(w)
	m.total++
	if m.waits != c {
		m.serve() // Of another key, which has less than half of the requests, nothing waits then.
		m.waits = c
	}
	m.mu.Unlock()
	return m.wait(ctx, c, w)
}

// wait waits until w is served, its time is over or ctx ends.
func (m *Majority) wait(ctx context.Context, c *contender, w *waiter) (Turn, error) {
	err := w.wait(ctx, m.sizes.Wait)
	if err == nil {
		return Turn{m, c}, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(err, ErrBusy) {
		m.refused++
	}
	if w.got { // served while it gave up
		c.running--
	} else {
		m.dequeue(c, w)
	}
	m.end(c)
	return Turn{}, err
}

// Leave ends the request. Further calls do nothing.
func (t *Turn) Leave() {
	m := t.of
	if m == nil {
		return
	}
	t.of = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	t.by.running--
	m.end(t.by)
}

// end forgets a request that neither runs nor waits any longer.
func (m *Majority) end(c *contender) {
	m.total--
	m.serve()
	if c.running > 0 || c.waiting.n > 0 {
		return
	}
	delete(m.keys, c.key)
	if len(m.spare) < maxSpare {
		c.key = ""
		m.spare = append(m.spare, c)
	}
}

// allowed returns how many more requests a key may run.
func (m *Majority) allowed(c *contender) int {
	others := m.total - c.running - c.waiting.n
	return max(m.sizes.Share, others) - c.running
}

// serve starts the waiting requests that may run.
func (m *Majority) serve() {
	if c := m.waits; c != nil {
		m.start(c, m.allowed(c))
	}
}

// start starts up to n waiting requests of a key.
func (m *Majority) start(c *contender, n int) {
	for ; n > 0 && c.waiting.n > 0; n-- {
		w := c.waiting.first
		m.dequeue(c, w)
		c.running++
		w.serve()
	}
}

func (m *Majority) dequeue(c *contender, w *waiter) {
	c.waiting.remove(w)
	if c.waiting.n == 0 {
		m.waits = nil
	}
}

func (m *Majority) contender(key string) *contender {
	c := m.keys[key]
	if c != nil {
		return c
	}
	if n := len(m.spare); n > 0 {
		c, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		c = &contender{}
	}
	*c = contender{key: key}
	m.keys[key] = c
	return c
}
