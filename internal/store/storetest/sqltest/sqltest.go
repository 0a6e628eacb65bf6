// Package sqltest opens databases for tests.
package sqltest

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
)

// answer is how long a database may need to respond: on a busy machine nothing comes near it.
const answer = time.Minute

// Open opens a database that is closed with the test, unless the test has closed it.
func Open(t testing.TB, url string) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url, Answer: answer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	return st
}

// open opens a database beside a store.
func open(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if sqlstore.IsPostgres(url) {
		driver = "pgx"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closeDB(t testing.TB, db *sql.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// Execute runs statements on a database that no store has open.
func Execute(t testing.TB, url string, statements ...string) {
	t.Helper()
	db := open(t, url)
	defer closeDB(t, db)
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// SQLite opens a fresh SQLite database, as Open does.
func SQLite(t testing.TB) *sqlstore.Store {
	t.Helper()
	return Open(t, filepath.Join(t.TempDir(), "b2b.db"))
}
