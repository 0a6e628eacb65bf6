package sqlstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageOfIntegrity: the page for operators names the tables that SQLite 3.40 reports in
// error: those without a row id that store their columns in another order than declared.
func TestPageOfIntegrity(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/operate/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSQLite(t.Context(), Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	rows, err := s.pool.db.QueryContext(t.Context(), `SELECT l.name FROM pragma_table_list l WHERE l.wr AND EXISTS (
		SELECT 1 FROM pragma_table_info(l.name) key JOIN pragma_table_info(l.name) other ON other.cid < key.cid AND other.pk = 0 AND other."notnull"
		WHERE key.pk > 0) ORDER BY l.name`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 || !strings.Contains(string(page), "("+strings.Join(names, "|")+")") {
		t.Errorf("docs/operate/backup.md does not name %v", names)
	}
}
