package sqlstore

import (
	"context"
	"database/sql"
	"reflect"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Lists are bounded by bytes (store.PageBytes) as well as by rows: a list ends with the row
// that takes its texts past the bound. SQLite returns rows one by one, so reading stops
// there. The driver of PostgreSQL reads the whole result, and both databases may have to
// sort rows first: so listing builds queries that read no long text beyond the bound.

// tally is a rowSet that counts the bytes of the scanned texts, as often as a list shows them.
type tally struct {
	rowSet
	bytes int
}

// next returns Next, or false once the bound is passed.
func (t *tally) next() bool { return t.bytes <= store.PageBytes && t.Next() }

func (t *tally) Scan(dest ...any) error {
	if err := t.rowSet.Scan(dest...); err != nil {
		return err
	}
	body, alone := 0, false // bytes of the content of a message, and whether it has no parts
	for _, d := range dest {
		switch d := d.(type) {
		case *string:
			t.bytes += len(*d)
		case **string:
			t.bytes += length(*d)
		case text:
			t.bytes += length(*d.dest)
		case content:
			body = len(*d.dest)
			t.bytes += body
		case packedText:
			t.bytes += length(*d.dest)
		case parts:
			t.bytes += length(*d.dest)
			alone = *d.dest == nil
		case *[]byte:
			t.bytes += len(*d)
		}
	}
	if alone {
		t.bytes += body
	}
	return nil
}

func length(s *string) int {
	if s == nil {
		return 0
	}
	return len(*s)
}

// page returns the rows of a query up to the bound.
func (scan scanner[T]) page(ctx context.Context, r reader, q *statement, args ...any) (out []T, err error) {
	err = ask(ctx, r, r.c.query, func(_ context.Context, rows rowSet) error {
		t := &tally{rowSet: rows}
		for t.next() {
			var row T
			if err := scan(t, &row); err != nil {
				return err
			}
			out = append(out, row)
		}
		return nil
	}, q, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// page is list, up to the bound.
func page[T any](ctx context.Context, r reader, q *statement, args ...any) (out []T, err error) {
	err = ask(ctx, r, r.c.rows, func(ctx context.Context, rows *sql.Rows) error {
		for bytes := 0; bytes <= store.PageBytes && rows.Next(); {
			var row T
			if err := r.d.bun.ScanRow(ctx, rows, &row); err != nil {
				return err
			}
			bytes += texts(reflect.ValueOf(&row).Elem())
			out = append(out, row)
		}
		return nil
	}, q, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// texts returns the number of bytes of the texts of a row.
func texts(row reflect.Value) (n int) {
	for i := range row.NumField() {
		switch f := row.Field(i); f.Kind() {
		case reflect.String:
			n += f.Len()
		case reflect.Pointer:
			if e := f.Elem(); e.IsValid() && e.Kind() == reflect.String {
				n += e.Len()
			}
		case reflect.Struct:
			n += texts(f)
		default:
		}
	}
	return n
}

// listing is a family of queries that list rows with long texts.
type listing struct {
	columns string // of a row; those that are computed have names
	long    string // columns of texts that may be long, separated by commas
	message bool   // rows of m with its content and parts: see [parts]
	from    string // the tables, from " FROM" on
	order   string // total

	fromPostgres string // replaces from, if it is not empty

	// SQLite sorts whole rows when no index has the order. With a key set it sorts the keys,
	// and then reads the rows by rejoin, which finds a row by k.key.
	key, rejoin string
}

// fewRows is a number of rows that cannot exceed the bound by much, because a request, and so
// a text, has at most 1 MiB.
const fewRows = 4

// of declares the queries. Their last arguments are limit and offset.
func (l listing) of(t tables, given string, may ...string) *family {
	return &family{kind: selects, reads: t, query: l.query, lists: true, given: given, may: may}
}

func (l listing) query(d database, where string, few bool) string {
	if d == forPostgres && l.fromPostgres != "" {
		l.from = l.fromPostgres
	}
	tail := where + " ORDER BY " + l.order + " LIMIT ? + 0 OFFSET ? + 0"
	switch {
	case d == forPostgres && !few:
		size := "coalesce(octet_length(" + strings.ReplaceAll(l.long, ", ", "), 0) + coalesce(octet_length(") + "), 0)"
		if l.message {
			size += " + CASE WHEN m.parts IS NULL THEN octet_length(m.content) ELSE 0 END"
		}
		return "SELECT " + outer(l.columns) + " FROM (SELECT " + l.columns + ", " + size + " AS size_, sum(" + size +
			" + 1) OVER (ORDER BY " + l.order + " ROWS UNBOUNDED PRECEDING) AS upto_" + l.from + tail +
			") p WHERE upto_ - size_ <= " + strconv.Itoa(store.PageBytes) + " ORDER BY upto_"
	case d == forSQLite && l.key != "":
		return "SELECT " + l.columns + " FROM (SELECT " + l.key + " AS key" + l.from + tail + ") k CROSS JOIN " + l.rejoin
	}
	return "SELECT " + l.columns + l.from + tail
}

// outer returns the names of the columns as seen outside of the query that selects them.
func outer(columns string) string {
	var names []string
	depth, start := 0, 0
	for i := 0; i <= len(columns); i++ {
		switch {
		case i == len(columns) || columns[i] == ',' && depth == 0:
			column := strings.TrimSpace(columns[start:i])
			if at := strings.LastIndex(column, " AS "); at >= 0 {
				column = column[at+len(" AS "):]
			}
			names = append(names, column[strings.LastIndexByte(column, '.')+1:])
			start = i + 1
		case columns[i] == '(':
			depth++
		case columns[i] == ')':
			depth--
		}
	}
	return strings.Join(names, ", ")
}

// paged returns the rows of a query up to the bound of bytes, and up to limit rows, which is its
// last argument.
func (scan scanner[T]) paged(ctx context.Context, r reader, c *choice, limit int) ([]T, error) {
	return scan.page(ctx, r, c.statement(r.d, limit), c.all(max(limit, 0))...)
}

// paged is page with a limit.
func paged[T any](ctx context.Context, r reader, c *choice, limit int) ([]T, error) {
	return page[T](ctx, r, c.statement(r.d, limit), c.all(max(limit, 0))...)
}

// listed returns the rows of a listing up to the bound of bytes, and up to limit rows.
func (scan scanner[T]) listed(ctx context.Context, r reader, c *choice, limit, offset int) ([]T, error) {
	return scan.page(ctx, r, c.statement(r.d, limit), c.all(max(limit, 0), max(offset, 0))...)
}

// listed is page for a listing.
func listed[T any](ctx context.Context, r reader, c *choice, limit int) ([]T, error) {
	return page[T](ctx, r, c.statement(r.d, limit), c.all(max(limit, 0), 0)...)
}
