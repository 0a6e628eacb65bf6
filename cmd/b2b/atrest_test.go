package main

import (
	"database/sql"
	endian "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // reads beside the server
)

// checkDatabase looks in the stored data for the secrets that passed through the relay: in the
// files of SQLite or the rows of PostgreSQL (B2B-AUTH-072, B2B-AUTH-074). database is its setting;
// empty: SQLite.
func (r *relay) checkDatabase(data string, database []string) {
	r.t.Helper()
	var kept map[string][]byte
	if len(database) == 0 {
		kept = r.sqliteFiles(data)
	} else {
		address, _ := strings.CutPrefix(database[0], "B2B_DATABASE_URL=")
		kept = r.postgresRows(address)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	secrets, urls := map[string]string{}, 0
	for secret, where := range r.secret {
		if !strings.HasSuffix(where, "/send") && !strings.HasSuffix(where, "/messages") { // those are texts
			secrets[secret] = where
		}
		if where == webhookURL {
			urls++
		}
	}
	size := 0
	for name, all := range kept {
		size += len(all)
		for secret := range within(all, secrets) {
			r.t.Errorf("%s has what passed in %s", name, secrets[secret])
		}
	}
	if size == 0 || urls == 0 {
		r.t.Errorf("%d bytes of database were searched, for %d addresses of webhooks", size, urls)
	}
	r.t.Logf("%d bytes of database have none of %d secrets, %d of them in addresses of webhooks", size, len(secrets), urls)
}

// sqliteFiles reads the files of an SQLite database, by name.
func (r *relay) sqliteFiles(data string) map[string][]byte {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(data, "b2b.db*"))
	if err != nil {
		r.t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			r.t.Fatal(err)
		}
	}
	return files
}

// postgresRows reads every table of a PostgreSQL database, by name.
func (r *relay) postgresRows(address string) map[string][]byte {
	r.t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	tables := map[string][]byte{}
	r.eachRow(db, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()", func(row []any) {
		tables[fmt.Sprint(row[0])] = nil
	})
	for table := range tables {
		r.eachRow(db, `SELECT * FROM "`+table+`"`, func(row []any) {
			for _, value := range row {
				tables[table] = fmt.Appendf(tables[table], "%s\n", value)
			}
		})
	}
	return tables
}

func (r *relay) eachRow(db *sql.DB, query string, fn func(row []any)) {
	r.t.Helper()
	rows, err := db.QueryContext(r.t.Context(), query)
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		r.t.Fatal(err)
	}
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			r.t.Fatal(err)
		}
		fn(row)
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
}

// within returns which of many texts of at least 8 bytes occur, in one pass. It reads hundreds of
// megabytes that no other goroutine writes, so the race detector, which would make that ten times
// as slow, leaves it out.
//
//go:norace
func within[V any](all []byte, texts map[string]V) map[string]struct{} {
	heads := map[uint64][]string{}
	possible := make([]bool, 1<<20) // by a hash of the first 8 bytes, since a look-up in the map takes longer
	hash := func(head uint64) uint64 { return head * 0x9e3779b97f4a7c15 >> 44 }
	for text := range texts {
		head := endian.LittleEndian.Uint64([]byte(text))
		heads[head] = append(heads[head], text)
		possible[hash(head)] = true
	}
	found := map[string]struct{}{}
	for i := 0; i+8 <= len(all); i++ {
		head := endian.LittleEndian.Uint64(all[i:])
		if !possible[hash(head)] {
			continue
		}
		for _, text := range heads[head] {
			if len(all)-i >= len(text) && string(all[i:i+len(text)]) == text {
				found[text] = struct{}{}
			}
		}
	}
	return found
}

func TestWithin(t *testing.T) {
	t.Parallel()
	texts := map[string]int{"12345678": 0, "12345678x": 0, "87654321": 0, "the very end": 0}
	got := within([]byte("…12345678 and 1234567, 8765432 and the very end"), texts)
	if _, ok := got["12345678"]; !ok || len(got) != 2 {
		t.Errorf("found %v", got)
	}
}
