package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
)

// result holds all rows of one query.
type result struct {
	columns int
	values  []any // of all rows in order: string, int64, bool, []byte or nil
}

func (r *result) rows() int {
	if r.columns == 0 {
		return 0
	}
	return len(r.values) / r.columns
}

// capture reads all rows into a result, and closes them.
func capture(rows *sql.Rows) (_ *result, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	r := &result{columns: len(names)}
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

// cachedRows is a rowSet that reads a result. It takes a tenth of the time of *sql.Rows,
// which supports cancellation and concurrent use.
type cachedRows struct {
	result *result
	next   int // of result.values
}

func (r *cachedRows) Next() bool {
	if r.next >= len(r.result.values) {
		return false
	}
	r.next += r.result.columns
	return true
}

func (r *cachedRows) Scan(dest ...any) error {
	if r.next == 0 || len(dest) != r.result.columns {
		return fmt.Errorf("store: %d columns, scanned into %d", r.result.columns, len(dest))
	}
	row := r.result.values[r.next-r.result.columns : r.next]
	for i, d := range dest {
		if err := assign(d, row[i]); err != nil {
			return fmt.Errorf("store: column %d: %w", i, err)
		}
	}
	return nil
}

func (r *cachedRows) Err() error   { return nil }
func (r *cachedRows) Close() error { return nil }

// assign sets a variable to the value of a column, as Rows.Scan does, for the types of this
// package's rows.
func assign(dest, v any) error {
	switch d := dest.(type) {
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *bool:
		switch v := v.(type) {
		case bool:
			*d = v
			return nil
		case int64:
			if v == 0 || v == 1 {
				*d = v == 1
				return nil
			}
		}
	case **string:
		if v == nil {
			*d = nil
			return nil
		}
		if s, ok := v.(string); ok {
			*d = &s
			return nil
		}
	case **int64:
		if v == nil {
			*d = nil
			return nil
		}
		if n, ok := v.(int64); ok {
			*d = &n
			return nil
		}
	case sql.Scanner:
		return d.Scan(v)
	}
	return assignTo(reflect.ValueOf(dest).Elem(), v)
}

// assignTo is assign by reflection.
func assignTo(to reflect.Value, v any) error {
	if v == nil {
		if to.Kind() != reflect.Pointer && to.Kind() != reflect.Slice {
			return fmt.Errorf("NULL does not fit into %s", to.Type())
		}
		to.SetZero()
		return nil
	}
	switch to.Kind() {
	case reflect.Pointer:
		p := reflect.New(to.Type().Elem())
		to.Set(p)
		return assignTo(p.Elem(), v)
	case reflect.String:
		switch v := v.(type) {
		case string:
			to.SetString(v)
			return nil
		case []byte:
			to.SetString(string(v))
			return nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n, ok := v.(int64); ok && !to.OverflowInt(n) {
			to.SetInt(n)
			return nil
		}
	case reflect.Bool:
		switch v := v.(type) {
		case bool:
			to.SetBool(v)
			return nil
		case int64:
			if v == 0 || v == 1 {
				to.SetBool(v == 1)
				return nil
			}
		}
	case reflect.Slice:
		if b, ok := v.([]byte); ok && to.Type().Elem().Kind() == reflect.Uint8 {
			to.SetBytes(append(make([]byte, 0, len(b)), b...))
			return nil
		}
	default:
	}
	return fmt.Errorf("%T does not fit into %s", v, to.Type())
}
