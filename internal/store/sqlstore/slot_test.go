package sqlstore

import "testing"

// Each table has a place of its own among the measured statements, and none that of a statement
// without a table.
func TestSlots(t *testing.T) {
	t.Parallel()
	if len(tableNames) > slotBegin {
		t.Fatalf("%d tables do not fit before place %d", len(tableNames), slotBegin)
	}
	for q, want := range map[*statement]string{
		begin: "begin", commit: "commit", rollback: "rollback", saveChange: "other", touchThread: "threads", loadLog: "org_logs", selectStreams: "log_streams",
	} {
		if got := slotName(q.slot()); got != want {
			t.Errorf("%s is counted as %s, want %s", q.text[forSQLite], got, want)
		}
	}
}
