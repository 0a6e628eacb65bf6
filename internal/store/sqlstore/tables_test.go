package sqlstore

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Statements name tables of this list alone: the rows of one that is missing would be cached for
// ever.
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
	want := slices.DeleteFunc(slices.Sorted(slices.Values(tableNames)), func(name string) bool { return name == activityName })
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
	for name, table := range map[string]tables{
		"orgs": onOrgs, "threads": onThreadRows, activityName: onActivity, "audit_log": onAuditLog, "rate_slots": onRateSlots, "artifact_days": onArtifactDays,
	} {
		if i := slices.Index(tableNames, name); table != 1<<i {
			t.Errorf("%s is table %b, in the list at %d", name, table, i)
		}
	}
}

const activityName = "(activity of threads)"

// The columns that statements name are those that bun scans.
func TestColumnsAreThoseOfBun(t *testing.T) {
	t.Parallel()
	compareColumns[store.Artifact](t)
	compareColumns[store.Bot](t)
	compareColumns[store.OrgSummary](t)
	compareColumns[store.JoinRequestRow](t)
	compareColumns[store.WebhookDelivery](t)
	compareColumns[store.PushConfig](t)
	compareColumns[importChannel](t)
}

func compareColumns[T any](t *testing.T) {
	t.Helper()
	var want []string
	for _, f := range sqlitedialect.New().Tables().Get(reflect.TypeFor[T]()).Fields {
		want = append(want, f.Name)
	}
	if got := columns[T](""); got != strings.Join(want, ", ") {
		t.Errorf("the columns of %v are %s, and bun has %v", reflect.TypeFor[T](), got, want)
	}
}
