package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore/pgpipe"
)

// pool is the connections that read. Each statement is prepared once and kept.
type pool struct {
	db    *sql.DB
	probe *sql.DB // one connection that only Ping uses, so that it waits for nobody
	d     *dialect
	stmts sync.Map // text to *sql.Stmt; SQLite only: pgpipe keeps its own
	reads *pgReads // PostgreSQL only
	// shares is who may use how many of the connections at once.
	shares *shares
	health *health
}

var errReadOnly = errors.New("store: write outside of Update")

func (p *pool) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := p.stmts.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.db.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	if old, loaded := p.stmts.LoadOrStore(q, s); loaded {
		return old.(*sql.Stmt), s.Close()
	}
	return s, nil
}

func (p *pool) query(ctx context.Context, q string, args ...any) (cursor, error) {
	return p.rows(ctx, q, args...)
}

func (p *pool) rows(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	if p.d.postgres {
		return patiently(ctx, func() (*sql.Rows, error) { return p.db.QueryContext(ctx, p.d.text(q), args...) })
	}
	ctx, err := swift(ctx)
	if err != nil {
		return nil, err
	}
	s, err := p.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (p *pool) exec(context.Context, string, ...any) error { return errReadOnly }

func (p *pool) execNow(context.Context, string, ...any) (int64, error) { return 0, errReadOnly }

func (p *pool) close() error {
	var errs []error
	p.stmts.Range(func(_, s any) bool {
		errs = append(errs, s.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(append(errs, p.probe.Close(), p.db.Close())...)
}

type longKey struct{}

// long marks a statement that may take long enough to be worth cancelling, and that
// PostgreSQL may take more time for than for others.
func long(ctx context.Context) context.Context { return context.WithValue(ctx, longKey{}, true) }

// swift takes the cancellation out of a context, unless it is marked as long: on
// SQLite every cancellable query costs two goroutines, as much as a point read.
func swift(ctx context.Context) (context.Context, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if ctx.Value(longKey{}) != nil {
		return ctx, nil
	}
	return context.WithoutCancel(ctx), nil
}

// view is a read transaction.
type view struct {
	pool   *pool
	ctx    context.Context // of the whole snapshot
	tx     *sql.Tx
	begun  bool // something was read
	dead   bool
	missed []string // statements to prepare when its connection is free
}

var errDead = errors.New("store: used after its function returned")

func (v *view) query(ctx context.Context, q string, args ...any) (cursor, error) {
	return v.rows(ctx, q, args...)
}

func (v *view) rows(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	if v.dead {
		return nil, errDead
	}
	ctx, err := swift(ctx)
	if err != nil {
		return nil, err
	}
	if v.pool.d.postgres {
		return v.queryPostgres(ctx, v.pool.d.text(q), args)
	}
	if s, ok := v.pool.stmts.Load(q); ok {
		return v.tx.StmtContext(ctx, s.(*sql.Stmt)).QueryContext(ctx, args...)
	}
	// To prepare it for the pool takes another connection: views that wait for one
	// while they hold one would wait for each other.
	v.missed = append(v.missed, q)
	return v.tx.QueryContext(ctx, q, args...)
}

func (v *view) exec(context.Context, string, ...any) error { return errReadOnly }

func (v *view) execNow(context.Context, string, ...any) (int64, error) { return 0, errReadOnly }

// queryPostgres reads. The snapshot is made by the first query that the database hears:
// when that finds that its connection was gone before, the view begins again on one
// that works.
func (v *view) queryPostgres(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	rows, err := v.tx.QueryContext(ctx, text, args...)
	if !v.begun && errors.Is(err, driver.ErrBadConn) {
		_ = v.tx.Rollback() // it ended with its connection
		t, err := v.pool.begin(pgpipe.Prompt(v.ctx))
		if err != nil {
			return nil, err
		}
		v.tx = t
		rows, err = v.tx.QueryContext(ctx, text, args...)
		v.begun = true
		return rows, err
	}
	v.begun = v.begun || err == nil
	return rows, err
}

func (p *pool) begin(ctx context.Context) (*sql.Tx, error) {
	opts := &sql.TxOptions{}
	if p.d.postgres {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	t, err := patiently(ctx, func() (*sql.Tx, error) { return p.db.BeginTx(ctx, opts) })
	if err != nil {
		return nil, fmt.Errorf("store: begin reading: %w", err)
	}
	return t, nil
}

// view runs fn in one snapshot.
func (p *pool) view(ctx context.Context, fn func(store.Reader) error) (err error) {
	ctx, turn, err := enter(ctx, p)
	if err != nil {
		return err
	}
	defer turn.leave(&err)
	t, err := p.begin(ctx)
	if err != nil {
		return err
	}
	v := &view{pool: p, ctx: ctx, tx: t}
	return v.run(fn)
}

func (v *view) run(fn func(store.Reader) error) (err error) {
	p, ctx := v.pool, v.ctx
	defer func() {
		v.dead = true
		if e := v.tx.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) && err == nil {
			err = fmt.Errorf("store: end reading: %w", e)
		}
		for _, q := range v.missed {
			if _, e := p.stmt(ctx, q); e != nil && err == nil && ctx.Err() == nil {
				err = fmt.Errorf("store: prepare: %w", e)
			}
		}
	}()
	return fn(reader{c: v, d: p.d})
}
