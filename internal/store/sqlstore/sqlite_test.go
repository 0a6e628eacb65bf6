package sqlstore_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) *sqlstore.Store {
		return open(t, filepath.Join(t.TempDir(), "data", "b2b ?%.db"))
	})
}

// open opens a store. Its limit for PostgreSQL is one that a busy machine does not reach.
func open(t testing.TB, url string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{URL: url, Answer: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What was committed is there after closing, and after opening again while the first
// store was never closed, as when the process was killed.
func TestReopen(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.EmptyURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := url(t)
			first := open(t, address)
			add(t, first, "one")
			closing(t, first)
			second := open(t, address)
			add(t, second, "two")
			if name == "sqlite" { // which one process opens once: another takes what a power cut leaves
				left := t.TempDir()
				for _, suffix := range []string{"", "-wal"} {
					if out, err := exec.Command("cp", address+suffix, left).CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
				}
				address = filepath.Join(left, filepath.Base(address))
			}
			third := open(t, address)
			for _, id := range []string{"one", "two"} {
				if _, err := third.Org(context.Background(), id); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			closing(t, second)
			closing(t, third)
		})
	}
}

func add(t *testing.T, s *sqlstore.Store, id string) {
	t.Helper()
	ctx := context.Background()
	err := s.Update(ctx, "", func(tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: id, Name: id, Status: store.OrgActive})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func closing(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	newer := filepath.Join(t.TempDir(), "newer.db")
	closing(t, open(t, newer))
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO schema_migrations VALUES (9999, 'future', 0)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		newer:                          "use a newer version of b2b",
		other:                          "not a database",
		"":                             "no database is configured",
		"postgres://%zz":               "address",
		"postgres://127.0.0.1:1/x":     "connect to PostgreSQL",
		filepath.Join(other, "b2b.db"): "data folder",
	} {
		s, err := sqlstore.Open(ctx, sqlstore.Config{URL: url})
		if err == nil {
			closing(t, s)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", url, err, want)
		}
	}
}

// BenchmarkOpen opens an existing database: at most 50 ms.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "b2b.db")
	if err := open(b, path).Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		start := time.Now()
		s := open(b, path)
		if _, err := s.Org(context.Background(), "x"); err == nil {
			b.Fatal("found")
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/open")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
