package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// TestStatementsOnPostgres lets PostgreSQL prepare each declared statement.
func TestStatementsOnPostgres(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s := open(t, url)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, text := range sqlstore.DeclaredForPostgres(t) {
		q, err := db.PrepareContext(t.Context(), text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := db.PrepareContext(t.Context(), "SELECT none FROM bots"); err == nil {
		t.Error("control: a statement with a column that is not there is prepared")
	}
}
