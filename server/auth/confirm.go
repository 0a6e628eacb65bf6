package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

const confirmTime = 5 * time.Second // how long the database may take

// confirmer asks where the logs of orgs stand, for everybody who asks meanwhile with
// one query. Whoever asks gets what is true after the asking: a query that was under
// way already is not good enough.
type confirmer struct {
	log   store.LogReader
	tasks sync.WaitGroup

	mu   sync.Mutex
	next *round // the query that has not begun; nil: nobody waits for one
	busy bool   // a query is under way
}

// round is one query and those who wait for it.
type round struct {
	orgs map[string]struct{}
	done chan struct{} // closed when tops and err are there
	tops map[string]store.LogTop
	err  error
}

// top answers where the log of an org stands; not ok: there is no such org.
func (c *confirmer) top(ctx context.Context, org string) (top store.LogTop, ok bool, err error) {
	c.mu.Lock()
	if c.next == nil {
		c.next = &round{orgs: map[string]struct{}{}, done: make(chan struct{})}
	}
	r := c.next
	r.orgs[org] = struct{}{}
	if !c.busy {
		c.busy = true
		c.tasks.Go(c.run)
	}
	c.mu.Unlock()
	select {
	case <-r.done:
		top, ok = r.tops[org]
		return top, ok, r.err
	case <-ctx.Done():
		return top, false, ctx.Err()
	}
}

// run asks for as long as somebody waits.
func (c *confirmer) run() {
	for {
		c.mu.Lock()
		r := c.next
		c.next = nil
		c.busy = r != nil
		c.mu.Unlock()
		if r == nil {
			return
		}
		orgs := make([]string, 0, len(r.orgs))
		for org := range r.orgs {
			orgs = append(orgs, org)
		}
		ctx, cancel := context.WithTimeout(context.Background(), confirmTime)
		if r.tops, r.err = c.log.LogTops(ctx, orgs); r.err != nil {
			r.err = fmt.Errorf("find out whether access has changed: %w", r.err)
		}
		cancel()
		close(r.done)
	}
}
