package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/sqlstate"
)

// errUnknown reports that the connection was lost during the commit: the changes may or may
// not have been made.
var errUnknown = errors.New("store: connection lost while committing")

const (
	// attempts bounds how often a batch is tried when the database reports that the
	// transaction may run again.
	attempts = 5
	// lockWait is how long one attempt waits for the lock of the org. The writer returns its
	// connection to the pool between two attempts. Other nodes hold a lock for milliseconds,
	// unless they are frozen.
	lockWait = 100 * time.Millisecond
	// lockPause is the time between two attempts.
	lockPause = 50 * time.Millisecond
)

// pgBatch is one transaction of several changes of one org.
type pgBatch struct {
	*pgCommit
	conn *sql.Conn // nil between two attempts to lock the org
	log  orgLog
	// deferred are statements of the changes so far. They run at the end of the batch; while a
	// change may still be undone alone, they are not sent.
	deferred deferred
	wrote    bool // anything at all
	changes  changes
	results  []error
}

// lockKey returns the key of the advisory lock of an org.
func lockKey(org string) int64 {
	h := fnv.New64a()
	h.Write([]byte("b2b org " + org))
	return int64(h.Sum64())
}

// run commits the jobs, or returns the index of the offender: the job that made the
// transaction fail, or -1 when no single job did. Until the deadline it tries the
// transaction again when the connection was lost, when the database reports that it may run
// again, and while another node holds the lock.
func (b *pgBatch) run(jobs []*job) (offender int, err error) {
	ctx := context.Background()
	if !b.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, b.deadline)
		defer cancel()
	}
	ended := false
	defer func() {
		if !ended { // a change called runtime.Goexit
			b.cache.reset()
			b.undo()
		}
		b.release()
	}()
	offender, err = b.tries(ctx, jobs)
	ended = true
	return offender, err
}

func (b *pgBatch) tries(ctx context.Context, jobs []*job) (offender int, err error) {
	of := b.w.conns
	for n := 1; ; {
		if err = b.connect(ctx, of); err != nil {
			return -1, err
		}
		offender, err = b.try(jobs)
		if err == nil {
			return -1, nil
		}
		b.cache.reset()
		if errors.Is(err, errUnknown) {
			return offender, err
		}
		b.undo()
		lost := !pgpipe.Alive(b.conn)
		code, means := meaning(err)
		switch {
		case ctx.Err() != nil:
			return offender, err
		case code == sqlstate.LockNotAvailable:
			b.w.frozen.end(ctx, b.conn)
			b.release()
			b.place.leave()
			of = b.w.blocked
			if !pause(ctx, lockPause) {
				return offender, err
			}
		case n == attempts:
			return offender, err
		case means.Again && len(jobs) == 1, lost && code == "", lost && means.Again:
			n++
			if lost {
				b.release()
			}
		default:
			return offender, err
		}
	}
}

// connect takes a slot and a connection unless the batch has them, and limits the time of
// its round trips.
func (b *pgBatch) connect(ctx context.Context, of chan struct{}) (err error) {
	if b.place.of == nil && !b.place.take(ctx, of) {
		return fmt.Errorf("store: begin: %w", &store.Outage{Err: errLate})
	}
	if b.conn == nil {
		if b.conn, err = retryCrowded(ctx, func() (*sql.Conn, error) { return b.w.db.Conn(ctx) }); err != nil {
			if ctx.Err() != nil {
				err = &store.Outage{Err: errors.Join(errLate, err)}
			}
			return fmt.Errorf("store: begin: %w", err)
		}
	}
	if b.deadline.IsZero() {
		return nil
	}
	end := time.Now().Add(b.w.timeouts.silence)
	if b.deadline.Before(end) {
		end = b.deadline
	}
	return pgpipe.Expire(b.conn, end, 0)
}

// extend lets the next round trips last until the deadline, or for the time least if that is
// longer. So a change of many statements may exceed its deadline while each is answered in
// time.
func (b *pgBatch) extend(least time.Duration) error {
	if b.deadline.IsZero() {
		return nil
	}
	return pgpipe.Expire(b.conn, b.deadline, least)
}

// undo rolls the transaction back.
func (b *pgBatch) undo() {
	if b.conn == nil {
		return
	}
	if err := pgpipe.Rollback(context.Background(), b.conn); err != nil {
		b.w.logger.Debug("rollback", "error", err) // the connection is gone, and the transaction with it
	}
}

// release returns the connection to the pool.
func (b *pgBatch) release() {
	if b.conn == nil {
		return
	}
	if err := b.conn.Close(); err != nil {
		b.w.logger.Debug("return a connection to the pool", "error", err)
	}
	b.conn = nil
}

