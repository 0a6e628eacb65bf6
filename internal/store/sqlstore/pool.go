package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
)

// pool is the set of connections that read. It prepares each statement once.
type pool struct {
	db    *sql.DB
	probe *sql.DB // a connection for Ping alone, which never waits for reads
	d     *dialect
	stmts sync.Map // *statement to *sql.Stmt; SQLite only: pgpipe has its own
	reads *pgReads // PostgreSQL only
	// shares divides the connections between orgs.
	shares *shares
	health *health
}

var errReadOnly = errors.New("store: write outside of Update")

func (p *pool) stmt(ctx context.Context, q *statement) (*sql.Stmt, error) {
	if s, ok := p.stmts.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.db.PrepareContext(ctx, q.text[forSQLite])
	if err != nil {
		return nil, err
	}
	if old, loaded := p.stmts.LoadOrStore(q, s); loaded {
		return old.(*sql.Stmt), s.Close()
	}
	return s, nil
}

func (p *pool) query(ctx context.Context, q *statement, args ...any) (rowSet, error) {
	return p.rows(ctx, q, args...)
}

func (p *pool) rows(ctx context.Context, q *statement, args ...any) (*sql.Rows, error) {
	if p.d.database == forPostgres {
		notes(ctx, q)
		return retryCrowded(ctx, func() (*sql.Rows, error) { return p.db.QueryContext(ctx, q.text[forPostgres], args...) })
	}
	notes(ctx, q)
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

func (p *pool) exec(context.Context, *statement, ...any) error { return errReadOnly }

func (p *pool) execNow(context.Context, *statement, ...any) (int64, error) { return 0, errReadOnly }

func (p *pool) close() error {
	var errs []error
	p.stmts.Range(func(_, s any) bool {
		errs = append(errs, s.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(append(errs, p.probe.Close(), p.db.Close())...)
}

type longKey struct{}

// long marks a statement that may take long: it can be cancelled, and on PostgreSQL has the
// longer time limit.
func long(ctx context.Context) context.Context { return context.WithValue(ctx, longKey{}, true) }

// swift removes the cancellation from a context, unless the context is marked by long: on
// SQLite a cancellable query starts two goroutines, which cost as much as a point read.
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
	begun  bool // a query has returned
	dead   bool
	missed []*statement // statements to prepare once the view has returned its connection
}

var errDead = errors.New("store: used after its function returned")

func (v *view) query(ctx context.Context, q *statement, args ...any) (rowSet, error) {
	return v.rows(ctx, q, args...)
}

func (v *view) rows(ctx context.Context, q *statement, args ...any) (*sql.Rows, error) {
	if v.dead {
		return nil, errDead
	}
	notes(ctx, q)
	ctx, err := swift(ctx)
	if err != nil {
		return nil, err
	}
	if v.pool.d.database == forPostgres {
		return v.queryPostgres(ctx, q, args)
	}
	if s, ok := v.pool.stmts.Load(q); ok {
		return v.tx.StmtContext(ctx, s.(*sql.Stmt)).QueryContext(ctx, args...)
	}
	// Preparing it for the pool takes a second connection. If views waited for one while they
	// have one, they could deadlock.
	v.missed = append(v.missed, q)
	return v.tx.QueryContext(ctx, q.text[forSQLite], args...)
}

func (v *view) exec(context.Context, *statement, ...any) error { return errReadOnly }

func (v *view) execNow(context.Context, *statement, ...any) (int64, error) { return 0, errReadOnly }

// queryPostgres runs a query. PostgreSQL takes the snapshot at the first query: when that
// fails because the connection was already lost, the view begins again on another connection.
func (v *view) queryPostgres(ctx context.Context, q *statement, args []any) (*sql.Rows, error) {
	rows, err := v.tx.QueryContext(ctx, q.text[forPostgres], args...)
	if !v.begun && errors.Is(err, driver.ErrBadConn) {
		_ = v.tx.Rollback() // the transaction has ended with its connection
		t, err := v.pool.begin(pgpipe.Prompt(v.ctx))
		if err != nil {
			return nil, err
		}
		v.tx = t
		rows, err = v.tx.QueryContext(ctx, q.text[forPostgres], args...)
		v.begun = true
		return rows, err
	}
	v.begun = v.begun || err == nil
	return rows, err
}

func (p *pool) begin(ctx context.Context) (*sql.Tx, error) {
	opts := &sql.TxOptions{}
	if p.d.database == forPostgres {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	t, err := retryCrowded(ctx, func() (*sql.Tx, error) { return p.db.BeginTx(ctx, opts) })
	if err != nil {
		return nil, fmt.Errorf("store: begin reading: %w", err)
	}
	return t, nil
}

// view runs fn in one snapshot.
func (p *pool) view(ctx context.Context, fn func(store.Reader) error) (err error) {
	ctx, active, err := enter(ctx, p)
	if err != nil {
		return err
	}
	defer active.leave(&err)
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
