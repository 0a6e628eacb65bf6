// Package botlist keeps the bots of orgs in memory, as rows of lists and encoded, so that a list of
// many bots reads and encodes only those that changed since the last one.
//
// A list is never older than the last change that was acknowledged before it was asked for. With one
// node, the store reports the bots of each commit before the commit is acknowledged
// ([store.Store.OnChange]); they are read again for the next list. With several nodes, each list
// compares the version of the org in the database, and reads all bots if that differs; calls that
// arrive while this is done share the next one.
//
// Times of last calls change all the time. They are written once a second, and belong to no version
// of an org: with several nodes, a list is read again after a second.
package botlist

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/bytecache"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	usualMost = 32 << 20 // bytes of all orgs
	// orgPart is the part of these that one org may have. The lists of a larger one are read from the
	// store.
	orgPart = 2
	page    = 1000 // bots read at once
	maxAge  = time.Second
	// tooLarge is how long an org that did not fit is not read again.
	tooLarge = time.Minute
)

// Reader reads one snapshot.
type Reader interface {
	Bots(ctx context.Context, q store.BotQuery) ([]store.Bot, error)
	BotsByID(ctx context.Context, org string, ids []string) ([]store.Bot, error)
	OrgVersion(ctx context.Context, org string) (store.OrgVersion, error)
}

// Config configures a Cache.
type Config struct {
	View     func(ctx context.Context, fn func(Reader) error) error
	Version  func(ctx context.Context, org string) (store.OrgVersion, error)
	OnChange func(fn func(org string, c store.Changes)) (remove func())
	Single   bool // no other process changes the database
	Out      func(*store.Bot) *b2bv1.Bot
	Now      func() time.Time
	Most     int64 // bytes; 0: 32 MiB
}

// Cache keeps the bots of the orgs with the latest lists. It is safe for concurrent use.
type Cache struct {
	Config
	orgs *bytecache.Cache[string, *org]

	mu      sync.Mutex
	byID    map[string]*org   // of every bot that is kept
	reading map[*org]struct{} // orgs of which rows are being read
}

// New returns an empty cache.
func New(c Config) *Cache {
	if c.Most == 0 {
		c.Most = usualMost
	}
	all := &Cache{Config: c, byID: map[string]*org{}, reading: map[*org]struct{}{}}
	all.orgs = bytecache.New(c.Most, all.removed)
	if c.Single {
		c.OnChange(all.changed)
	}
	return all
}

// org is what is kept of an org.
type org struct {
	id     string
	checks atomic.Uint64 // that have begun

	refresh sync.Mutex       // held by the call that checks and reads
	checked uint64           // the last check that was completed; guarded by refresh
	version store.OrgVersion // of the list; guarded by refresh
	read    time.Time        // guarded by refresh

	mu    sync.Mutex
	list  List                // nil: not read, or too large
	large time.Time           // when it was too large
	all   bool                // the whole list must be read
	dirty map[string]struct{} // bots that must be read
	gone  bool                // it left the cache, and gets no reports
	stale bool                // what was dirty is being read
}

// orgBytes is the size of an org without bots.
const orgBytes = 512

// changed marks the bots of a commit.
func (c *Cache) changed(id string, ch store.Changes) {
	mark := func(o *org, bot string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		switch {
		case bot == "":
			o.all = true
		case !o.all:
			o.dirty[bot] = struct{}{}
		}
	}
	switch {
	case id != "":
		o, ok := c.orgs.Peek(id)
		if !ok {
			return
		}
		if ch.AllBots {
			mark(o, "")
		}
		for _, bot := range ch.Bots {
			mark(o, bot)
		}
	case ch.AllBots:
		for _, o := range c.orgs.Values() {
			mark(o, "")
		}
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, bot := range ch.Bots {
			if o := c.byID[bot]; o != nil {
				mark(o, bot)
			}
			for o := range c.reading { // it may be about to be one of them
				mark(o, bot)
			}
		}
	}
}

// removed is called for an org that leaves the cache.
func (c *Cache) removed(_ string, o *org) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone = true
	c.forget(o, o.list)
}

// forget removes the bots of a list from those that are kept. The caller has locked c.mu.
func (c *Cache) forget(o *org, list List) {
	for _, e := range list {
		if c.byID[e.Bot.GetId()] == o {
			delete(c.byID, e.Bot.GetId())
		}
	}
}

// List returns the bots of an org, or nil if there are too many.
func (c *Cache) List(ctx context.Context, id string) (List, error) {
	o := c.orgs.GetOrAdd(id, orgBytes, func() *org { return &org{id: id, all: true, dirty: map[string]struct{}{}} })
	arrived := o.checks.Load()
	if c.Single {
		if list, current := o.current(c.Now()); current {
			return list, nil
		}
	}
	o.refresh.Lock()
	defer o.refresh.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case c.Single:
		if list, current := o.current(c.Now()); current { // another call has read it
			return list, nil
		}
	case o.checked > arrived: // that check began after this call
		list, _ := o.current(c.Now())
		return list, nil
	}
	check := o.checks.Add(1)
	if err := c.update(ctx, o); err != nil {
		return nil, err
	}
	o.checked = check
	list, _ := o.current(c.Now())
	return list, nil
}

