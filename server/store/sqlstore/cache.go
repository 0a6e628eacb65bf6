package sqlstore

import (
	"database/sql"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// cache holds what a writer has read, so that its changes need not ask again: on
// PostgreSQL an answer is a wait for the network, on SQLite a tenth of a change. It is
// exact. Nobody else writes while a batch runs; a write of ours drops the results of
// the tables it names; and the batch begins by comparing a version that tells whether
// somebody else has written since: then everything is dropped.
//
// On PostgreSQL there is one for each organisation with a busy writer, and the version
// is that of the organisation. What Update(ctx, "", …) may change beside it (last
// seen, purges of what has expired) is seen at once on the node that does it, elsewhere
// when the cache ends. On SQLite it is the version of the file.
type cache struct {
	d       *dialect
	version int64
	others  uint64 // pgWriter.platform when the cache was filled
	born    time.Time
	clock   uint64
	written [64]uint64 // clock of the last write of each table
	results map[string]cached
	key     []byte // the last one made; room for the next
	rates   rateCache
}

type cached struct {
	tables uint64
	stamp  uint64
	result *result
}

const (
	cacheMax     = 8192        // results
	cacheRows    = 8           // of one result
	cacheMaxLife = time.Second // against what is changed by hand
)

// reset empties the cache.
func (c *cache) reset() {
	*c = cache{d: c.d, key: c.key, version: noVersion, born: time.Now(), results: map[string]cached{}, rates: rateCache{}}
}

// drop empties the cache in the middle of a batch.
func (c *cache) drop() {
	version, others := c.version, c.others
	c.reset()
	c.version, c.others = version, others
}

const noVersion = -1

// begin keeps the cache for the next batch if nobody else has written. What has no
// version (the platform, an organisation that is not there) is never kept.
func (c *cache) begin(version int64, others uint64) {
	if c.results == nil || version == noVersion || c.version != version || c.others != others || time.Since(c.born) > cacheMaxLife {
		c.reset()
		c.others, c.version = others, version
	}
}

// kept gives the rows of a query from the cache, or reads and keeps them.
func (c *cache) kept(q string, args []any, read func() (*sql.Rows, error)) (cursor, error) {
	st := c.d.statement(q)
	ok := st.cacheable
	if ok {
		c.key, ok = cacheKey(c.key[:0], st, args)
	}
	if !ok {
		return read()
	}
	if res := c.get(c.key); res != nil {
		return &keptRows{result: res}, nil
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
	return &keptRows{result: res}, nil
}

// cacheKey appends the name of a query with its arguments; it is false for what is no
// point read.
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
	c.results[key] = cached{tables, c.clock, r}
}

// write drops the results of the tables that a statement names. A result that was
// changed instead is returned by its key.
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

// touch moves the activity of a thread that is kept: else every message would drop
// the thread that the next one needs.
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
	"webhook_cursors", "webhook_leases", "webhook_deliveries", "login_failures", "webhook_nodes", "upload_days",
	"artifact_sums", "artifact_totals", "artifact_days",
}

const (
	tableThreads  = 14
	tableAudit    = 20
	tableRates    = 21
	tableActivity = 28
	tablesAll     = ^uint64(0)
	// tablesKept are those whose rows are worth keeping and belong to one
	// organisation: orgs, org_settings, bots, channels, channel_members, threads,
	// thread_participants.
	tablesKept = 1<<0 | 1<<1 | 1<<7 | 1<<11 | 1<<12 | 1<<tableThreads | 1<<15 | 1<<tableActivity
)

// tablesOf gives the tables whose names occur in a statement: maybe too many, never
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
