package sqlstore_test

import (
	"database/sql"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// TestPageOfPostgres: with the SQL of the page for operators a server starts.
func TestPageOfPostgres(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/operate/postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	admin := pgtest.EmptyURL(t)
	db, err := sql.Open("pgx", admin)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var shared string
	if err := db.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&shared); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks of SQL", len(blocks))
	}
	own := shared + "_page"
	names := strings.NewReplacer("ROLE b2b", "ROLE "+own, "DATABASE b2b", "DATABASE "+own, "OWNER b2b", "OWNER "+own,
		"AUTHORIZATION b2b", "AUTHORIZATION "+own, "TO b2b", "TO "+own, "DATABASE shared", "DATABASE "+shared)
	do := func(q string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
	for _, block := range blocks {
		for q := range strings.SplitSeq(strings.TrimSpace(names.Replace(block[1])), ";\n") {
			do(q)
		}
	}
	for _, database := range []string{own, shared} {
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: as(admin, own, database)})
		if err != nil {
			t.Errorf("a server with the role of the page does not start on %s: %v", database, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	var schemas []string
	rows, err := db.QueryContext(t.Context(), "SELECT table_schema FROM information_schema.tables WHERE table_name = 'orgs'")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var schema string
		if err := rows.Scan(&schema); err != nil {
			t.Fatal(err)
		}
		schemas = append(schemas, schema)
	}
	if err := rows.Close(); err != nil || !slices.Equal(schemas, []string{"b2b"}) {
		t.Errorf("the tables of a server with a schema of its own are in %v (%v)", schemas, err)
	}
	do("DROP DATABASE " + own)
	do("DROP OWNED BY " + own)
	do("DROP ROLE " + own)
}

// as names another role and database in the address of a server.
func as(address, role, database string) string {
	address = regexp.MustCompile(`//[^/@]*@`).ReplaceAllString(address, "//"+role+"@")
	return regexp.MustCompile(`^(postgres(?:ql)?://[^/]*/)[^?]*`).ReplaceAllString(address, "${1}"+database)
}