func (b *pgBatch) try(jobs []*job) (offender int, err error) {
	ctx := context.Background()
	b.results = make([]error, len(jobs))
	b.log, b.wrote, b.changes, b.deferred = orgLog{}, false, changes{}, deferred{}
	c := &pgConn{b: b, owner: -1}
	if err := c.exec(ctx, begin); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	if err := c.exec(ctx, lockOrg, lockKey(b.org)); err != nil {
		return -1, fmt.Errorf("store: lock: %w", err)
	}
	if err := b.load(ctx, c); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	if err := b.extend(b.w.timeouts.run); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	for i, j := range jobs {
		c = &pgConn{b: b, owner: i}
		m, held := b.log.mark(), b.deferred.mark()
		t := newTx(c, b.w.d, b.org, &b.log, b.cache)
		err := call(j.fn, t)
		t.dead = true
		if err == nil {
			continue
		}
		var late *pgpipe.DeferredError
		if errors.As(c.broken, &late) {
			return late.Owner, c.broken
		}
		if c.broken != nil || c.sent {
			return i, err
		}
		// If no statement of the change has been sent, dropping them undoes it.
		dropped, e := pgpipe.Drop(b.conn, i)
		if e != nil {
			return i, errors.Join(err, e)
		}
		if !dropped {
			return i, err
		}
		t.undone()
		for _, key := range c.changed {
			b.cache.forget(key)
		}
		b.log.reset(m)
		b.deferred.reset(held)
		b.results[i] = err
	}
	return b.commit(ctx)
}

// storeLogPG is storeLog, and raises the version of the org (cache).
var storeLogPG = update(onOrgLogs, `UPDATE org_logs SET last_seq = ?, access_seq = ?, stored_day = ?, stored_all = ?, stored_bulk = ?,
	version = version + 1 WHERE org_id = ?`)

// lockOrg takes the lock of an org. It fails after lockWait.
var lockOrg = controlOf(forPostgres, fmt.Sprintf("SELECT set_config('lock_timeout', '%d', true), pg_advisory_xact_lock(?)", lockWait.Milliseconds()))

// loadOrg returns a row for every org, also for one without a log.
var loadOrg = read(onOrgLogs, `SELECT coalesce(l.epoch, ''), coalesce(l.last_seq, 0), coalesce(l.access_seq, 0), coalesce(l.version, -1),
	coalesce(l.indexed_seq, 0), coalesce(l.run_seq, 0), coalesce(l.last_at, 0), coalesce(l.skew, 0), coalesce(l.ahead_at, 0),
	coalesce(l.stored_day, 0), coalesce(l.stored_all, 0), coalesce(l.stored_bulk, 0), s.version
	FROM (SELECT coalesce(max(version), 0) AS version FROM schema_migrations) s LEFT JOIN org_logs l ON l.org_id = ?`)