// Peek returns the bots of an org if they are in memory and need not be read, else nil.
func (c *Cache) Peek(id string) List {
	if !c.Single {
		return nil
	}
	o, ok := c.orgs.Get(id)
	if !ok {
		return nil
	}
	if list, current := o.current(c.Now()); current {
		return list
	}
	return nil
}

// current returns the list, and whether nothing of it must be read.
func (o *org) current(now time.Time) (list List, current bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil {
		return nil, !o.large.IsZero() && now.Sub(o.large) < tooLarge
	}
	return o.list, !o.gone && !o.all && !o.stale && len(o.dirty) == 0
}

// update reads what changed. The caller has locked o.refresh.
func (c *Cache) update(ctx context.Context, o *org) error {
	list, current := o.current(c.Now())
	if list == nil && current {
		return nil
	}
	if !c.Single && list != nil && c.Now().Sub(o.read) < maxAge {
		now, err := c.Version(ctx, o.id)
		if err != nil || now == o.version {
			return err
		}
	}
	c.mu.Lock()
	c.reading[o] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.reading, o)
		c.mu.Unlock()
	}()
	o.mu.Lock()
	was, all, dirty := o.list, o.list == nil || o.all || o.gone || !c.Single, o.dirty
	o.all, o.dirty, o.stale = false, map[string]struct{}{}, true
	o.mu.Unlock()
	done := false
	defer func() {
		if !done { // an error, or a panic of the reader
			o.mu.Lock()
			o.all, o.stale = true, false
			o.mu.Unlock()
		}
	}()
	list, err := c.readList(ctx, o, was, all, dirty)
	if err != nil {
		return err
	}
	c.set(o, was, list)
	done = true
	return nil
}

func (c *Cache) entry(row *store.Bot) *Entry { return NewEntry(c.Out(row)) }

// readList returns the new list of an org, or nil if it is too large.
func (c *Cache) readList(ctx context.Context, o *org, was List, all bool, dirty map[string]struct{}) (list List, err error) {
	if all || len(dirty) > max(page/10, len(was)/4) {
		return c.readAll(ctx, o)
	}
	ids := make([]string, 0, len(dirty))
	for id := range dirty {
		ids = append(ids, id)
	}
	var rows []store.Bot
	err = c.View(ctx, func(r Reader) (err error) {
		rows, err = r.BotsByID(ctx, o.id, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read changed bots: %w", err)
	}
	list = make(List, 0, len(was)+len(rows))
	for _, e := range was {
		if _, changed := dirty[e.Bot.GetId()]; !changed {
			list = append(list, e)
		}
	}
	for i := range rows {
		list = append(list, c.entry(&rows[i]))
	}
	slices.SortFunc(list, func(a, b *Entry) int { return strings.Compare(a.Bot.GetName(), b.Bot.GetName()) })
	return list, nil
}

// readAll returns all bots of an org from one snapshot, or nil if they are too large.
func (c *Cache) readAll(ctx context.Context, o *org) (List, error) {
	list := List{}
	large := false
	var version store.OrgVersion
	began := c.Now()
	err := c.View(ctx, func(r Reader) (err error) {
		list, large = list[:0], false
		if version, err = r.OrgVersion(ctx, o.id); err != nil {
			return err
		}
		q := store.BotQuery{OrgID: o.id, Limit: page}
		for bytes := int64(0); ; {
			rows, err := r.Bots(ctx, q)
			if err != nil || len(rows) == 0 {
				return err
			}
			for i := range rows {
				e := c.entry(&rows[i])
				list = append(list, e)
				bytes += e.bytes()
			}
			if large = bytes > c.Most/orgPart; large {
				return nil
			}
			q.AfterName = rows[len(rows)-1].Name
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read all bots: %w", err)
	}
	o.version, o.read = version, began
	if large {
		return nil, nil
	}
	return list, nil
}

// set replaces the list of an org.
func (c *Cache) set(o *org, was, list List) {
	bytes := int64(orgBytes)
	for _, e := range list {
		bytes += e.bytes()
	}
	c.mu.Lock()
	o.mu.Lock()
	if c.Single && !o.gone {
		c.forget(o, was)
		for _, e := range list {
			c.byID[e.Bot.GetId()] = o
		}
	}
	o.list, o.stale = list, false
	if o.large = (time.Time{}); list == nil {
		o.large = c.Now()
	}
	o.mu.Unlock()
	c.mu.Unlock()
	c.orgs.Resize(o.id, func(kept *org) bool { return kept == o }, bytes)
}
