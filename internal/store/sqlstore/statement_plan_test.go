package sqlstore

import (
	"database/sql"
	"strings"
	"testing"
)

// TestIDsAreLookedUp: SQLite finds the rows of a list of ids by the ids. It has no statistics, and
// prefers an index of the org, by which it reads all rows of the org (B2B-LIM-070).
func TestIDsAreLookedUp(t *testing.T) {
	t.Parallel()
	conn := explainedSQLite(t)
	for _, n := range Statements() {
		if line := readsOrg(t, conn, n.s); line != "" {
			t.Errorf("%s looks for ids: %s", n.Name, line)
		}
	}
	byOrg := read(onFiles, "SELECT id FROM files WHERE org_id = ? AND "+anyOf("id"))
	if readsOrg(t, conn, byOrg) == "" {
		t.Error("control: a statement that reads all files of an org is accepted")
	}
}

// TestInboxesAreNotRead: SQLite finds the deliveries of a thread, of a state or with a seq by an index
// of them. Left alone it prefers the primary key and reads the whole inbox of a bot, at each claim and
// each delivery.
func TestInboxesAreNotRead(t *testing.T) {
	t.Parallel()
	conn := explainedSQLite(t)
	reads := func(s *statement) string {
		if (s.reads|s.writes)&onDeliveries == 0 || s.text[forSQLite] == "" {
			return ""
		}
		return planLine(t, conn, s, func(line string) bool { return strings.HasSuffix(line, "PRIMARY KEY (bot_id=?)") })
	}
	for _, n := range Statements() {
		if line := reads(n.s); line != "" {
			t.Errorf("%s reads an inbox: %s", n.Name, line)
		}
	}
	if reads(read(onDeliveries, "SELECT max(due) FROM deliveries WHERE bot_id = ? AND scope_id = ? AND state = 2")) == "" {
		t.Error("control: a statement that reads a whole inbox is accepted")
	}
}

// readsOrg returns the line of the plan by which a statement with a list of ids reads all rows of an
// org, or "".
func readsOrg(t *testing.T, conn *sql.Conn, s *statement) string {
	t.Helper()
	text := s.text[forSQLite]
	if !strings.Contains(text, sqliteText(among)) || strings.Contains(text, sqliteText(anyOf("org_id"))) {
		return ""
	}
	return planLine(t, conn, s, func(line string) bool { return strings.HasSuffix(line, "(org_id=?)") })
}

// planLine returns the last line of the plan of a statement that is as asked for, or "".
func planLine(t *testing.T, conn *sql.Conn, s *statement, is func(line string) bool) string {
	t.Helper()
	text := s.text[forSQLite]
	rows, err := conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
	if err != nil {
		t.Fatalf("explain %s: %v", text, err)
	}
	defer func() { _ = rows.Close() }()
	found := ""
	for rows.Next() {
		var id, parent, unused int
		var line string
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			t.Fatal(err)
		}
		if is(line) {
			found = line
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}
