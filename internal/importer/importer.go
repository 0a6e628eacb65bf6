package importer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/files"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Importer imports a source into a store.
type Importer struct {
	Source *Source
	Store  Store
	// Files receives the bytes of uploaded files; nil: they are only checked.
	Files files.Store
	// Keys is what secrets are sealed under.
	Keys *seal.Keyring
	// DryRun says in the report that nothing of this is kept (see [Rehearsal]).
	DryRun bool
	// NoNUL says that the store cannot hold U+0000 in texts (PostgreSQL).
	NoNUL bool
	Now   func() time.Time
	// Progress is called with the progress of the import; nil: no calls.
	Progress func(Progress)

	done, total int64
	fileBytes   int64
	reported    time.Time       // when Progress was last called
	shared      map[string]bool // see sharedPaths; nil: not read yet
}

// Progress is the progress of an import.
type Progress struct {
	Doing       string // a table
	Done, Total int64  // rows
}

// Run imports the source. It returns a report also when orgs were refused; with an error, the
// report covers the rows up to the error.
func (im *Importer) Run(ctx context.Context) (*Report, error) {
	all := newTally()
	report := &Report{Source: im.Source.Kind, Version: im.Source.Version, DryRun: im.DryRun, Orgs: []OrgReport{}}
	err := im.run(ctx, report, all)
	report.FileBytes = im.fileBytes
	report.Skipped, report.Changed = sorted(all.skips), sorted(all.changes)
	for i := range report.Tables {
		t := &report.Tables[i]
		t.Carried, t.Skipped, t.Present, t.Refused = all.carried[t.Table], all.skipped[t.Table], all.present[t.Table], all.refused[t.Table]
	}
	return report, err
}

func (im *Importer) run(ctx context.Context, report *Report, all *tally) error {
	s := im.Source
	for _, t := range tables {
		if s.columns[t.name] == nil {
			continue
		}
		n, err := s.count(ctx, "SELECT count(*) FROM "+t.name)
		if err != nil {
			return err
		}
		im.total += n
		report.Tables = append(report.Tables, TableReport{Table: t.name, Rows: n})
	}
	for _, left := range leftBehind {
		if s.columns[left.name] == nil {
			continue
		}
		n, err := s.count(ctx, "SELECT count(*) FROM "+left.name)
		if err != nil {
			return err
		}
		report.Tables = append(report.Tables, TableReport{Table: left.name, Rows: n})
		if n > 0 {
			all.skipMany(left.name, left.why, n)
		}
	}
	if err := im.orphans(ctx, all); err != nil {
		return err
	}
	var orgs []oldOrg
	err := s.each(ctx, "orgs", "SELECT id, name, status FROM orgs t ORDER BY t.created_at, t.id", nil, func(r *row) error {
		orgs = append(orgs, oldOrg{id: r.text("id"), name: r.text("name"), status: r.text("status")})
		return nil
	})
	if err != nil {
		return err
	}
	for _, org := range orgs {
		got, t, err := im.organisation(ctx, org)
		if err != nil {
			return err
		}
		report.Orgs = append(report.Orgs, got)
		all.add(t)
	}
	if err := im.inviteCodes(ctx, all); err != nil {
		return err
	}
	return im.strayBytes(ctx, all)
}

