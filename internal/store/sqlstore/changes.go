package sqlstore

import (
	"context"
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/store"
)

// changes are what the changes of an org in one batch may have written. They may name more than was
// committed, never less.
type changes struct {
	tables tables
	store.Changes
}

// note adds what a statement writes.
func (c *changes) note(q *statement, args []any) {
	if c == nil { // of the batch itself: the log
		return
	}
	c.tables |= q.writes
	if q.writes&onBots == 0 || c.AllBots {
		return
	}
	id, ok := "", false
	if q.id > 0 {
		id, ok = args[q.id-1].(string)
	}
	if !ok || len(c.Bots) >= maxNamed {
		c.AllBots, c.Bots = true, nil
		return
	}
	c.Bots = append(c.Bots, id)
}

// maxNamed is how many changed bots one batch names.
const maxNamed = 1 << 14

// unversioned are the tables with writes that a batch makes itself.
const unversioned = onOrgLogs | onEventLog | onLogStreams | onLogIndex | onLogHeads | onLogRuns

// maxTables is how many tables a set can have.
const maxTables = 64

// versions has when this process last changed each table of each org. Orgs with the same slot count
// as one, which costs a read and nothing else. So it has a fixed size.
type versions struct {
	seed  maphash.Seed
	clock atomic.Uint64
	// platform has the changes that belong to no org, and therefore may be of any.
	platform [maxTables]atomic.Uint64
	orgs     [256][maxTables]atomic.Uint64
}

func (v *versions) times(org string) *[maxTables]atomic.Uint64 {
	if org == "" {
		return &v.platform
	}
	return &v.orgs[maphash.String(v.seed, org)%uint64(len(v.orgs))]
}

// changed is called after a commit, before its changes return.
func (v *versions) changed(org string, written tables) {
	now := v.clock.Add(1)
	times := v.times(org)
	for t := written; t != 0; t &= t - 1 {
		last := &times[bits.TrailingZeros64(uint64(t))]
		for at := last.Load(); at < now && !last.CompareAndSwap(at, now); at = last.Load() {
		}
	}
}

// Moment returns the time of reads that begin now, for Unchanged.
func (s *Store) Moment() store.Moment { return store.Moment(s.hooks.versions.clock.Load()) }

// Unchanged reports whether what was read since a moment is still what the database has.
func (s *Store) Unchanged(org string, since store.Moment, read *store.Reads) bool {
	of := tables(read.Tables()) | onKept
	if of&unversioned != 0 {
		return false
	}
	times := s.hooks.versions.times(org)
	for t := of; t != 0; t &= t - 1 {
		n := bits.TrailingZeros64(uint64(t))
		if times[n].Load() > uint64(since) || s.hooks.versions.platform[n].Load() > uint64(since) {
			return false
		}
	}
	return true
}

// OnChange is [store.Store.OnChange].
func (s *Store) OnChange(fn func(org string, c store.Changes)) (remove func()) {
	return s.hooks.watch(fn)
}

// committed reports the changes of an org that were committed.
func (h *hooks) committed(org string, c *changes) {
	if c == nil || c.tables == 0 {
		return
	}
	h.versions.changed(org, c.tables)
	if p := h.watching.Load(); p != nil && (c.AllBots || len(c.Bots) > 0) {
		for _, w := range *p {
			(*w)(org, c.Changes)
		}
	}
}

// notes adds the tables that a query reads to the Reads of its context.
func notes(ctx context.Context, q *statement) {
	if r := store.ReadsOf(ctx); r != nil {
		read := q.reads
		if read&onThreadRows != 0 { // statements that read threads need not declare their last activity
			read |= onActivity
		}
		r.Add(uint64(read))
	}
}

// everything is what another program may have changed.
var everything = changes{tables: ^tables(0), Changes: store.Changes{AllBots: true}}
