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
	conn    *sql.Conn
	log     orgLog
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
			err = errors.Join(pgpipe.Rollback(ctx, b.conn), b.conn.Close())
			if err != nil {
				b.w.logger.Error("undo a change that ended its goroutine", "error", err)
			}
		}
	}()
	for n := 1; ; n++ {
		spoiler, err = b.try(ctx, jobs)
		if err == nil || errors.Is(err, errUnknown) {
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
	b.log = orgLog{}
	c := &pgConn{b: b, owner: -1}
	if err := c.exec(ctx, "BEGIN"); err != nil {
		return -1, fmt.Errorf("store: begin: %w", err)
	}
	if err := c.exec(ctx, "SELECT pg_advisory_xact_lock(?)", lockKey(b.org)); err != nil {
		return -1, fmt.Errorf("store: lock: %w", err)
	}
	if b.org != "" {
		if err := b.log.load(ctx, c, b.org); err != nil {
			return -1, fmt.Errorf("store: begin: %w", err)
		}
	}
	for i, j := range jobs {
		c = &pgConn{b: b, owner: i}
		m := b.log.mark()
		t := newTx(c, b.w.d, b.org, &b.log)
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
		// Nothing of it has left: it never was.
		if err := pgpipe.Drop(b.conn, i); err != nil {
			return -1, fmt.Errorf("store: drop a change: %w", err)
		}
		b.log.reset(m)
		b.results[i] = err
	}
	return b.commit(ctx)
}

func (b *pgBatch) commit(ctx context.Context) (spoiler int, err error) {
	c := &pgConn{b: b, owner: -1}
	if err := b.log.save(ctx, c, b.org); err != nil {
		return -1, fmt.Errorf("store: end of log: %w", err)
	}
	// In two steps: a failure of what still waits is not a failure of the commit.
	_, err = b.conn.ExecContext(ctx, "COMMIT")
	if err == nil {
		return -1, nil
	}
	var late *pgpipe.DeferredError
	if errors.As(err, &late) {
		return late.Owner, failure("commit", err)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return -1, fmt.Errorf("store: commit: %w", err)
	}
	return -1, fmt.Errorf("%w: %w", errUnknown, err)
}

// pgConn is the connection of a batch as one of its changes sees it.
type pgConn struct {
	b      *pgBatch
	owner  int
	held   bool  // something of it waits in the connection
	sent   bool  // something of it was sent that changes the database
	broken error // a statement failed: the transaction is over
}

func (c *pgConn) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	c.flushing()
	if !strings.HasPrefix(q, "SELECT") {
		c.sent = true // … RETURNING
	}
	rows, err := c.b.conn.QueryContext(context.WithoutCancel(ctx), c.b.w.d.text(q), args...)
	return rows, c.note(err)
}

func (c *pgConn) exec(ctx context.Context, q string, args ...any) error {
	c.held = true
	_, err := c.b.conn.ExecContext(pgpipe.Defer(context.WithoutCancel(ctx), c.owner), c.b.w.d.text(q), args...)
	return c.note(err)
}

func (c *pgConn) execNow(ctx context.Context, q string, args ...any) (int64, error) {
	c.flushing()
	c.sent = true
	res, err := c.b.conn.ExecContext(context.WithoutCancel(ctx), c.b.w.d.text(q), args...)
	if err != nil {
		return 0, c.note(err)
	}
	return res.RowsAffected()
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
