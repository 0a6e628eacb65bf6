package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/server/store/sqlstore/pgpipe"
)

// errUnknown says that the connection was lost during the commit: the changes may or
// may not have been made.
var errUnknown = errors.New("store: connection lost while committing")

// attempts bounds how often one change is tried when the database asks for it.
const attempts = 5

// pgBatch is one transaction of several changes of one organisation.
type pgBatch struct {
	w       *pgWriter
	org     string
	cache   *cache
	conn    *sql.Conn
	log     orgLog
	wrote   bool // anything at all
	results []error
}

// lockKey is the advisory lock of an organisation.
func lockKey(org string) int64 {
	h := fnv.New64a()
	h.Write([]byte("b2b org " + org))
	return int64(h.Sum64())
}

// run commits the jobs, or tells which of them spoiled the transaction (-1: none in
// particular). A lone job is tried again when the database asks for it.
func (b *pgBatch) run(jobs []*job) (spoiler int, err error) {
	ctx := context.Background()
	if b.conn, err = b.w.db.Conn(ctx); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	ended := false
	defer func() {
		if !ended { // a change ended the goroutine
			b.cache.reset()
			err = errors.Join(pgpipe.Rollback(ctx, b.conn), b.conn.Close())
			if err != nil {
				b.w.logger.Error("undo a change that ended its goroutine", "error", err)
			}
		}
	}()
	for n := 1; ; n++ {
		spoiler, err = b.try(ctx, jobs)
		if err == nil {
			break
		}
		b.cache.reset()
		if errors.Is(err, errUnknown) {
			break
		}
		if e := pgpipe.Rollback(ctx, b.conn); e != nil {
			b.w.logger.Debug("rollback", "error", e) // the connection is gone, and the transaction with it
		}
		if n == attempts {
			break
		}
		if !pgpipe.Alive(b.conn) { // what was not committed is gone: all of it can run again
			old := b.conn
			if b.conn, err = b.w.db.Conn(ctx); err != nil {
				b.conn = old
				err = fmt.Errorf("store: begin: %w", err)
				break
			}
			if e := old.Close(); e != nil {
				b.w.logger.Debug("give back a connection", "error", e)
			}
			continue
		}
		if len(jobs) > 1 || !again(err) {
			break
		}
	}
	ended = true
	if e := b.conn.Close(); e != nil && err == nil {
		b.w.logger.Debug("give back a connection", "error", e)
	}
	return spoiler, err
}

// again tells whether the database asks to try again: serialisation failure, deadlock.
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

func (b *pgBatch) try(ctx context.Context, jobs []*job) (spoiler int, err error) {
	b.results = make([]error, len(jobs))
	b.log, b.wrote = orgLog{}, false
	c := &pgConn{b: b, owner: -1}
	if err := c.exec(ctx, "BEGIN"); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	if err := c.exec(ctx, "SELECT pg_advisory_xact_lock(?)", lockKey(b.org)); err != nil {
		return -1, fmt.Errorf("store: lock: %w", err)
	}
	if err := b.load(ctx, c); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	for i, j := range jobs {
		c = &pgConn{b: b, owner: i}
		m := b.log.mark()
		t := newTx(c, b.w.d, b.org, &b.log, b.cache.rates)
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
		// When nothing of it has left, it never was.
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
		b.results[i] = err
	}
	return b.commit(ctx)
}

// load takes the lock and reads where the log ends and who has written last.
func (b *pgBatch) load(ctx context.Context, c *pgConn) error {
	rows, err := c.run(ctx, "SELECT epoch, last_seq, access_seq, version FROM org_logs WHERE org_id = ?", b.org)
	if err != nil {
		return err
	}
	l, version := &b.log, int64(-1)
	if rows.Next() {
		l.exists = true
		err = rows.Scan(&l.epoch, &l.seq, &l.access, &version)
		l.stored = l.seq
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	l.loaded = true
	b.cache.begin(version, b.w.platform.Load())
	return nil
}

func (b *pgBatch) commit(ctx context.Context) (spoiler int, err error) {
	if b.wrote && b.log.exists {
		c := &pgConn{b: b, owner: -1}
		err := c.exec(ctx, "UPDATE org_logs SET last_seq = ?, access_seq = ?, version = version + 1 WHERE org_id = ?", b.log.seq, b.log.access, b.org)
		if err != nil {
			return -1, fmt.Errorf("store: end of log: %w", err)
		}
		b.cache.version++
	}
	_, err = b.conn.ExecContext(ctx, "COMMIT")
	if err == nil {
		return -1, nil
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) { // it may have been heard
		return -1, fmt.Errorf("%w: %w", errUnknown, err)
	}
	var late *pgpipe.DeferredError
	if errors.As(err, &late) { // answers come in order: the commit was not reached
		return late.Owner, failure("commit", err)
	}
	if pg.SeverityUnlocalized != "ERROR" {
		return -1, fmt.Errorf("%w: %w", errUnknown, err)
	}
	return -1, fmt.Errorf("store: commit: %w", err)
}

// pgConn is the connection of a batch as one of its changes sees it.
type pgConn struct {
	b      *pgBatch
	owner  int
	held   bool  // something of it waits in the connection
	sent   bool  // something of it was sent that changes the database
	broken error // a statement failed: the transaction is over
	// changed are the kept results that it changed.
	changed []string
}

func (c *pgConn) query(ctx context.Context, q string, args ...any) (cursor, error) {
	return c.b.cache.kept(q, args, func() (*sql.Rows, error) { return c.rows(ctx, q, args...) })
}

func (c *pgConn) rows(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	if !strings.HasPrefix(q, "SELECT") { // … RETURNING
		c.writes(q, args)
		c.sent = true
	}
	return c.run(ctx, q, args...)
}

// run sends a query and what waits.
func (c *pgConn) run(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	c.flushing()
	rows, err := c.b.conn.QueryContext(context.WithoutCancel(ctx), c.b.w.d.text(q), args...)
	return rows, c.note(err)
}

func (c *pgConn) exec(ctx context.Context, q string, args ...any) error {
	c.writes(q, args)
	c.held = true
	_, err := c.b.conn.ExecContext(pgpipe.Defer(context.WithoutCancel(ctx), c.owner), c.b.w.d.text(q), args...)
	return c.note(err)
}

func (c *pgConn) execNow(ctx context.Context, q string, args ...any) (int64, error) {
	c.flushing()
	c.writes(q, args)
	c.sent = true
	res, err := c.b.conn.ExecContext(context.WithoutCancel(ctx), c.b.w.d.text(q), args...)
	if err != nil {
		return 0, c.note(err)
	}
	return res.RowsAffected()
}

// writes notes a statement that changes the database.
func (c *pgConn) writes(q string, args []any) {
	if c.owner < 0 {
		return // of the batch itself
	}
	c.b.wrote = true
	if key := c.b.cache.write(q, args, c.b.org); key != "" {
		c.changed = append(c.changed, key)
	}
}

// flushing notes that what waits is about to be sent.
func (c *pgConn) flushing() {
	if c.held {
		c.sent = true
	}
}

func (c *pgConn) note(err error) error {
	if err != nil && c.broken == nil {
		c.broken = err
	}
	return err
}
