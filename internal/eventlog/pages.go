package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// pages caches the parts of an org's log that were read last. After an outage of a network or a
// node, hundreds of bots replay the same events at once; each event is read, decoded and
// encoded once for all of them.
type pages struct {
	store Store
	org   string
	epoch string

	mu   sync.Mutex
	kept []*page // least recently used first
	used time.Time
}

const (
	// replayPage is small because an event may have 64 KiB and more, in several encodings.
	// A page with more than pagesBytes is read in parts.
	replayPage = 128     // events
	pagesKept  = 32      // pages
	pagesBytes = 4 << 20 // of payloads and bodies, of a page and of all pages
	pagesIdle  = 10 * time.Second
)

// page has the events with seqs from+1 to from+replayPage that were read.
type page struct {
	from int64

	mu    sync.Mutex
	low   int64         // seq below the first row
	rows  []store.Event // without gaps
	items []*Item       // of rows; nil: not made yet, or of an unknown type
	bytes int
}

// read calls each for up to limit events above after, and returns the last of them. limit is at
// least 1. It stops early at the end of a page or of a part of one. The events must be
// committed: when they are missing the error is CURSOR_EXPIRED. item returns the item of the
// event, or nil when its type is unknown.
func (c *pages) read(ctx context.Context, after, limit int64, each func(e *store.Event, item func() (*Item, error))) (last *store.Event, err error) {
	p := c.get(after - after%replayPage)
	p.mu.Lock()
	defer p.mu.Unlock()
	end := min(after+limit, p.from+replayPage)
	have := p.have()
	if after < p.low || after > have || after == have && p.bytes > pagesBytes {
		p.low, p.rows, p.items, p.bytes = after, nil, nil, 0
		have = after
	}
	if have < end && (after == have || p.bytes <= pagesBytes) {
		rows, err := c.store.ReadLog(ctx, c.org, have, int(p.from+replayPage-have))
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if len(rows) == 0 || rows[0].Seq != have+1 {
			return nil, errExpired()
		}
		p.rows = append(p.rows, rows...)
		p.items = append(p.items, make([]*Item, len(rows))...)
		for i := range rows {
			p.bytes += rows[i].Size()
		}
	}
	first := p.rows[0].Seq
	for seq := after + 1; seq <= end && seq-first < int64(len(p.rows)); seq++ {
		i := seq - first
		last = &p.rows[i]
		each(last, func() (*Item, error) {
			if p.items[i] != nil {
				return p.items[i], nil
			}
			it, err := newItem(positionOf(c.epoch, &p.rows[i]), &p.rows[i])
			p.items[i] = it
			return it, err
		})
	}
	return last, nil
}

// have returns the seq up to which the page was read.
func (p *page) have() int64 {
	if n := len(p.rows); n > 0 {
		return p.rows[n-1].Seq
	}
	return p.low
}

// get returns the page after from, and evicts the least recently used pages.
func (c *pages) get(from int64) *page {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = time.Now()
	var p *page
	for i, k := range c.kept {
		if k.from == from {
			p = k
			c.kept = append(c.kept[:i], c.kept[i+1:]...)
			break
		}
	}
	if p == nil {
		p = &page{from: from}
	}
	c.kept = append(c.kept, p)
	bytes, first := 0, len(c.kept)
	for first > 0 && len(c.kept)-first < pagesKept {
		bytes += c.kept[first-1].size()
		if bytes > pagesBytes && first < len(c.kept) {
			break
		}
		first--
	}
	c.kept = append([]*page(nil), c.kept[first:]...)
	return p
}

// size returns the bytes of a page, or 0 while it is being read.
func (p *page) size() int {
	if !p.mu.TryLock() {
		return 0
	}
	defer p.mu.Unlock()
	return p.bytes
}

// evictIdle drops all pages when none was read for pagesIdle.
func (c *pages) evictIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) > 0 && time.Since(c.used) > pagesIdle {
		c.kept = nil
	}
}
