package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/thread"
)

const (
	day = 24 * time.Hour
	// keepAudit is how long audit entries are kept (B2B-LIFE-004).
	keepAudit = 90 * day
	// upkeepRows is how many rows are looked up together, outside of a change.
	upkeepRows = 500
	// upkeepThreads is the same for threads that are closed, each of which is as much
	// work as threadWork rows.
	upkeepThreads = 50
	threadWork    = 10
	// system is who did what nobody asked for, in events and audit entries.
	system = "system"
)

// Upkeep is what is done in orgs without being asked: threads that nobody uses are
// closed, and what is kept for a number of days goes after them (B2B-LIFE).
type Upkeep struct{ *core }

// NewUpkeep makes the upkeep of the orgs of a store.
func NewUpkeep(d Deps) *Upkeep { return &Upkeep{newCore(d)} }

// Step makes a change of the org when it is time for the next one: one of so many rows
// at most.
type Step = func(ctx context.Context, change func(tx store.Tx, rows int) error) error

// KeepOrg does what the settings of an org ask for, in small changes. It makes each of
// them through step, and stops with its error.
func (u *Upkeep) KeepOrg(ctx context.Context, org string, step Step) error {
	k := &keeping{Upkeep: u, org: org, step: step, now: u.nowMS(), done: detail{}}
	for _, job := range []*keepJob{
		{"messages_deleted", messageDays, 1, k.listed(u.Store.OldChannelMessages),
			func(ctx context.Context, tx store.Tx, ids []string) (int64, error) {
				return tx.DeleteChannelMessages(ctx, ids)
			}},
		{"messages_deleted", messageDays, 1, k.listed(u.Store.OldThreadMessages),
			func(ctx context.Context, tx store.Tx, ids []string) (int64, error) {
				return tx.DeleteThreadMessages(ctx, ids)
			}},
		{"threads_closed", func(s *store.OrgSettings) *int64 { return s.ThreadAutoCloseDays }, threadWork, k.idleThreads, k.close},
		{"artifacts_deleted", func(s *store.OrgSettings) *int64 { return s.ArtifactRetentionDays }, 1, k.listed(u.Store.OldArtifacts),
			func(ctx context.Context, tx store.Tx, ids []string) (int64, error) {
				return tx.DeleteArtifacts(ctx, ids)
			}},
	} {
		if err := k.repeat(ctx, job); err != nil {
			return fmt.Errorf("%s of org %s: %w", job.counter, org, err)
		}
	}
	if err := k.pruneAudit(ctx); err != nil {
		return fmt.Errorf("old audit entries of org %s: %w", org, err)
	}
	return nil
}

func messageDays(s *store.OrgSettings) *int64 { return s.MessageTTLDays }

// keeping is one run of upkeep in one org.
type keeping struct {
	*Upkeep
	org    string
	step   Step
	now    int64             // Unix milliseconds
	done   detail            // what this run did so far
	record *store.AuditEntry // that tells it; nil until there is something to tell
}

// keepJob is one thing that the settings of an org may ask for.
type keepJob struct {
	counter string // of what was done
	days    func(*store.OrgSettings) *int64
	work    int // of one id, in rows
	find    func(ctx context.Context, before int64) (ids []string, err error)
	remove  func(ctx context.Context, tx store.Tx, ids []string) (int64, error)
}

// cutoff is the time that many days ago, or false when the days are off, or more
// than time has.
func (k *keeping) cutoff(days *int64) (int64, bool) {
	if days == nil || *days > k.now/day.Milliseconds() {
		return 0, false
	}
	return k.now - *days*day.Milliseconds(), true
}

// listed finds up to one change's worth of rows of this org.
func (k *keeping) listed(find func(ctx context.Context, org string, before int64, limit int) ([]string, error)) func(context.Context, int64) ([]string, error) {
	return func(ctx context.Context, before int64) ([]string, error) { return find(ctx, k.org, before, upkeepRows) }
}

// repeat finds and removes until there is nothing to find. Finding is outside of the
// changes, which look again at what may have become otherwise: the setting, and
// through the store the state of a thread.
func (k *keeping) repeat(ctx context.Context, job *keepJob) error {
	for {
		settings, err := k.Store.OrgSettings(ctx, k.org)
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
			n, rest, err := k.some(ctx, job, before, ids)
			if err != nil {
				return err
			}
			ids, found = rest, found || n > 0
		}
		if !found {
			return nil // or it has changed: the next run looks again
		}
	}
}

// some removes the first of the ids in one change, and gives the rest of them: none
// when the setting has changed.
func (k *keeping) some(ctx context.Context, job *keepJob, before int64, ids []string) (n int64, rest []string, err error) {
	var record *store.AuditEntry
	err = k.step(ctx, func(tx store.Tx, rows int) error {
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
		record, err = k.tell(ctx, tx, job.counter, n)
		return err
	})
	if err == nil && n > 0 {
		k.record = record
		k.count(k.done, job.counter, n)
	}
	return n, rest, err
}

func (k *keeping) count(d detail, counter string, n int64) {
	was, _ := d[counter].(int64)
	d[counter] = was + n
}

// tell writes what this run has done in one audit entry, which grows with it.
func (k *keeping) tell(ctx context.Context, tx store.Tx, counter string, n int64) (*store.AuditEntry, error) {
	done := detail{}
	for name, n := range k.done {
		done[name] = n
	}
	k.count(done, counter, n)
	text, err := auditText(done)
	if err != nil {
		return nil, fmt.Errorf("write what was done: %w", err)
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

func (k *keeping) idleThreads(ctx context.Context, before int64) ([]string, error) {
	idle, err := k.Store.IdleThreads(ctx, k.org, before, upkeepThreads)
	ids := make([]string, len(idle))
	for i := range idle {
		ids[i] = idle[i].ID
	}
	return ids, err
}

// close closes threads that are still open and idle, and tells so as if somebody had
// done it.
func (k *keeping) close(ctx context.Context, tx store.Tx, ids []string) (closed int64, err error) {
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

func (k *keeping) closeThread(ctx context.Context, tx store.Tx, t *store.Thread) error {
	w := &threadWrite{before: *t, after: *t}
	w.Status = thread.Closed
	reason := string(thread.Timeout)
	w.after.Status, w.after.CloseReason, w.after.Revision = string(thread.Closed), &reason, t.Revision+1
	w.after.UpdatedAt, w.after.LastActivityAt = k.now, k.now
	if err := tx.UpdateThread(ctx, &w.after, t.Revision); err != nil {
		return err
	}
	told := detail{"from": t.Status, "to": w.after.Status, "close_reason": reason, "by": system}
	if err := k.audit(ctx, tx, k.org, nil, "thread.status_changed", "thread", t.ID, told); err != nil {
		return err
	}
	if err := k.tellStatus(ctx, tx, w, system); err != nil {
		return err
	}
	return k.tellUpdated(ctx, tx, threadOut(&w.after), w.Changes(settingsOf(&w.before), settingsOf(&w.after)))
}

func (k *keeping) pruneAudit(ctx context.Context) error {
	before := k.now - keepAudit.Milliseconds()
	for {
		if old, err := k.Store.OldAudit(ctx, k.org, before); err != nil || !old {
			return err
		}
		err := k.step(ctx, func(tx store.Tx, rows int) error {
			_, err := tx.PruneAudit(ctx, k.org, before, rows)
			return err
		})
		if err != nil {
			return err
		}
	}
}
