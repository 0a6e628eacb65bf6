package sqlstore

import (
	"context"
	"reflect"
	"strings"
)

// column is a column of a table, and the field of its row.
type column struct {
	name  string
	field []int // see reflect.Value.FieldByIndex
}

// columnsOf returns the columns of a row, in the order of its fields. Their tags are those of bun.
func columnsOf[T any]() (all []column) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("bun"), ","); name != "" && name != "-" {
			all = append(all, column{name, f.Index})
		}
	}
	return all
}

// columns lists the columns of a row, each with the prefix.
func columns[T any](prefix string) string { return columnList(columnsOf[T](), prefix) }

func columnList(all []column, prefix string) string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = prefix + c.name
	}
	return strings.Join(names, ", ")
}

// rowInsert inserts rows with all their columns.
type rowInsert[T any] struct {
	*statement // of one row
	columns    []column
}

// insertRow declares the insertion of a row; rest follows the values.
func insertRow[T any](t tables, rest string) rowInsert[T] {
	all := columnsOf[T]()
	q := insert(t, insertion(t, all, 1)+rest)
	if all[0].name == "id" {
		q.byID(1)
	}
	return rowInsert[T]{q, all}
}

// insertion returns the insertion of a number of rows.
func insertion(t tables, all []column, rows int) string {
	row := "(?" + strings.Repeat(", ?", len(all)-1) + ")"
	return "INSERT INTO " + t.name() + " (" + columnList(all, "") + ") VALUES " + row + strings.Repeat(", "+row, rows-1)
}

// values appends the arguments for a row.
func (i rowInsert[T]) values(args []any, row *T) []any {
	v := reflect.ValueOf(row).Elem()
	for _, c := range i.columns {
		args = append(args, v.FieldByIndex(c.field).Interface())
	}
	return args
}

// put inserts a row; the statement may be deferred.
func put[T any](ctx context.Context, t *tx, q rowInsert[T], row *T) error {
	return t.c.exec(ctx, q.statement, q.values(make([]any, 0, len(q.columns)), row)...)
}

// putNow inserts a row, and returns its error at once.
func putNow[T any](ctx context.Context, t *tx, q rowInsert[T], row *T) error {
	_, err := t.c.execNow(ctx, q.statement, q.values(make([]any, 0, len(q.columns)), row)...)
	return err
}

// rowsPerInsert is how many rows the second statement of a rowsInsert writes. It stays below the
// arguments that a statement may have (SQLite 32,766, PostgreSQL 65,535) with the widest table.
const rowsPerInsert = 50

// rowsInsert inserts many rows with few statements: with one for rowsPerInsert rows, and one for a
// single row.
type rowsInsert[T any] struct {
	one  rowInsert[T]
	many *family // of one statement, which is long, and used by imports alone
}

func insertRows[T any](t tables) rowsInsert[T] {
	one := insertRow[T](t, "")
	many := func(database, string, bool) string { return insertion(t, one.columns, rowsPerInsert) }
	return rowsInsert[T]{one, &family{kind: inserts, writes: t, query: many}}
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
		if _, err := t.c.execNow(ctx, t.d.kept(q.many, 0), args...); err != nil {
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