// load sends the statements that begin the transaction and lock the org, and reads the end of
// its log, the version for the cache, and the version of the schema.
func (b *pgBatch) load(ctx context.Context, c *pgConn) error {
	rows, err := c.run(ctx, loadOrg, b.org)
	if err != nil {
		return err
	}
	l, version, schema := &b.log, int64(-1), int64(0)
	if rows.Next() {
		err = rows.Scan(&l.epoch, &l.seq, &l.access, &version, &l.indexed, &l.clock.runSeq, &l.clock.lastAt, &l.clock.skew, &l.clock.ahead,
			&l.bytes.day, &l.bytes.stored.All, &l.bytes.stored.Bulk, &schema)
		l.stored, l.exists = stored{l.seq, l.bytes}, version >= 0
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	if err := b.w.current(schema); err != nil {
		return err
	}
	l.loaded = true
	b.cache.begin(version, b.w.platform.Load())
	return nil
}

func (b *pgBatch) commit(ctx context.Context) (offender int, err error) {
	if err := (&pgConn{b: b, owner: -1}).flush(ctx); err != nil {
		return offenderOf(err), fmt.Errorf("store: run deferred statements: %w", err)
	}
	if b.wrote && b.log.exists {
		c := &pgConn{b: b, owner: -1}
		l := &b.log
		if l.pruned {
			b.cache.waiting.forget(b.org)
		}
		if err := l.indexMany(ctx, reader{c: c, d: b.w.d}, b.org, &b.cache.waiting); err != nil {
			return offenderOf(err), fmt.Errorf("store: index of the log: %w", err)
		}
		err := c.exec(ctx, storeLogPG, l.seq, l.access, l.bytes.day, l.bytes.stored.All, l.bytes.stored.Bulk, b.org)
		if err != nil {
			return -1, fmt.Errorf("store: end of log: %w", err)
		}
		b.cache.version++
	}
	begun := b.w.d.clock.start()
	_, err = b.conn.ExecContext(ctx, commit.text[forPostgres])
	b.w.d.clock.stop(commit, begun)
	if err == nil {
		return -1, nil
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) { // no response: the COMMIT may have been received
		return -1, fmt.Errorf("%w: %w", errUnknown, err)
	}
	var late *pgpipe.DeferredError
	if errors.As(err, &late) { // an earlier statement failed, so the COMMIT did not run
		return late.Owner, failure(commit, err)
	}
	if pg.SeverityUnlocalized != "ERROR" {
		return -1, fmt.Errorf("%w: %w", errUnknown, err)
	}
	return -1, fmt.Errorf("store: commit: %w", err)
}

// offenderOf returns the job with the deferred statement that failed, or -1.
func offenderOf(err error) int {
	var late *pgpipe.DeferredError
	if errors.As(err, &late) {
		return late.Owner
	}
	return -1
}

// pgConn implements conn for one change of a batch.
type pgConn struct {
	b        *pgBatch
	owner    int
	deferred bool  // something of it waits in the connection
	sent     bool  // something of it was sent that changes the database
	broken   error // a statement failed: the transaction is over
	// changed are the keys of the cached results that it has changed.
	changed []resultKey
}

func (c *pgConn) query(ctx context.Context, q *statement, args ...any) (rowSet, error) {
	return c.b.cache.query(q, args, func() (*sql.Rows, error) { return c.rows(ctx, q, args...) })
}

func (c *pgConn) rows(ctx context.Context, q *statement, args ...any) (*sql.Rows, error) {
	if err := c.before(ctx, q); err != nil {
		return nil, err
	}
	if q.changes() { // … RETURNING
		c.writes(q, args)
		c.sent = true
	}
	return c.run(ctx, q, args...)
}

// run sends the deferred statements and a query.
func (c *pgConn) run(ctx context.Context, q *statement, args ...any) (*sql.Rows, error) {
	c.flushing()
	clock := c.b.w.d.clock
	begun := clock.start()
	defer func() { clock.stop(q, begun) }()
	rows, err := c.b.conn.QueryContext(context.WithoutCancel(ctx), q.text[forPostgres], args...)
	return rows, c.note(err)
}

func (c *pgConn) exec(ctx context.Context, q *statement, args ...any) error {
	if c.owner >= 0 {
		if c.b.deferred.add(q, args) {
			c.writes(q, args)
			if c.b.deferred.full() {
				return c.flush(ctx)
			}
			return nil
		}
		if err := c.before(ctx, q); err != nil {
			return err
		}
	}
	return c.send(ctx, q, args)
}

// before runs the deferred statements if q reads or changes one of their tables.
func (c *pgConn) before(ctx context.Context, q *statement) error {
	if c.owner < 0 || !c.b.deferred.before(q) {
		return nil
	}
	return c.flush(ctx)
}

// flush passes the deferred statements to the connection. They are of the batch, so the change can
// no longer be undone alone.
func (c *pgConn) flush(ctx context.Context) error {
	c.sent = true
	batch := &pgConn{b: c.b, owner: -1}
	return c.note(c.b.deferred.write(func(q *statement, args []any) error { return batch.send(ctx, q, args) }))
}

// send passes a statement to the connection, which sends it with a later one.
func (c *pgConn) send(ctx context.Context, q *statement, args []any) error {
	c.writes(q, args)
	c.deferred = true
	_, err := c.b.conn.ExecContext(pgpipe.Defer(context.WithoutCancel(ctx), c.owner), q.text[forPostgres], args...)
	return c.note(err)
}

func (c *pgConn) execNow(ctx context.Context, q *statement, args ...any) (int64, error) {
	if err := c.before(ctx, q); err != nil {
		return 0, err
	}
	c.flushing()
	c.writes(q, args)
	c.sent = true
	if ctx.Value(longKey{}) != nil {
		if err := c.b.extend(c.b.w.timeouts.long); err != nil {
			return 0, c.note(err)
		}
		defer func() { _ = c.b.extend(c.b.w.timeouts.run) }() // fails only if the connection is lost, which the next call reports
	}
	clock := c.b.w.d.clock
	begun := clock.start()
	defer func() { clock.stop(q, begun) }()
	res, err := c.b.conn.ExecContext(context.WithoutCancel(ctx), q.text[forPostgres], args...)
	if err != nil {
		return 0, c.note(err)
	}
	return res.RowsAffected()
}

// writes records a statement that changes the database.
func (c *pgConn) writes(q *statement, args []any) {
	if c.owner < 0 {
		return // a statement of the batch itself
	}
	c.b.wrote = true
	c.b.changes.note(q, args)
	c.b.cache.write(q)
	if q != touchThread {
		return
	}
	if key := c.b.cache.touch(args, c.b.org); key != (resultKey{}) {
		c.changed = append(c.changed, key)
	}
}

// flushing records that the deferred statements are about to be sent.
func (c *pgConn) flushing() {
	if c.deferred {
		c.sent = true
	}
}

func (c *pgConn) note(err error) error {
	if err != nil && c.broken == nil {
		c.broken = err
	}
	return err
}
