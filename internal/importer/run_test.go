package importer_test

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/importer"
)

// Every row of every sample is accounted for, into both databases.
// It proves B2B-IMP-007.
func TestEveryRowIsAccountedFor(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		for _, to := range targets(t) {
			t.Run(s.name+" into "+to.name, func(t *testing.T) {
				checkReport(t, s, importInto(t, s.from, s.dir, to))
			})
		}
	}
}

func checkReport(t *testing.T, s *sample, r *importer.Report) {
	t.Helper()
	seen := map[string]bool{}
	for _, table := range r.Tables {
		seen[table.Table] = true
		want := s.expected.Tables[table.Table]
		if table.Rows != want.Rows {
			t.Errorf("%s: %d rows, want %d", table.Table, table.Rows, want.Rows)
		}
		carried := table.Rows
		switch {
		case table.Table == "catchup_events":
			carried = s.expected.Catchup.Living
		case want.Import != "carry":
			carried = 0
		}
		if table.Carried != carried || table.Skipped != table.Rows-carried || table.Present != 0 || table.Refused != 0 {
			t.Errorf("%s: %+v, want %d carried", table.Table, table, carried)
		}
	}
	for name := range s.expected.Tables {
		if !seen[name] {
			t.Errorf("the report says nothing of %s", name)
		}
	}
	if r.Failed() || len(r.Orgs) != len(s.expected.Orgs) {
		t.Errorf("organisations: %+v", r.Orgs)
	}
}
