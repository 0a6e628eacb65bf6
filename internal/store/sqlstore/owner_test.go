package sqlstore_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// others are tables of other programs, and why a database with them is refused; empty: it is
// not.
var others = []struct{ name, tables, sqlite, postgres string }{
	{"HXA-Connect", "CREATE TABLE orgs (id TEXT); CREATE TABLE bots (id TEXT)", "b2b import --from ", "b2b import --from "},
	{"HXA-Connect with migrations of another program", "CREATE TABLE schema_migrations (version BIGINT); CREATE TABLE orgs (id TEXT); CREATE TABLE bots (id TEXT)", "b2b import --from ", "b2b import --from "},
	{"another program", "CREATE TABLE invoices (id TEXT)", "database of another program", ""},
	{"another program with migrations", "CREATE TABLE schema_migrations (version BIGINT, dirty BOOLEAN); INSERT INTO schema_migrations VALUES (7, false)", "database of another program", "the table schema_migrations is another program's"},
	{"nobody", "CREATE TABLE gone (id TEXT); DROP TABLE gone", "", ""},
}

// B2B-ENV-053: a file of HXA-Connect or of another program is refused, and left as it was.
func TestSQLiteOfOthers(t *testing.T) {
	t.Parallel()
	for _, test := range others {
		path := filepath.Join(t.TempDir(), "b2b.db")
		fill(t, "sqlite", path, test.tables)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		opens(t, test.name, path, test.sqlite)
		if test.sqlite == "" {
			continue
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed (%v)", test.name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: the file has mode %v (%v)", test.name, info.Mode(), err)
		}
		if _, err := os.Stat(path + "-wal"); err == nil {
			t.Errorf("%s: a log was made", test.name)
		}
	}
}

// B2B-ENV-053: in PostgreSQL other programs may be there, but HXA-Connect is refused.
func TestPostgresOfOthers(t *testing.T) {
	t.Parallel()
	for _, test := range others {
		url := pgtest.EmptyURL(t)
		fill(t, "pgx", url, test.tables)
		opens(t, test.name, url, test.postgres)
	}
}

func fill(t *testing.T, driver, url, script string) {
	t.Helper()
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	for q := range strings.SplitSeq(script, ";") {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// opens opens a database twice, which must be refused for a reason, or not.
func opens(t *testing.T, name, url, refused string) {
	t.Helper()
	for range 2 {
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url})
		if err == nil {
			closing(t, s)
		}
		if (err != nil) != (refused != "") || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("%s: %v, want %q", name, err, refused)
		}
		if err != nil && strings.Contains(refused, "--from") && !strings.HasPrefix(url, "postgres") && !strings.Contains(err.Error(), refused+url) {
			t.Errorf("%s: %v does not name %s", name, err, url)
		}
	}
}
