package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// result is the rows of one query, kept to be read again.
type result struct {
	names  []string
	values []any // row after row: text, int64, bool, bytes or nil
}

func (r *result) rows() int {
	if len(r.names) == 0 {
		return 0
	}
	return len(r.values) / len(r.names)
}

// capture reads all rows, and closes them.
func capture(rows *sql.Rows) (_ *result, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	r := &result{names: names}
	dest := make([]any, len(names))
	for rows.Next() {
		at := len(r.values)
		r.values = append(r.values, make([]any, len(names))...)
		for i := range dest {
			dest[i] = &r.values[at+i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
	}
	return r, rows.Err()
}

// replayer is a database that answers every query with the result in its context, so
// that a kept result is scanned like any other.
type replayer struct {
	db   *sql.DB
	conn *sql.Conn
}

func newReplayer() (*replayer, error) {
	db := sql.OpenDB(replayDriver{})
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, fmt.Errorf("store: open the replayer: %w", err)
	}
	return &replayer{db, conn}, nil
}

func (r *replayer) close() error { return errors.Join(r.conn.Close(), r.db.Close()) }

type replayKey struct{}

// query gives the rows of a kept result.
func (r *replayer) query(res *result) (*sql.Rows, error) {
	return r.conn.QueryContext(context.WithValue(context.Background(), replayKey{}, res), "")
}

// replayDriver is connector, driver and connection in one.
type replayDriver struct{}

var errReplay = errors.New("store: the replayer only answers with kept results")

func (d replayDriver) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d replayDriver) Driver() driver.Driver                        { return d }
func (d replayDriver) Open(string) (driver.Conn, error)             { return d, nil }
func (replayDriver) Prepare(string) (driver.Stmt, error)            { return nil, errReplay }
func (replayDriver) Begin() (driver.Tx, error)                      { return nil, errReplay }
func (replayDriver) Close() error                                   { return nil }

// QueryContext answers.
func (replayDriver) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	r, ok := ctx.Value(replayKey{}).(*result)
	if !ok {
		return nil, errReplay
	}
	return &replayRows{result: r}, nil
}

type replayRows struct {
	*result
	next int
}

func (r *replayRows) Columns() []string { return r.names }
func (r *replayRows) Close() error      { return nil }

func (r *replayRows) Next(dest []driver.Value) error {
	if r.next >= len(r.values) || len(r.names) == 0 {
		return io.EOF
	}
	for i, v := range r.values[r.next : r.next+len(r.names)] {
		dest[i] = v
	}
	r.next += len(r.names)
	return nil
}
