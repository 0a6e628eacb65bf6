package sqlstore

import (
	"context"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Meter measures a database (package metrics). Its methods, and the functions that Statement
// returns, are called by many goroutines and must not block.
type Meter interface {
	// Batch reports changes that were committed together, and the time from the beginning of their
	// transaction to the end of its COMMIT.
	Batch(changes int, took time.Duration)
	// Pipeline reports how many statements were sent to PostgreSQL for one wait.
	Pipeline(statements int)
	// Statement returns the function that gets the time of each statement of a kind (select,
	// insert, update, delete or control) with a table. It is called once for each pair.
	Statement(kind, table string) func(took time.Duration)
}

// Stats returns the numbers of the store.
func (s *Store) Stats() store.Stats {
	out := store.Stats{
		CacheHits: s.cached.hits.Load(), CacheMisses: s.cached.misses.Load(),
		Reads: s.pool.shares.conns.Stats(), Pool: s.pool.db.Stats(),
	}
	switch w := s.writer.(type) {
	case *sqliteWriter:
		out.Waiting, out.Undone = len(w.queue)+int(w.held.Load()), w.undone.Total("commit")
	case *pgWriter:
		out.Waiting, out.Undone = len(w.places), w.undone.Total("commit")
	}
	return out
}

// lookups counts the look-ups in the caches of writers.
type lookups struct{ hits, misses atomic.Int64 }

func (l *lookups) count(hit bool) {
	switch {
	case l == nil:
	case hit:
		l.hits.Add(1)
	default:
		l.misses.Add(1)
	}
}

// stopwatch measures statements. A nil stopwatch measures nothing.
type stopwatch struct {
	meter Meter
	by    [controls + 1][slotOther + 1]atomic.Pointer[func(time.Duration)] // by kind and table
}

// The places in stopwatch.by of statements without a table, after those of the tables.
const (
	slotBegin = 64 + iota
	slotCommit
	slotRollback
	slotOther
)

func newStopwatch(m Meter) *stopwatch {
	if m == nil {
		return nil
	}
	return &stopwatch{meter: m}
}

// start returns when a statement begins.
func (w *stopwatch) start() time.Time {
	if w == nil {
		return time.Time{}
	}
	return time.Now()
}

// stop reports a statement that began at a time.
func (w *stopwatch) stop(q *statement, begun time.Time) {
	if w == nil {
		return
	}
	took, slot := time.Since(begun), q.slot()
	at := &w.by[q.kind][slot]
	f := at.Load()
	if f == nil {
		made := w.meter.Statement(kindNames[q.kind], slotName(slot))
		if f = &made; !at.CompareAndSwap(nil, f) {
			f = at.Load()
		}
	}
	(*f)(took)
}

// slot returns the place of a statement in stopwatch.by: that of its first table.
func (s *statement) slot() int {
	if t := s.writes; t != 0 {
		return bits.TrailingZeros64(uint64(t))
	}
	if t := s.reads; t != 0 {
		return bits.TrailingZeros64(uint64(t))
	}
	switch s {
	case begin:
		return slotBegin
	case commit:
		return slotCommit
	case rollback:
		return slotRollback
	}
	return slotOther
}

// slotName returns the name of a table, or what a statement without one does.
func slotName(slot int) string {
	switch t := tables(1) << slot; {
	case t == onActivity:
		return "threads"
	case slot < len(tableNames):
		return tableNames[slot]
	case slot == slotBegin:
		return "begin"
	case slot == slotCommit:
		return "commit"
	case slot == slotRollback:
		return "rollback"
	}
	return "other"
}

var kindNames = [controls + 1]string{selects: "select", inserts: "insert", updates: "update", deletes: "delete", controls: "control"}

// clock returns the stopwatch for reads. The connections of writers measure their statements
// themselves.
func (r reader) clock() *stopwatch {
	switch r.c.(type) {
	case *pool, *view:
		return r.d.clock
	}
	return nil
}

// batch reports changes that were committed together.
func (w *stopwatch) batch(changes int, begun time.Time) {
	if w != nil {
		w.meter.Batch(changes, time.Since(begun))
	}
}

var selectBacklog = read(onOrgLogs, `SELECT CAST(coalesce(sum(last_seq - indexed_seq), 0) AS BIGINT), CAST(coalesce(max(last_seq - indexed_seq), 0) AS BIGINT)
	FROM org_logs`)

// LogBacklog returns how many events are not in the index of their log yet: of all logs, and the
// most of one. It reads a row for each org.
func (s *Store) LogBacklog(ctx context.Context) (all, most int64, err error) {
	err = each(ctx, s.reader, func(rows rowSet) error { return rows.Scan(&all, &most) }, selectBacklog)
	return all, most, err
}
