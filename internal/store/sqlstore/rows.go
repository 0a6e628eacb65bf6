package sqlstore

import (
	"context"
	"reflect"
	"strings"

	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
)

// fields returns the columns that bun knows of a row; they are the same on both databases.
func fields[T any]() []*schema.Field {
	return sqlitedialect.New().Tables().Get(reflect.TypeFor[T]()).Fields
}

// columns lists the columns of a row, each with the prefix.
func columns[T any](prefix string) string {
	all := fields[T]()
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = prefix + f.Name
	}
	return strings.Join(names, ", ")
}

// rowInsert inserts rows with all their columns.
type rowInsert[T any] struct {
	*statement // of one row
	fields     []*schema.Field
}

// insertRow declares the insertion of a row; rest follows the values.
func insertRow[T any](t tables, rest string) rowInsert[T] {
	return rowInsert[T]{insert(t, insertion[T](t, 1)+rest), fields[T]()}
}

func insertion[T any](t tables, rows int) string {
	row := "(?" + strings.Repeat(", ?", len(fields[T]())-1) + ")"
	return "INSERT INTO " + t.name() + " (" + columns[T]("") + ") VALUES " + row + strings.Repeat(", "+row, rows-1)
}

// values appends the arguments for a row.
func (i rowInsert[T]) values(args []any, row *T) []any {
	v := reflect.ValueOf(row).Elem()
	for _, f := range i.fields {
		args = append(args, f.Value(v).Interface())
	}
	return args
}

// put inserts a row; the statement may be deferred.
func put[T any](ctx context.Context, t *tx, q rowInsert[T], row *T) error {
	return t.c.exec(ctx, q.statement, q.values(make([]any, 0, len(q.fields)), row)...)
}

// putNow inserts a row, and returns its error at once.
func putNow[T any](ctx context.Context, t *tx, q rowInsert[T], row *T) error {
	_, err := t.c.execNow(ctx, q.statement, q.values(make([]any, 0, len(q.fields)), row)...)
	return err
}

// rowsPerInsert is how many rows the second statement of a rowsInsert writes. It stays below the
// arguments that a statement may have (SQLite 32,766, PostgreSQL 65,535) with the widest table.
const rowsPerInsert = 50

// rowsInsert inserts many rows with few statements: with one for rowsPerInsert rows, and one for a
// single row.
type rowsInsert[T any] struct {
	one  rowInsert[T]
	many *statement
}

func insertRows[T any](t tables) rowsInsert[T] {
	return rowsInsert[T]{insertRow[T](t, ""), insert(t, insertion[T](t, rowsPerInsert))}
}

// insertAll writes rows. On PostgreSQL it waits for each statement of many rows, which bounds the
// deferred data.
func insertAll[T any](ctx context.Context, t *tx, q rowsInsert[T], rows []T) error {
	var args []any
	for ; len(rows) >= rowsPerInsert; rows = rows[rowsPerInsert:] {
		args = args[:0]
		for i := range rowsPerInsert {
			args = q.one.values(args, &rows[i])
		}
		if _, err := t.c.execNow(ctx, q.many, args...); err != nil {
			return err
		}
	}
	for i := range rows {
		if err := put(ctx, t, q.one, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}