// orphans reports the rows that belong to no org.
func (im *Importer) orphans(ctx context.Context, all *tally) error {
	for _, t := range tables {
		if t.org == "" || im.Source.columns[t.name] == nil || t.name == "orgs" {
			continue
		}
		id := "id"
		for _, other := range []string{"org_id", "bot_id", "channel_id", "thread_id"} {
			if !im.Source.columns[t.name][id] {
				id = other
			}
		}
		err := im.Source.each(ctx, t.name, t.orphans(im.Source.list(t.name, id)), nil, func(r *row) error {
			all.skip(t.name, r.text(id), notOfOrg)
			im.step(t.name)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step counts a row read.
func (im *Importer) step(table string) { im.steps(table, 1) }

func (im *Importer) steps(table string, n int64) {
	im.done += n
	if im.Progress == nil || n == 1 && im.done%256 != 0 && im.done != im.total {
		return
	}
	if now := im.Now(); im.done == im.total || now.Sub(im.reported) >= 100*time.Millisecond {
		im.reported = now
		im.Progress(Progress{Doing: table, Done: min(im.done, im.total), Total: im.total})
	}
}

type oldOrg struct{ id, name, status string }

// organisation imports one org, or sets the reason why it does not.
func (im *Importer) organisation(ctx context.Context, org oldOrg) (OrgReport, *tally, error) {
	out := OrgReport{ID: org.id, Name: org.name}
	source, counts, err := im.fingerprint(ctx, org.id)
	if err != nil {
		return out, nil, err
	}
	t := newTally()
	leave := func(outcome Outcome, why string) {
		out.Outcome, out.Why = outcome, why
		for table, n := range counts {
			im.steps(table, n)
			switch {
			case n == 0:
			case outcome == Present:
				t.present[table] += n
			case outcome == Refused:
				t.refused[table] += n
			default:
				t.skipMany(table, why, n)
			}
		}
	}
	if org.status == store.OrgDestroyed {
		leave(Skipped, "its organisation was destroyed")
		return out, t, nil
	}
	out.Outcome = Imported
	note := &store.Import{Scope: org.id, Source: source, Detail: "{}"}
	if err := im.decide(ctx, im.Store, org.id, source, &out); errors.Is(err, errLeave) {
		leave(out.Outcome, out.Why)
		return out, t, nil
	} else if err != nil {
		return out, nil, err
	}
	lost, err := im.copyFiles(ctx, org.id)
	if err != nil {
		return out, nil, err
	}
	c := carrier{src: im.Source, keys: im.Keys, org: org.id, noNUL: im.NoNUL, bytes: lost, step: im.step}
	begun := im.done
	err = im.Store.Update(ctx, org.id, func(tx Tx) error {
		im.done = begun
		*t = *newTally()
		out.Outcome = Imported
		if err := im.decide(ctx, tx, org.id, source, &out); err != nil {
			return err
		}
		if out.Outcome == Replaced {
			if err := tx.DeleteOrg(ctx, org.id); err != nil {
				return fmt.Errorf("remove the last import of org %s: %w", org.id, err)
			}
		}
		run := c // a copy, because this function may run again
		run.tally, run.tx = t, tx
		if err := run.all(ctx); err != nil {
			return err
		}
		return im.remember(ctx, tx, note)
	})
	im.done = max(im.done, begun)
	switch {
	case errors.Is(err, errLeave):
		leave(out.Outcome, out.Why)
	case errors.Is(err, store.ErrConflict):
		*t = *newTally()
		im.done = begun
		leave(Refused, refusal(err))
	case err != nil:
		return out, nil, fmt.Errorf("import org %s: %w", org.id, err)
	}
	return out, t, nil
}

// refusal returns the reason why the database refused the rows of an org.
func refusal(err error) string {
	var rule store.Conflict
	errors.As(err, &rule)
	switch rule {
	case store.ConflictReference:
		return fmt.Sprintf("a row of it points at another that is not in the old database (%v): mend the old database", err)
	case store.ConflictOther:
		return fmt.Sprintf("a row of it breaks a rule of the new database (%v): mend the old database", err)
	}
	return fmt.Sprintf("something of it is here already, in another organisation, or twice in the old database (%v): import into an empty database, or mend the old one", err)
}

func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }

// errLeave reports that an org is not imported, for the reason in the report.
var errLeave = errors.New("importer: leave this organisation")

// decide sets the outcome for an org, or returns errLeave if it is not to be imported.
func (im *Importer) decide(ctx context.Context, r reader, org, source string, out *OrgReport) error {
	_, err := r.Org(ctx, org)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for org %s: %w", org, err)
	}
	before, err := r.Import(ctx, org)
	if isMissing(err) {
		out.Outcome, out.Why = Refused, "an organisation with this id is here that no import brought"
		return errLeave
	}
	if err != nil {
		return fmt.Errorf("look for an import of org %s: %w", org, err)
	}
	if before.Source == source {
		out.Outcome = Present
		return errLeave
	}
	top, err := r.LogTop(ctx, org)
	if err != nil {
		return fmt.Errorf("find the end of the log of org %s: %w", org, err)
	}
	last, err := lastAudit(ctx, r, org)
	if err != nil {
		return err
	}
	if top.Seq != before.LastSeq || last > before.LastAudit {
		out.Outcome, out.Why = Refused, "there is news of it in the old database, but since its import it was used here, too, and two histories cannot be merged: destroy it here (DELETE /api/orgs/"+org+"), or import into an empty database"
		return errLeave
	}
	out.Outcome = Replaced
	return nil
}

// lastAudit returns the time and id of the newest audit entry of an org as a text that sorts by
// time, so that entries removed by retention do not count as a change.
func lastAudit(ctx context.Context, r reader, org string) (string, error) {
	newest, err := r.Audit(ctx, store.AuditQuery{OrgID: org, Limit: 1})
	if err != nil {
		return "", fmt.Errorf("read the newest audit entry of org %s: %w", org, err)
	}
	if len(newest) == 0 {
		return "", nil
	}
	return fmt.Sprintf("%020d.%s", newest[0].CreatedAt, newest[0].ID), nil
}

// remember writes the record of the import, with the present end of the log and audit log.
func (im *Importer) remember(ctx context.Context, tx Tx, note *store.Import) error {
	top, err := tx.LogTop(ctx, note.Scope)
	if err != nil {
		return fmt.Errorf("find the end of the log of org %s: %w", note.Scope, err)
	}
	last, err := lastAudit(ctx, tx, note.Scope)
	if err != nil {
		return err
	}
	note.ImportedAt, note.LastSeq, note.LastAudit = im.Now().UnixMilli(), top.Seq, last
	if err := tx.PutImport(ctx, note); err != nil {
		return fmt.Errorf("record the import of org %s: %w", note.Scope, err)
	}
	return nil
}

// fingerprint returns a text that differs when the rows of an org in the old database have
// changed, and the number of its rows by table.
func (im *Importer) fingerprint(ctx context.Context, org string) (string, map[string]int64, error) {
	sum, counts := sha256.New(), map[string]int64{}
	for _, t := range tables {
		if t.org == "" || im.Source.columns[t.name] == nil {
			continue
		}
		q := t.of("count(*) AS rows" + im.Source.highest(t))
		err := im.Source.each(ctx, t.name, q, []any{org}, func(r *row) error {
			counts[t.name] = r.number("rows", 0)
			_, err := fmt.Fprintln(sum, t.name, r.values)
			return err
		})
		if err != nil {
			return "", nil, err
		}
	}
	q := named("orgs").of(im.Source.list("orgs", "name org_secret status join_approval_required"))
	err := im.Source.each(ctx, "orgs", q, []any{org}, func(r *row) error {
		_, err := fmt.Fprintln(sum, r.values)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), counts, err
}
