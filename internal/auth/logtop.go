package auth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

const topTimeout = 5 * time.Second // of one query

// topReader reads the tops of the logs of orgs. Requests that arrive while a query runs share
// the next query: the running one may have read the log before they were made, so its result
// could miss a revocation that was acknowledged before.
type topReader struct {
	log   logTops
	tasks sync.WaitGroup

	mu   sync.Mutex
	next *topQuery // the query that has not begun; nil: no request waits
	busy bool      // a query is running
}

// topQuery is one query and its result, which several requests wait for.
type topQuery struct {
	orgs map[string]struct{}
	done chan struct{} // closed when tops and err are set
	tops map[string]store.LogTop
	err  error
}

// top returns the top of the log of an org. ok is false when there is no such org.
func (c *topReader) top(ctx context.Context, org string) (top store.LogTop, ok bool, err error) {
	c.mu.Lock()
	if c.next == nil {
		c.next = &topQuery{orgs: map[string]struct{}{}, done: make(chan struct{})}
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

// run makes one query after another until no request waits.
func (c *topReader) run() {
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
		ctx, cancel := context.WithTimeout(context.Background(), topTimeout)
		if r.tops, r.err = c.log.LogTops(ctx, orgs); r.err != nil {
			r.err = fmt.Errorf("read the tops of the logs: %w", r.err)
		}
		cancel()
		close(r.done)
	}
}
