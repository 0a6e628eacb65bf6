package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

// conn runs statements: on the pool, in the snapshot of a View, or in the transaction of a
// writer.
type conn interface {
	// query may return cached rows.
	query(ctx context.Context, q *statement, args ...any) (rowSet, error)
	// rows always queries the database.
	rows(ctx context.Context, q *statement, args ...any) (*sql.Rows, error)
	// exec may defer the statement until a later one.
	exec(ctx context.Context, q *statement, args ...any) error
	// execNow runs the statement and returns the number of changed rows.
	execNow(ctx context.Context, q *statement, args ...any) (int64, error)
}

// rowSet reads rows: *sql.Rows, or rows that were kept.
type rowSet interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// reader implements store.Reader over any conn.
type reader struct {
	c conn
	d *dialect
}

var _ store.Reader = reader{}

// A LIMIT is written as "? + 0": SQLite treats a bare argument as a constant, and plans the
// statement again for each value.

// ask waits until the share of the org allows a read, then calls run, which is a method of a
// conn, and passes the rows to scan, which may stop early.
func ask[C rowSet](ctx context.Context, r reader, run func(context.Context, *statement, ...any) (C, error),
	scan func(context.Context, C) error, q *statement, args ...any) (err error) {
	ctx, active, err := enter(ctx, r.c)
	if err != nil {
		return err
	}
	defer active.leave(&err)
	clock := r.clock()
	begun := clock.start()
	defer func() { clock.stop(q, begun) }()
	rows, err := run(ctx, q, args...)
	if err != nil {
		return failure(q, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if err := scan(ctx, rows); err != nil {
		return failure(q, err)
	}
	if err := rows.Err(); err != nil {
		return failure(q, err)
	}
	return nil
}

// each runs a query and scans every row with scan.
func each(ctx context.Context, r reader, scan func(rowSet) error, q *statement, args ...any) error {
	return ask(ctx, r, r.c.query, func(_ context.Context, rows rowSet) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return nil
	}, q, args...)
}

// scanner scans a row without reflection, for frequent queries.
type scanner[T any] func(rowSet, *T) error

// text scans a nullable text; database/sql does it by reflection, ten times slower.
type text struct{ dest **string }

// Scan implements sql.Scanner.
func (t text) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*t.dest = nil
	case string:
		*t.dest = &v
	case []byte:
		s := string(v)
		*t.dest = &s
	default:
		return fmt.Errorf("store: text column holds %T", v)
	}
	return nil
}

// parts scans the parts of a message. A message without parts is shown with its content in a text
// part, too (B2B-MSG-009).
type parts struct{ text }

// content scans the content of a message.
type content struct{ dest *string }

// Scan implements sql.Scanner.
func (c content) Scan(v any) error {
	switch v := v.(type) {
	case string:
		*c.dest = v
	case []byte:
		*c.dest = string(v)
	default:
		return fmt.Errorf("store: content column holds %T", v)
	}
	return nil
}

// list reads all rows of a query.
func (scan scanner[T]) list(ctx context.Context, r reader, q *statement, args ...any) ([]T, error) {
	var out []T
	err := each(ctx, r, func(rows rowSet) error {
		var row T
		if err := scan(rows, &row); err != nil {
			return err
		}
		out = append(out, row)
		return nil
	}, q, args...)
	return out, err
}

// one reads the first row of a query.
func (scan scanner[T]) one(ctx context.Context, r reader, q *statement, args ...any) (*T, error) {
	var out *T
	err := each(ctx, r, func(rows rowSet) error {
		out = new(T)
		return scan(rows, out)
	}, q, args...)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, store.ErrNotFound
	}
	return out, nil
}

// list reads all rows of a query, mapped by bun.
func list[T any](ctx context.Context, r reader, q *statement, args ...any) (out []T, err error) {
	err = ask(ctx, r, r.c.rows, func(ctx context.Context, rows *sql.Rows) error { return r.d.bun.ScanRows(ctx, rows, &out) }, q, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// one reads the only row of a query, mapped by bun.
func one[T any](ctx context.Context, r reader, q *statement, args ...any) (*T, error) {
	rows, err := list[T](ctx, r, q, args...)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, store.ErrNotFound
	}
	return &rows[0], nil
}

// value reads one value; a query without rows returns the zero value.
func value[T any](ctx context.Context, r reader, q *statement, args ...any) (v T, err error) {
	err = each(ctx, r, func(rows rowSet) error { return rows.Scan(&v) }, q, args...)
	return v, err
}

// failure wraps an error with its statement, without the arguments.
func failure(s *statement, err error) error {
	if c, ok := conflict(err); ok {
		return c
	}
	var wrapped *statementError
	if errors.As(err, &wrapped) {
		return err
	}
	q, _, _ := strings.Cut(strings.Join(strings.Fields(s.text[forSQLite]), " "), " WHERE ")
	if len(q) > 80 {
		q = q[:80] + "…"
	}
	return outage(&statementError{q, err})
}

type statementError struct {
	text string
	err  error
}

func (e *statementError) Error() string { return "store: " + e.text + ": " + e.err.Error() }

func (e *statementError) Unwrap() error { return e.err }

// jsonList is the argument of anyOf.
func jsonList(ids []string) (string, error) {
	b, err := json.Marshal(ids)
	if err != nil {
		return "", fmt.Errorf("store: list of ids: %w", err)
	}
	return string(b), nil
}
