// Package fair shares the places of a pool between keys, such as organisations: who asks
// for many at once leaves room for everybody else (B2B-LIM-020).
//
// # The rule
//
// A key gets another place only while it has no more places than are free afterwards. So a
// key alone has at most half of the pool, two have a third each, n have one part of n+1
// each, and as much stays free. Whoever comes next finds a place at once, although the
// places in use may not come back for long: a receiver of webhooks that hangs, an upload
// that trickles. A share that could be lent as long as nobody else asks would have to be
// waited for.
//
// Who waits is served by how little it has: the key with the fewest places first, among
// equals the one whose turn is longest ago, within a key who came first. A key whose queue
// is full, or that waited too long, is refused ([ErrBusy]); that is its own affair and
// refuses nobody else.
//
// A pool has no goroutines, and knows only keys that have places or wait for some. Getting
// a place that is free costs a lock and no memory.
package fair

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// ErrBusy says that a key has as many places as it may, and its queue is full or it has
// waited too long.
var ErrBusy = errors.New("fair: no place")

// Sizes are the bounds of a pool. All are of one node.
type Sizes struct {
	Places int           // of the pool; 0: as many as there are keys and shares
	Share  int           // places that one key may have at most, whatever is free; 0: by the rule alone
	Queue  int           // how many may wait for places of one key; 0: any number
	Wait   time.Duration // how long one waits at most; 0: until its context ends
}

// Pool is a number of places. It is safe for concurrent use.
type Pool struct {
	sizes Sizes

	mu    sync.Mutex
	free  int
	keys  map[string]*member // that have places or wait
	queue []*member          // that wait: a heap, see before
	turns uint64
	spare []*member // for the next keys
}

// spareMost is how many members are kept for keys that are not there yet.
const spareMost = 64

// member is what a key has, and who waits for more.
type member struct {
	pool  *Pool
	key   string
	held  int
	first *waiter // in order of coming
	last  *waiter
	waits int
	turn  uint64 // when it last got a place, or began to wait
	at    int    // place in the heap; -1: it does not wait
}

// waiter is one that waits for places.
type waiter struct {
	n          int
	prev, next *waiter
	ready      chan struct{} // closed when it has them
	got        bool
}

// New makes a pool.
func New(s Sizes) *Pool {
	if s.Places <= 0 {
		s.Places = math.MaxInt
	}
	if s.Share <= 0 {
		s.Share = s.Places
	}
	return &Pool{sizes: s, free: s.Places, keys: make(map[string]*member)}
}

// Place is what [Pool.Enter] gives: one place or more. The zero Place is none.
type Place struct {
	of *member
	n  int
}

// Enter gives a key a place, as soon as it may have one. Its error is ErrBusy or the cause
// of the end of ctx.
func (p *Pool) Enter(ctx context.Context, key string) (Place, error) { return p.EnterN(ctx, key, 1) }

// EnterN gives a key n places at once. More than an empty pool would give are ErrBusy.
func (p *Pool) EnterN(ctx context.Context, key string, n int) (Place, error) {
	if ctx.Err() != nil {
		return Place{}, context.Cause(ctx)
	}
	if n > p.sizes.Places || n > p.sizes.Share {
		return Place{}, ErrBusy
	}
	p.mu.Lock()
	m := p.member(key)
	if len(p.queue) == 0 && p.fits(m, n) {
		p.give(m, n)
		p.mu.Unlock()
		return Place{m, n}, nil
	}
	if p.sizes.Queue > 0 && m.waits >= p.sizes.Queue {
		p.forget(m)
		p.mu.Unlock()
		return Place{}, ErrBusy
	}
	w := &waiter{n: n, ready: make(chan struct{})}
	p.enqueue(m, w)
	p.serve()
	p.mu.Unlock()
	return p.wait(ctx, m, w)
}

// Try is Enter without waiting.
func (p *Pool) Try(key string) (Place, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.member(key)
	if m.waits > 0 || !p.fits(m, 1) {
		p.forget(m)
		return Place{}, false
	}
	p.give(m, 1)
	return Place{m, 1}, true
}

// wait waits until w was served.
func (p *Pool) wait(ctx context.Context, m *member, w *waiter) (Place, error) {
	var late <-chan time.Time
	if p.sizes.Wait > 0 {
		timer := time.NewTimer(p.sizes.Wait)
		defer timer.Stop()
		late = timer.C
	}
	err := ErrBusy
	select {
	case <-w.ready:
		return Place{m, w.n}, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-late:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.got { // at the same moment
		p.take(m, w.n)
	} else {
		p.leaveQueue(m, w)
	}
	p.serve() // w may have stood before others
	p.forget(m)
	return Place{}, err
}

// Leave gives the places back; a second time it does nothing.
func (l *Place) Leave() {
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

// Held is how many places a key has.
func (p *Pool) Held(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.keys[key]; m != nil {
		return m.held
	}
	return 0
}

// member finds or makes the member of a key.
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

// forget drops a member that has nothing and waits for nothing.
func (p *Pool) forget(m *member) {
	if m.held > 0 || m.waits > 0 || p.keys[m.key] != m {
		return
	}
	delete(p.keys, m.key)
	if len(p.spare) < spareMost {
		m.key = ""
		p.spare = append(p.spare, m)
	}
}

// fits is the rule.
func (p *Pool) fits(m *member, n int) bool {
	return m.held+n <= p.sizes.Share && m.held+n <= p.free
}

func (p *Pool) give(m *member, n int) {
	p.turns++
	m.turn = p.turns
	m.held += n
	p.free -= n
	p.fix(m)
}

func (p *Pool) take(m *member, n int) {
	m.held -= n
	p.free += n
	p.fix(m)
}

// serve gives places to those that wait, until the first in turn may not have more: then
// none of the others may, since they have as much at least. With places asked for by
// several at once, those behind wait for the first: else it would never find enough.
func (p *Pool) serve() {
	for len(p.queue) > 0 {
		m := p.queue[0]
		w := m.first
		if !p.fits(m, w.n) {
			return
		}
		p.give(m, w.n)
		w.got = true
		p.leaveQueue(m, w)
		close(w.ready)
	}
}
