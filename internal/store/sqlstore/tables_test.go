package sqlstore

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
)

// The cache of the PostgreSQL writer knows a write by the names of the tables in it:
// a table it does not know would be kept for ever.
func TestTableNamesAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := openSQLite(ctx, Config{URL: filepath.Join(t.TempDir(), "b2b.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	want := slices.DeleteFunc(slices.Sorted(slices.Values(tableNames)), func(name string) bool { return name == tableNames[tableActivity] })
	rows, err := s.pool.db.QueryContext(ctx,
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations' ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("tables:\ngot  %v\nwant %v", got, want)
	}
	if tableNames[tableThreads] != "threads" || tableNames[tableActivity] != "(activity of threads)" {
		t.Error("tableThreads or tableActivity is not the place of its name")
	}
	if tableNames[tableAudit] != "audit_log" || tableNames[tableRates] != "rate_slots" {
		t.Error("tableAudit or tableRates is not the place of its name")
	}
	for _, name := range []string{"orgs", "org_settings", "bots", "channels", "channel_members", "threads", "thread_participants"} {
		if tablesCached&(1<<slices.Index(tableNames, name)) == 0 {
			t.Errorf("%s is not cached", name)
		}
	}
}
