package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
)

const (
	day = 24 * time.Hour
	// auditRetention is how long audit entries are kept (B2B-LIFE-004).
	auditRetention = 90 * day
	// retentionRows is how many rows are found with one query, outside of a change.
	retentionRows = 500
	// retentionThreads is retentionRows for threads to close. Closing one counts as threadWork
	// rows.
	retentionThreads = 50
	threadWork       = 10
	// system is the actor of retention in events and audit entries.
	system = "system"
)

// Retention applies the retention settings of orgs: it closes idle threads, and deletes messages,
// artifacts and audit entries after their number of days (B2B-LIFE).
type Retention struct {
	*core
	reads retentionReads
}

// retentionReads is what Retention reads of the store.
type retentionReads interface {
	settingsReader
	IdleThreads(ctx context.Context, org string, before int64, limit int) ([]store.Thread, error)
	OldChannelMessages(ctx context.Context, org string, before int64, limit int) ([]string, error)
	OldThreadMessages(ctx context.Context, org string, before int64, limit int) ([]string, error)
	OldArtifacts(ctx context.Context, org string, before int64, limit int) ([]string, error)
	OldDecisions(ctx context.Context, org string, before int64, limit int) ([]string, error)
	OldAudit(ctx context.Context, org string, before int64) (bool, error)
}

// retentionTx is what its changes need.
type retentionTx interface {
	closingTx
	settingsReader
	SetAuditDetail(ctx context.Context, e *store.AuditEntry) error
	DeleteChannelMessages(ctx context.Context, ids []string) (int64, error)
	DeleteThreadMessages(ctx context.Context, ids []string) (int64, error)
	DeleteArtifacts(ctx context.Context, ids []string) (int64, error)
	DeleteDecisions(ctx context.Context, ids []string) (int64, error)
	PruneAudit(ctx context.Context, org string, before int64, limit int) (int64, error)
}

// NewRetention returns the retention of the orgs of a store.
func NewRetention(d Deps) *Retention { return &Retention{newCore(d), d.Store} }

// Step calls change when it is time for the next one (package retention). change makes one change
// of the org that writes at most rows rows, and calls begun when its transaction begins.
type Step = func(ctx context.Context, change func(rows int, begun func()) error) error

// KeepOrg applies the settings of an org in small changes. It makes each change through step, and
// returns the first error of step.
func (u *Retention) KeepOrg(ctx context.Context, org string, step Step) error {
	k := &retentionRun{Retention: u, org: org, step: step, now: u.nowMS(), done: detail{}}
	for _, job := range []*retentionJob{
		{"messages_deleted", messageDays, 1, k.listed(u.reads.OldChannelMessages),
			func(ctx context.Context, tx retentionTx, ids []string) (int64, error) {
				return tx.DeleteChannelMessages(ctx, ids)
			}},
		{"messages_deleted", messageDays, 1, k.listed(u.reads.OldThreadMessages),
			func(ctx context.Context, tx retentionTx, ids []string) (int64, error) {
				return tx.DeleteThreadMessages(ctx, ids)
			}},
		{"decisions_deleted", messageDays, 1, k.listed(u.reads.OldDecisions),
			func(ctx context.Context, tx retentionTx, ids []string) (int64, error) {
				return tx.DeleteDecisions(ctx, ids)
			}},
		{"threads_closed", func(s *store.OrgSettings) *int64 { return s.ThreadAutoCloseDays }, threadWork, k.idleThreads, k.close},
		{"artifacts_deleted", func(s *store.OrgSettings) *int64 { return s.ArtifactRetentionDays }, 1, k.listed(u.reads.OldArtifacts),
			func(ctx context.Context, tx retentionTx, ids []string) (int64, error) {
				return tx.DeleteArtifacts(ctx, ids)
			}},
	} {
		if err := k.runJob(ctx, job); err != nil {
			return fmt.Errorf("%s of org %s: %w", job.counter, org, err)
		}
	}
	if err := k.pruneAudit(ctx); err != nil {
		return fmt.Errorf("old audit entries of org %s: %w", org, err)
	}
	if k.done["messages_deleted"] == nil && k.done["artifacts_deleted"] == nil {
		return nil
	}
	err := k.change(ctx, func(tx retentionTx, _ int) error { return u.removed(ctx, tx) })
	if err != nil {
		return fmt.Errorf("report what was removed of org %s: %w", org, err)
	}
	return nil
}

func messageDays(s *store.OrgSettings) *int64 { return s.MessageTTLDays }

// retentionRun is one run in one org.
type retentionRun struct {
	*Retention
	org    string
	step   Step
	now    int64             // Unix milliseconds
	done   detail            // the counters of this run so far
	record *store.AuditEntry // the audit entry of this run; nil until it changed something
}

// change makes a change of the org when it is time for the next one.
func (k *retentionRun) change(ctx context.Context, fn func(tx retentionTx, rows int) error) error {
	return k.step(ctx, func(rows int, begun func()) error {
		return update(ctx, k.core, k.org, func(tx retentionTx) error {
			begun()
			return fn(tx, rows)
		})
	})
}

// retentionJob is one kind of rows that the settings of an org limit.
type retentionJob struct {
	counter string // the key of the number of rows in the audit entry
	days    func(*store.OrgSettings) *int64
	work    int // the rows that one id counts as
	find    func(ctx context.Context, before int64) (ids []string, err error)
	remove  func(ctx context.Context, tx retentionTx, ids []string) (int64, error)
}

