package b2b

import (
	"context"
	"sync"
)

// commits gives the positions of committed events to the store. A position never moves back.
type commits struct {
	manual bool
	saver  *saver // nil: there is no store

	mu        sync.Mutex
	delivered uint64 // how many items have been taken from the queue
	committed uint64 // the last of them that is committed
}

func newCommits(ctx context.Context, o listenOptions) *commits {
	c := &commits{manual: o.manual}
	if o.store != nil {
		c.saver = newSaver(ctx, o.store, o.notice)
	}
	return c
}

// commit commits one item.
type commit struct {
	of       *commits
	number   uint64
	position string
}

// next returns the commit of the item that is delivered now.
func (c *commits) next(position string) commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivered++
	return commit{of: c, number: c.delivered, position: position}
}

func (c commit) commit() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.number <= c.of.committed {
		return
	}
	c.of.committed = c.number
	if c.of.saver != nil && c.position != "" { // an event without a position moves nothing
		c.of.saver.commit(c.position)
	}
}

// reached commits a position without an event, if all events before it are committed.
func (c *commits) reached(at commit) {
	c.mu.Lock()
	all := c.committed == at.number-1
	c.mu.Unlock()
	if all {
		at.commit()
	}
}

func (c *commits) close() error {
	if c.saver == nil {
		return nil
	}
	return c.saver.close()
}
