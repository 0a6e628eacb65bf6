package sqlstore

import (
	"database/sql"
	"math/bits"
	"strconv"
	"time"
)

// cache holds the results of a writer's queries across the changes of its batches. It saves
// a network round trip on PostgreSQL, and a tenth of the time of a change on SQLite.
//
// Cached results equal what the database would return, because no other process writes while
// a batch runs, and each write of the writer drops the results of the tables that it changes.
// At its begin a batch compares a version number; when another process has written since,
// the whole cache is dropped.
//
// On PostgreSQL each org with a busy writer has a cache, and the version is the org's. Changes
// of Update(ctx, "", …), such as last-seen times and purges of expired rows, do not raise it:
// the node that makes them drops the cache at once, other nodes after cacheMaxLife. On SQLite
// there is one cache, and the version is the file's.
type cache struct {
	version int64
	others  uint64 // pgWriter.platform when the cache was filled
	born    time.Time
	clock   uint64
	written [64]uint64 // clock of the last write of each table
	results map[resultKey]cacheEntry
	args    []byte // buffer for the arguments of the next query
	lookups *lookups
	rates   rateCache
	due     dueCache
	waiting waiting
}

// resultKey is a statement and its arguments, as cacheArgs writes them.
type resultKey struct {
	of   *statement
	args string
}

type cacheEntry struct {
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
	*c = cache{args: c.args, lookups: c.lookups, version: noVersion, born: time.Now(), results: map[resultKey]cacheEntry{}, rates: rateCache{}, due: dueCache{}, waiting: waiting{logs: map[string][]indexed{}}}
}

// drop empties the cache in the middle of a batch. Events of earlier batches stay: they are
// committed.
func (c *cache) drop() {
	version, others, waiting := c.version, c.others, c.waiting
	c.reset()
	c.version, c.others, c.waiting = version, others, waiting
}

const noVersion = -1

// begin keeps the cache for the next batch unless another process has written. Without a
// version (the platform, an org that does not exist) it always empties the cache.
func (c *cache) begin(version int64, others uint64) {
	switch {
	case c.results == nil || version == noVersion || c.version != version:
		c.reset()
		c.others, c.version = others, version
	case c.others != others || time.Since(c.born) > cacheMaxLife:
		c.drop()
		c.others = others
	}
}

// query returns the rows of a query from the cache, or reads and caches them.
func (c *cache) query(q *statement, args []any, fetch func() (*sql.Rows, error)) (rowSet, error) {
	ok := q.cacheable()
	if ok {
		c.args, ok = cacheArgs(c.args[:0], args)
	}
	if !ok {
		return fetch()
	}
	res := c.get(q, c.args)
	if c.lookups.count(res != nil); res != nil {
		return &cachedRows{result: res}, nil
	}
	rows, err := fetch()
	if err != nil {
		return nil, err
	}
	if res, err = capture(rows); err != nil {
		return nil, err
	}
	c.put(q, string(c.args), res)
	return &cachedRows{result: res}, nil
}

// cacheArgs appends the arguments of a query. It returns false when one is neither text nor an
// integer: such a query is not cached.
func cacheArgs(b []byte, args []any) ([]byte, bool) {
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

func (c *cache) get(q *statement, args []byte) *result {
	e, ok := c.results[resultKey{q, string(args)}]
	if !ok {
		return nil
	}
	for t := q.reads; t != 0; t &= t - 1 {
		if c.written[bits.TrailingZeros64(uint64(t))] > e.stamp {
			delete(c.results, resultKey{q, string(args)})
			return nil
		}
	}
	return e.result
}

func (c *cache) put(q *statement, args string, r *result) {
	if r.rows() > cacheRows {
		return
	}
	if len(c.results) >= cacheMax {
		clear(c.results)
	}
	c.results[resultKey{q, args}] = cacheEntry{c.clock, r}
}

// write drops the results of the tables that a statement changes.
func (c *cache) write(q *statement) {
	c.clock++
	for t := q.writes; t != 0; t &= t - 1 {
		c.written[bits.TrailingZeros64(uint64(t))] = c.clock
	}
}

// dueCache holds, for an org, a time before which no lease and no wait of a delivery ends. Its owner
// empties it when another process may have written.
type dueCache map[string]int64

// dueCacheMax bounds the orgs in a dueCache.
const dueCacheMax = 8192

func (c dueCache) set(org string, at int64) {
	if len(c) >= dueCacheMax {
		clear(c)
	}
	c[org] = at
}

// touch changes a cached thread as touchThread changes its row. Otherwise every message would drop
// the thread, which the next message reads. It is called once for each change of the row, when the
// statement is deferred: then the cached thread is ahead of the row, and nobody reads that. It returns
// the key of the result that it has changed, or else the zero key.
func (c *cache) touch(args []any, org string) (changed resultKey) {
	by, thread := touchedBy(args)
	b, _ := cacheArgs(nil, []any{thread, org})
	key := resultKey{selectThread, string(b)}
	e, found := c.results[key]
	if !found || e.result.rows() != 1 {
		return resultKey{}
	}
	at, isTime := e.result.values[activityColumn].(int64)
	turns, isNumber := e.result.values[turnsColumn].(int64)
	if !isTime || !isNumber {
		delete(c.results, key)
		return resultKey{}
	}
	e.result.values[activityColumn], e.result.values[turnsColumn] = max(at, by.at), turns*by.kept+by.more
	return key
}

// forget drops one result.
func (c *cache) forget(key resultKey) { delete(c.results, key) }
