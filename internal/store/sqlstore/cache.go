package sqlstore

import (
	"database/sql"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// cache holds the results of a writer's queries across the changes of its batches. It saves
// a network round trip on PostgreSQL, and a tenth of the time of a change on SQLite.
//
// Cached results equal what the database would return, because no other process writes while
// a batch runs, and each write of the writer drops the results of the tables that it names.
// At its begin a batch compares a version number; when another process has written since,
// the whole cache is dropped.
//
// On PostgreSQL each org with a busy writer has a cache, and the version is the org's. Changes
// of Update(ctx, "", …), such as last-seen times and purges of expired rows, do not raise it:
// the node that makes them drops the cache at once, other nodes after cacheMaxLife. On SQLite
// there is one cache, and the version is the file's.
type cache struct {
	d       *dialect
	version int64
	others  uint64 // pgWriter.platform when the cache was filled
	born    time.Time
	clock   uint64
	written [64]uint64 // clock of the last write of each table
	results map[string]cacheEntry
	key     []byte // buffer for the key of the next query
	rates   rateCache
}

type cacheEntry struct {
	tables uint64
	stamp  uint64
	result *result
}

const (
	cacheMax     = 8192        // results
	cacheRows    = 8           // of one result
	cacheMaxLife = time.Second // also bounds how long manual edits of the database go unseen
)

// reset empties the cache.
func (c *cache) reset() {
	*c = cache{d: c.d, key: c.key, version: noVersion, born: time.Now(), results: map[string]cacheEntry{}, rates: rateCache{}}
}

// drop empties the cache in the middle of a batch.
func (c *cache) drop() {
	version, others := c.version, c.others
	c.reset()
	c.version, c.others = version, others
}

const noVersion = -1

// begin keeps the cache for the next batch unless another process has written. Without a
// version (the platform, an org that does not exist) it always empties the cache.
func (c *cache) begin(version int64, others uint64) {
	if c.results == nil || version == noVersion || c.version != version || c.others != others || time.Since(c.born) > cacheMaxLife {
		c.reset()
		c.others, c.version = others, version
	}
}

// query returns the rows of a query from the cache, or reads and caches them.
func (c *cache) query(q string, args []any, read func() (*sql.Rows, error)) (rowSet, error) {
	st := c.d.statement(q)
	ok := st.cacheable
	if ok {
		c.key, ok = cacheKey(c.key[:0], st, args)
	}
	if !ok {
		return read()
	}
	if res := c.get(c.key); res != nil {
		return &cachedRows{result: res}, nil
	}
	rows, err := read()
	if err != nil {
		return nil, err
	}
	res, err := capture(rows)
	if err != nil {
		return nil, err
	}
	c.put(string(c.key), st.tables, res)
	return &cachedRows{result: res}, nil
}

// cacheKey appends the id of a query and its arguments. It returns false when an argument is
// neither text nor an integer: such a query is not cached.
func cacheKey(b []byte, st *statement, args []any) ([]byte, bool) {
	b = strconv.AppendInt(b, st.id, 36)
	for _, a := range args {
		b = append(b, 0)
		switch a := a.(type) {
		case string:
			b = append(b, 's')
			b = strconv.AppendInt(b, int64(len(a)), 10)
			b = append(b, ':')
			b = append(b, a...)
		case int64:
			b = append(b, 'i')
			b = strconv.AppendInt(b, a, 10)
		case int:
			b = append(b, 'i')
			b = strconv.AppendInt(b, int64(a), 10)
		default:
			return b, false
		}
	}
	return b, true
}

func (c *cache) get(key []byte) *result {
	e, ok := c.results[string(key)]
	if !ok {
		return nil
	}
	for t := e.tables; t != 0; t &= t - 1 {
		if c.written[bits.TrailingZeros64(t)] > e.stamp {
			delete(c.results, string(key))
			return nil
		}
	}
	return e.result
}

func (c *cache) put(key string, tables uint64, r *result) {
	if r.rows() > cacheRows {
		return
	}
	if len(c.results) >= cacheMax {
		clear(c.results)
	}
	c.results[key] = cacheEntry{tables, c.clock, r}
}

// write drops the results of the tables that a statement names. If it has changed a result
// instead, it returns the key.
func (c *cache) write(q string, args []any, org string) (changed string) {
	c.clock++
	names := c.d.statement(q).tables
	if q == touchThread {
		names = 1 << tableActivity
		changed = c.touch(args, org)
	}
	for t := names; t != 0; t &= t - 1 {
		c.written[bits.TrailingZeros64(t)] = c.clock
	}
	return changed
}

// touch sets the last activity of a cached thread. Otherwise every message would drop the
// thread, which the next message reads.
func (c *cache) touch(args []any, org string) (changed string) {
	at, ok := args[0].(int64)
	b, named := cacheKey(nil, c.d.statement(selectThread), []any{args[1], org})
	key := string(b)
	e, found := c.results[key]
	if !ok || !named || !found || e.result.rows() != 1 {
		return ""
	}
	if old, ok := e.result.values[activityColumn].(int64); ok && old < at {
		e.result.values[activityColumn] = at
	}
	return key
}

// forget drops one result.
func (c *cache) forget(key string) { delete(c.results, key) }

// tableNames are the tables of the schema, and what TouchThread changes of threads.
var tableNames = []string{
	"orgs", "org_settings", "org_logs", "event_log", "invite_codes", "org_tickets", "sessions", "bots", "tombstones", "bot_tokens",
	"webhook_status", "channels", "channel_members", "channel_messages", "threads", "thread_participants", "membership_history",
	"thread_join_requests", "thread_messages", "artifacts", "audit_log", "rate_slots", "idempotency",
	"ws_tickets", "presence", "imports", "files", "installation", "(activity of threads)", "upkeep_jobs",
	"webhook_cursors", "webhook_leases", "webhook_deliveries", "login_failures", "nodes", "upload_days",
	"artifact_sums", "artifact_totals", "artifact_days",
}

const (
	tableThreads  = 14
	tableAudit    = 20
	tableRates    = 21
	tableActivity = 28
	tablesAll     = ^uint64(0)
	// tablesCached are the tables with rows that are worth caching and belong to one
	// org: orgs, org_settings, bots, channels, channel_members, threads,
	// thread_participants.
	tablesCached = 1<<0 | 1<<1 | 1<<7 | 1<<11 | 1<<12 | 1<<tableThreads | 1<<15 | 1<<tableActivity
)

// tablesOf returns the tables whose names occur in a statement: possibly too many, never
// too few. Deleting a parent deletes everywhere.
func tablesOf(q string) uint64 {
	for _, parent := range []string{"orgs", "bots", "channels", "threads"} {
		if strings.HasPrefix(q, "DELETE FROM "+parent+" ") {
			return tablesAll
		}
	}
	var t uint64
	for i, name := range tableNames {
		if strings.Contains(q, name) {
			t |= 1 << i
		}
	}
	if t&(1<<tableThreads) != 0 && q != selectThread {
		t |= 1 << tableActivity
	}
	return t
}
