package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

// pages keeps what was read last of the log of one organisation: when a network or a
// node comes back, hundreds of bots replay the same events at the same moment. Each
// is then read, decoded and encoded once.
type pages struct {
	store Store
	org   string
	epoch string

	mu   sync.Mutex
	kept []*page // the one used last at the end
	used time.Time
}

const (
	// replayPage is few events, because each may have 64 KiB and more in several forms.
	// A page whose events have more than pagesBytes is read in parts.
	replayPage = 128
	pagesKept  = 32
	pagesBytes = 4 << 20 // of payloads
	pagesIdle  = 10 * time.Second
)

// page is the events with seqs from from+1 to from+replayPage, as far as they were read.
type page struct {
	from int64

	mu    sync.Mutex
	low   int64         // what is above it was read
	rows  []store.Event // without holes
	items []*Item       // of rows; nil: not made yet, or not known to this program
	bytes int
}

// read calls each for up to limit events above after, limit being 1 or more, and
// gives the last of them. All of them must be committed: it is CURSOR_EXPIRED when they
// are not there. It stops early where a page, or a part of one, ends. item makes the item of the event,
// which is nil when this program does not know such events.
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
			p.bytes += len(rows[i].Payload)
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

// have is the seq up to which the page was read.
func (p *page) have() int64 {
	if n := len(p.rows); n > 0 {
		return p.rows[n-1].Seq
	}
	return p.low
}

// get finds or makes a page, and forgets those that were not used for longest.
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

// size is 0 for a page that is being read just now.
func (p *page) size() int {
	if !p.mu.TryLock() {
		return 0
	}
	defer p.mu.Unlock()
	return p.bytes
}

// rest forgets everything when nobody has replayed for a while.
func (c *pages) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) > 0 && time.Since(c.used) > pagesIdle {
		c.kept = nil
	}
}
