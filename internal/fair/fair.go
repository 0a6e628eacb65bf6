// Package fair shares the slots of a pool between keys, such as org ids: a key that asks for many
// slots at once leaves some for every other key (B2B-LIM-020).
//
// # The rule
//
// A key gets another slot only if it then has no more slots than were free before. So one busy key
// has at most half of the pool, rounded up, two have a third each, and n have 1/(n+1) each; the
// same share stays free. A new key gets a slot at once, even if the slots in use are not returned
// for a long time, for example by a slow webhook receiver or a slow upload. If a single key could
// use the whole pool, a new key would have to wait for it.
//
// Waiting keys are served in the order of the slots they have, fewest first; among equals, the key
// that was served longest ago comes first. Requests of one key are served in the order of arrival.
// A request is refused with [ErrBusy] if the queue of its key is full or if it waited too long;
// other keys are not affected.
//
// A pool has no goroutines, and stores only keys that have slots or wait for some. Taking a free
// slot costs one lock and no allocation.
package fair

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// ErrBusy reports that a key has as many slots as it may have, and that its queue is full or the
// wait took too long.
var ErrBusy = errors.New("fair: no slot")

// Sizes are the limits of a pool, which is local to one node.
type Sizes struct {
	Slots int           // of the pool; 0: no limit
	Share int           // the most slots of one key, in addition to the rule; 0: no limit
	Queue int           // the most waiting requests of one key; 0: no limit
	Wait  time.Duration // the longest wait; 0: until the context ends
}

// Pool is a set of slots. It is safe for concurrent use.
type Pool struct {
	sizes Sizes

	limited bool // Sizes.Slots was set

	mu      sync.Mutex
	refused int64 // requests
	free    int
	keys    map[string]*member // those with slots or waiting requests
	queue   []*member          // those with waiting requests: a heap ordered by before
	turns   uint64
	spare   []*member // unused members
}

// maxSpare is the number of unused members that are kept for new keys.
const maxSpare = 64

// member is the state of a key: its slots and its waiting requests.
type member struct {
	pool  *Pool
	key   string
	used  int
	waits waiters
	turn  uint64 // when it was last given a slot, or began to wait
	at    int    // index in the heap; -1: it does not wait
}

// New returns a pool.
func New(s Sizes) *Pool {
	limited := s.Slots > 0
	if !limited {
		s.Slots = math.MaxInt
	}
	if s.Share <= 0 {
		s.Share = s.Slots
	}
	return &Pool{sizes: s, limited: limited, free: s.Slots, keys: make(map[string]*member)}
}

// Slot is the result of [Pool.Enter] or [Pool.EnterN]: one or more slots of a pool. The zero Slot
// holds none.
type Slot struct {
	of *member
	n  int
}

// Enter takes a slot for a key, waiting until the rule allows it. It returns ErrBusy, or the cause
// of the end of ctx.
func (p *Pool) Enter(ctx context.Context, key string) (Slot, error) { return p.EnterN(ctx, key, 1) }

// EnterN takes n slots for a key at once. It returns ErrBusy if n is more than the pool or a key
// may ever have.
func (p *Pool) EnterN(ctx context.Context, key string, n int) (Slot, error) {
	if ctx.Err() != nil {
		return Slot{}, context.Cause(ctx)
	}
	p.mu.Lock()
	if n > p.sizes.Slots || n > p.sizes.Share {
		p.refused++
		p.mu.Unlock()
		return Slot{}, ErrBusy
	}
	m := p.member(key)
	if len(p.queue) == 0 && p.fits(m, n) {
		p.give(m, n)
		p.mu.Unlock()
		return Slot{m, n}, nil
	}
	if p.sizes.Queue > 0 && m.waits.n >= p.sizes.Queue {
		p.forget(m)
		p.refused++
		p.mu.Unlock()
		return Slot{}, ErrBusy
	}
	w := newWaiter(n)
	p.enqueue(m, w)
	p.serve()
	p.mu.Unlock()
	return p.wait(ctx, m, w)
}

// Try is Enter without waiting; it reports whether it took a slot.
func (p *Pool) Try(key string) (Slot, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.member(key)
	if m.waits.n > 0 || !p.fits(m, 1) {
		p.forget(m)
		return Slot{}, false
	}
	p.give(m, 1)
	return Slot{m, 1}, true
}

// wait waits until w is served, its time is over or ctx ends.
func (p *Pool) wait(ctx context.Context, m *member, w *waiter) (Slot, error) {
	err := w.wait(ctx, p.sizes.Wait)
	if err == nil {
		return Slot{m, w.n}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(err, ErrBusy) {
		p.refused++
	}
	if w.got { // served while it gave up
		p.take(m, w.n)
	} else {
		p.leaveQueue(m, w)
	}
	p.serve() // w may have blocked those behind it
	p.forget(m)
	return Slot{}, err
}

// Leave returns the slots to the pool. Further calls do nothing.
func (l *Slot) Leave() {
	m := l.of
	if m == nil {
		return
	}
	l.of = nil
	p := m.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(m, l.n)
	p.serve()
	p.forget(m)
}

// InUse returns the number of slots that a key has.
func (p *Pool) InUse(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.keys[key]; m != nil {
		return m.used
	}
	return 0
}

// member returns the member of a key, and makes it if needed.
func (p *Pool) member(key string) *member {
	m := p.keys[key]
	if m != nil {
		return m
	}
	if n := len(p.spare); n > 0 {
		m, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		m = &member{}
	}
	*m = member{pool: p, key: key, at: -1}
	p.keys[key] = m
	return m
}

// forget drops a member without slots and waiting requests.
func (p *Pool) forget(m *member) {
	if m.used > 0 || m.waits.n > 0 || p.keys[m.key] != m {
		return
	}
	delete(p.keys, m.key)
	if len(p.spare) < maxSpare {
		m.key = ""
		p.spare = append(p.spare, m)
	}
}

// fits reports whether the rule allows a key n more slots.
func (p *Pool) fits(m *member, n int) bool {
	return m.used+n <= p.sizes.Share && m.used+n <= p.free
}

func (p *Pool) give(m *member, n int) {
	p.turns++
	m.turn = p.turns
	m.used += n
	p.free -= n
	p.fix(m)
}

func (p *Pool) take(m *member, n int) {
	m.used -= n
	p.free += n
	p.fix(m)
}

// serve gives slots to waiting requests, in order, until the first in the queue may not have its
// slots: those behind it have at least as many, so the rule allows them none either. If the first
// asks for several slots at once, the others wait for it; otherwise it might never find enough.
func (p *Pool) serve() {
	for len(p.queue) > 0 {
		m := p.queue[0]
		w := m.waits.first
		if !p.fits(m, w.n) {
			return
		}
		p.give(m, w.n)
		p.leaveQueue(m, w)
		w.serve()
	}
}
