package sqlstore

import (
	"database/sql"
	"fmt"
	"reflect"
	"testing"
)

type named string

// cachedRows scans values as database/sql does, for every type of variable that rows use, or
// returns an error.
func TestCachedRows(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	read := 0
	for _, value := range []string{"'text'", "''", "7", "-1", "0", "1", "9223372036854775807", "x'0102'", "NULL", "'5'"} {
		query := "SELECT " + value + ", 'behind' UNION ALL SELECT " + value + ", 'next'"
		for _, dest := range []func() any{
			func() any { return new(string) }, func() any { return new(named) }, func() any { return new(int64) }, func() any { return new(int32) },
			func() any { return new(bool) }, func() any { return new([]byte) }, func() any { return new(*string) }, func() any { return new(*named) },
			func() any { return new(*int64) }, func() any { return new(*bool) }, func() any { return new(nullText) },
		} {
			kept, err := db.Query(query)
			if err != nil {
				t.Fatal(err)
			}
			res, err := capture(kept)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := db.Query(query)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := scanned(rows, dest)
			got, gotErr := scanned(&cachedRows{result: res}, dest)
			name := fmt.Sprintf("%s into %T", value, dest())
			switch {
			case gotErr != nil && wantErr == nil && !odd(value, dest()):
				t.Errorf("%s: %v", name, gotErr)
			case gotErr == nil && wantErr != nil:
				t.Errorf("%s: %v, where database/sql says %v", name, got, wantErr)
			case gotErr == nil && !reflect.DeepEqual(got, want):
				t.Errorf("%s: %v, not %v", name, got, want)
			case gotErr == nil:
				read++
			}
		}
	}
	if read < 40 {
		t.Errorf("only %d of the combinations could be read", read)
	}
}

// odd reports conversions that database/sql makes and cachedRows refuses, as no row needs them.
func odd(value string, dest any) bool {
	kind := reflect.TypeOf(dest).Elem()
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	quoted := value[0] == '\'' || value[0] == 'x'
	switch kind.Kind() {
	case reflect.String, reflect.Slice:
		return !quoted || kind.Kind() == reflect.Slice && value[0] == '\''
	default:
		return quoted
	}
}

// nullText is read with text.
type nullText struct{ s *string }

func scanned(rows rowSet, dest func() any) (all []any, err error) {
	defer rows.Close()
	for rows.Next() {
		d, behind := dest(), ""
		into := d
		if n, ok := d.(*nullText); ok {
			into = text{&n.s}
		}
		if err := rows.Scan(into, &behind); err != nil {
			return nil, err
		}
		all = append(all, reflect.ValueOf(d).Elem().Interface(), behind)
	}
	return all, rows.Err()
}

func TestCachedRowsRefuse(t *testing.T) {
	t.Parallel()
	rows := &cachedRows{result: &result{columns: 1, values: []any{"x"}}}
	var s, more string
	if err := rows.Scan(&s); err == nil {
		t.Error("a row is read before the first")
	}
	if !rows.Next() || rows.Scan(&s, &more) == nil {
		t.Error("one column is read as two")
	}
	if err := rows.Scan(&s); err != nil || s != "x" || rows.Next() {
		t.Errorf("control: %q, %v", s, err)
	}
}