// cutoff returns the time days ago, and false when the setting is off or the time is before 1970.
func (k *retentionRun) cutoff(days *int64) (int64, bool) {
	if days == nil || *days > k.now/day.Milliseconds() {
		return 0, false
	}
	return k.now - *days*day.Milliseconds(), true
}

// listed returns a function that finds up to retentionRows rows of this org.
func (k *retentionRun) listed(find func(ctx context.Context, org string, before int64, limit int) ([]string, error)) func(context.Context, int64) ([]string, error) {
	return func(ctx context.Context, before int64) ([]string, error) {
		return find(ctx, k.org, before, retentionRows)
	}
}

// runJob finds and removes rows until it finds none. It finds them outside of transactions. Each
// change checks again what may have changed meanwhile: the setting, and in the store the state of a
// thread.
func (k *retentionRun) runJob(ctx context.Context, job *retentionJob) error {
	for {
		settings, err := k.reads.OrgSettings(ctx, k.org)
		if err != nil {
			return err
		}
		before, on := k.cutoff(job.days(settings))
		if !on {
			return nil
		}
		ids, err := job.find(ctx, before)
		if err != nil {
			return err
		}
		found := false
		for len(ids) > 0 {
			n, rest, err := k.removeSome(ctx, job, before, ids)
			if err != nil {
				return err
			}
			ids, found = rest, found || n > 0
		}
		if !found {
			return nil // rows that changed meanwhile are left to the next run
		}
	}
}

// removeSome removes the first of the ids in one change, and returns the remaining ones; none when
// the setting has changed.
func (k *retentionRun) removeSome(ctx context.Context, job *retentionJob, before int64, ids []string) (n int64, rest []string, err error) {
	var record *store.AuditEntry
	err = k.change(ctx, func(tx retentionTx, rows int) error {
		n, rest, record = 0, nil, nil
		settings, err := tx.OrgSettings(ctx, k.org)
		if err != nil {
			return err
		}
		if still, on := k.cutoff(job.days(settings)); !on || still < before {
			return nil
		}
		first := min(max(rows/job.work, 1), len(ids))
		rest = ids[first:]
		if n, err = job.remove(ctx, tx, ids[:first]); err != nil || n == 0 {
			return err
		}
		record, err = k.recordRun(ctx, tx, job.counter, n)
		return err
	})
	if err == nil && n > 0 {
		k.record = record
		k.count(k.done, job.counter, n)
	}
	return n, rest, err
}

func (k *retentionRun) count(d detail, counter string, n int64) {
	was, _ := d[counter].(int64)
	d[counter] = was + n
}

// recordRun writes the counters of this run to its audit entry. The first change of a run inserts
// the entry, later ones update it.
func (k *retentionRun) recordRun(ctx context.Context, tx retentionTx, counter string, n int64) (*store.AuditEntry, error) {
	done := detail{}
	for name, n := range k.done {
		done[name] = n
	}
	k.count(done, counter, n)
	text, err := auditText(done)
	if err != nil {
		return nil, fmt.Errorf("marshal the counters of a retention run: %w", err)
	}
	if k.record != nil {
		e := *k.record
		e.Detail = &text
		return &e, tx.SetAuditDetail(ctx, &e)
	}
	e := &store.AuditEntry{
		ID: newID(), OrgID: k.org, Action: "lifecycle.cleanup", TargetType: "org", TargetID: k.org, Detail: &text, CreatedAt: k.now,
	}
	return e, tx.InsertAudit(ctx, e)
}

func (k *retentionRun) idleThreads(ctx context.Context, before int64) ([]string, error) {
	idle, err := k.reads.IdleThreads(ctx, k.org, before, retentionThreads)
	ids := make([]string, len(idle))
	for i := range idle {
		ids[i] = idle[i].ID
	}
	return ids, err
}

// close closes threads that are still live and idle, with the same events and audit entries as a
// change by a participant.
func (k *retentionRun) close(ctx context.Context, tx retentionTx, ids []string) (closed int64, err error) {
	settings, err := tx.OrgSettings(ctx, k.org)
	if err != nil {
		return 0, err
	}
	before, _ := k.cutoff(settings.ThreadAutoCloseDays)
	for _, id := range ids {
		t, err := tx.Thread(ctx, k.org, id)
		if err != nil {
			return 0, err
		}
		if thread.Status(t.Status).Terminal() || t.LastActivityAt >= before {
			continue
		}
		if err := k.closeThread(ctx, tx, t); err != nil {
			return 0, fmt.Errorf("close thread %s: %w", id, err)
		}
		closed++
	}
	return closed, nil
}

func (k *retentionRun) closeThread(ctx context.Context, tx retentionTx, t *store.Thread) error {
	w := &threadWrite{before: *t, after: *t}
	w.Status = thread.Closed
	reason := string(thread.Timeout)
	w.after.Status, w.after.CloseReason = string(thread.Closed), &reason
	w.after.UpdatedAt, w.after.LastActivityAt = k.now, k.now
	if err := k.writeStatus(ctx, tx, w, system, detail{"close_reason": reason}); err != nil {
		return err
	}
	return k.withdrawOfEnded(ctx, tx, w, "")
}

func (k *retentionRun) pruneAudit(ctx context.Context) error {
	before := k.now - auditRetention.Milliseconds()
	for {
		if old, err := k.reads.OldAudit(ctx, k.org, before); err != nil || !old {
			return err
		}
		err := k.change(ctx, func(tx retentionTx, rows int) error {
			_, err := tx.PruneAudit(ctx, k.org, before, rows)
			return err
		})
		if err != nil {
			return err
		}
	}
}
