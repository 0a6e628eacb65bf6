package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/eventtype"
)

// clock is the state of the times of a log. Times do not always grow with seq: the clocks of
// nodes differ, and clocks are set.
//
// A run is a part of the log in which the time of an event is at most skew older than that of an
// earlier one, so that a time can be found in it by binary search. A step back that is longer than
// toleratedSkew begins another run, soon after the step at the latest. The current run is in
// org_logs, earlier ones are in log_runs.
type clock struct {
	runSeq int64 // first seq of the current run; 0: none began
	lastAt int64 // newest time in it
	skew   int64
	ahead  int64 // newest time in earlier runs
}

const (
	// toleratedSkew is a step back that the current run tolerates, in milliseconds.
	toleratedSkew = clockSkew
	// leastRun is how many events a run has at least, so that clocks that differ for long make few
	// runs. A shorter run tolerates every step.
	leastRun = 64
)

// add counts an event. Rows of an import at the beginning of the log are in no run: they have the
// times of the system they are from.
func (k *clock) add(ctx context.Context, c conn, org string, e *indexed) error {
	if k.runSeq == 0 {
		if e.typ != eventtype.ImportedRow {
			k.runSeq, k.lastAt, k.skew = e.seq, e.at, 0
		}
		return nil
	}
	skew := max(k.skew, k.lastAt-e.at)
	if skew > toleratedSkew && e.seq-k.runSeq >= leastRun {
		return k.next(ctx, c, org, e)
	}
	k.skew, k.lastAt = skew, max(k.lastAt, e.at)
	return nil
}

var (
	endRun     = insert(onLogRuns, "INSERT INTO log_runs (org_id, first_seq, last_seq, newest_at, skew) VALUES (?, ?, ?, ?, ?)")
	pruneRuns  = remove(onLogRuns, "DELETE FROM log_runs WHERE org_id = ? AND last_seq < ?")
	newestRun  = read(onLogRuns, "SELECT coalesce(max(newest_at), 0) FROM log_runs WHERE org_id = ?")
	storeAhead = update(onOrgLogs, "UPDATE org_logs SET ahead_at = ? WHERE org_id = ?")
)

// next ends the current run before an event.
func (k *clock) next(ctx context.Context, c conn, org string, e *indexed) error {
	err := c.exec(ctx, endRun, org, k.runSeq, e.seq-1, k.lastAt, k.skew)
	*k = clock{runSeq: e.seq, lastAt: e.at, ahead: max(k.ahead, k.lastAt)}
	return err
}

// pruneRuns deletes the runs before floor.
func (t *tx) pruneRuns(ctx context.Context, floor int64) error {
	k := &t.log.clock
	if k.ahead == 0 {
		return nil
	}
	if err := t.c.exec(ctx, pruneRuns, t.org, floor); err != nil {
		return err
	}
	ahead, err := value[int64](ctx, t.reader, newestRun, t.org)
	if err != nil || ahead == k.ahead {
		return err
	}
	k.ahead = ahead
	return t.c.exec(ctx, storeAhead, ahead, t.org)
}
