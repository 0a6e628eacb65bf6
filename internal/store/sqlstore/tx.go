package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/b2b-protocol/b2b/internal/store"
)

// tx implements store.Tx: one change of a batch.
type tx struct {
	reader
	org    string
	log    *orgLog
	rates  rateCache
	due    dueCache
	taken  []rateKey // the rate limits that this change counted against
	failed error     // the first failure: the change cannot be committed
	dead   bool

	written int64 // bytes of texts and blobs
}

var _ store.Tx = (*tx)(nil)

// newTx wraps the connection of a writer for one change.
func newTx(c conn, d *dialect, org string, log *orgLog, kept *cache) *tx {
	t := &tx{org: org, log: log, rates: kept.rates, due: kept.due}
	t.reader = reader{c: guard{t, c}, d: d}
	return t
}

// fail records the first error; after it the change cannot be committed.
func (t *tx) fail(err error) error {
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return err
}

// guard records the first failed statement of a change, and refuses later statements.
type guard struct {
	t *tx
	c conn
}

func (g guard) usable() error {
	if g.t.dead {
		return errDead
	}
	return g.t.failed
}

// guarded calls run unless an earlier statement has failed, and records its error.
func guarded[T any](g guard, q *statement, run func() (T, error)) (none T, _ error) {
	if err := g.usable(); err != nil {
		return none, err
	}
	out, err := run()
	if err != nil {
		return none, g.t.fail(failure(q, err))
	}
	return out, nil
}

func (g guard) rows(ctx context.Context, q *statement, args ...any) (*sql.Rows, error) {
	g.t.writes(q, args)
	return guarded(g, q, func() (*sql.Rows, error) { return g.c.rows(ctx, q, args...) })
}

func (g guard) query(ctx context.Context, q *statement, args ...any) (rowSet, error) {
	return guarded(g, q, func() (rowSet, error) { return g.c.query(ctx, q, args...) })
}

func (g guard) exec(ctx context.Context, q *statement, args ...any) error {
	if err := g.usable(); err != nil {
		return err
	}
	g.t.writes(q, args)
	if err := g.c.exec(ctx, q, args...); err != nil {
		return g.t.fail(failure(q, err))
	}
	return nil
}

func (g guard) execNow(ctx context.Context, q *statement, args ...any) (int64, error) {
	g.t.writes(q, args)
	return guarded(g, q, func() (int64, error) { return g.c.execNow(ctx, q, args...) })
}

// must runs a statement, and fails with ErrNotFound when it changes no row.
func (t *tx) must(ctx context.Context, q *statement, args ...any) error {
	n, err := t.c.execNow(ctx, q, args...)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// orgLog is the state of the log of one org during a batch.
type orgLog struct {
	loaded  bool
	exists  bool
	epoch   string
	seq     int64
	access  int64 // seq of the last event of type access_changed
	indexed int64 // seq of the last event in the index (indexer)
	clock   clock // of the events in the index
	pruned  bool  // streams may have been removed
	bytes   dayBytes
	stored  stored // the values in the table
	events  []store.Event
}

// stored is the part of orgLog that save compares and writes.
type stored struct {
	seq   int64
	bytes dayBytes
}

// mark is a copy of the state, to which reset returns when a change is undone.
type mark struct {
	loaded, exists bool
	seq, access    int64
	indexed        int64
	clock          clock
	bytes          dayBytes
	events         int
}

func (l *orgLog) mark() mark {
	return mark{l.loaded, l.exists, l.seq, l.access, l.indexed, l.clock, l.bytes, len(l.events)}
}

func (l *orgLog) reset(m mark) {
	events := l.events[:m.events]
	if !m.loaded { // loaded by the change that is undone, which may have created the org
		*l = orgLog{events: events}
		return
	}
	l.exists, l.seq, l.access, l.bytes, l.events = m.exists, m.seq, m.access, m.bytes, events
	l.indexed, l.clock = m.indexed, m.clock
}

var loadLog = read(onOrgLogs, `SELECT epoch, last_seq, access_seq, indexed_seq, run_seq, last_at, skew, ahead_at, stored_day, stored_all, stored_bulk
	FROM org_logs WHERE org_id = ?`)

// load reads the state of the log, once in a batch.
func (l *orgLog) load(ctx context.Context, c conn, org string) error {
	if l.loaded {
		return nil
	}
	rows, err := c.query(ctx, loadLog, org)
	if err != nil {
		return err
	}
	if rows.Next() {
		l.exists = true
		err = rows.Scan(&l.epoch, &l.seq, &l.access, &l.indexed, &l.clock.runSeq, &l.clock.lastAt, &l.clock.skew, &l.clock.ahead,
			&l.bytes.day, &l.bytes.stored.All, &l.bytes.stored.Bulk)
		l.stored = stored{l.seq, l.bytes}
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	l.loaded = true
	return nil
}

var storeLog = update(onOrgLogs,
	"UPDATE org_logs SET last_seq = ?, access_seq = ?, stored_day = ?, stored_all = ?, stored_bulk = ? WHERE org_id = ?")

// save writes the state of the log if events were appended or bytes counted.
func (l *orgLog) save(ctx context.Context, r reader, org string, w *waiting) error {
	if l.pruned {
		w.forget(org)
	}
	if (stored{l.seq, l.bytes}) == l.stored {
		return nil
	}
	if err := l.indexMany(ctx, r, org, w); err != nil {
		return err
	}
	return r.c.exec(ctx, storeLog, l.seq, l.access, l.bytes.day, l.bytes.stored.All, l.bytes.stored.Bulk, org)
}

// nextSeq returns the seq for the next event.
func (t *tx) nextSeq(ctx context.Context) (int64, error) {
	if err := t.log.load(ctx, t.c, t.org); err != nil {
		return 0, t.fail(failure(loadLog, err))
	}
	if !t.log.exists {
		return 0, t.fail(store.ErrNoOrg)
	}
	return t.log.seq + 1, nil
}
