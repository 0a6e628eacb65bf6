package importer

import (
	"cmp"
	"slices"
)

// Report is the result of an import. It has ids but no secrets.
type Report struct {
	Source  string `json:"source"`  // SQLite or PostgreSQL
	Version string `json:"version"` // that wrote it last
	DryRun  bool   `json:"dry_run"`
	// FileBytes is how much of uploaded files was copied, or would be.
	FileBytes int64         `json:"file_bytes"`
	Tables    []TableReport `json:"tables"`
	Orgs      []OrgReport   `json:"orgs"`
	Skipped   []Note        `json:"skipped"` // rows that were not carried
	Changed   []Note        `json:"changed"` // rows that were carried with a change
}

// TableReport counts the rows of one table of the old database:
// Rows = Carried + Skipped + Present + Refused.
type TableReport struct {
	Table   string `json:"table"`
	Rows    int64  `json:"rows"`
	Carried int64  `json:"carried"`
	Skipped int64  `json:"skipped"` // for the reasons in Report.Skipped
	Present int64  `json:"present"` // imported by an earlier run
	Refused int64  `json:"refused"` // of organisations that were refused
}

// Outcome is the result for an org.
type Outcome string

// The outcomes. In a dry run they are what would become of it in that target.
const (
	Imported Outcome = "imported"
	Replaced Outcome = "replaced" // imported again: unchanged on this server since the last import
	Present  Outcome = "present"  // imported before, and unchanged in the old database
	Refused  Outcome = "refused"
	Skipped  Outcome = "skipped"
)

// OrgReport is the result for one org.
type OrgReport struct {
	ID      string  `json:"id"`
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // when refused or skipped
}

// Note is one thing that happened to rows of one table.
type Note struct {
	Table string   `json:"table"`
	Why   string   `json:"why"`
	Rows  int64    `json:"rows"`
	IDs   []string `json:"ids,omitempty"` // the first of them; none where the id is a credential
}

// mostIDs bounds the number of ids of a note.
const mostIDs = 100

// Failed reports whether an org was refused.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Orgs, func(o OrgReport) bool { return o.Outcome == Refused })
}

// tally collects what happens, of one org or of all.
type tally struct {
	carried, skipped, present, refused map[string]int64
	skips, changes                     map[[2]string]*Note
}

func newTally() *tally {
	return &tally{
		carried: map[string]int64{}, skipped: map[string]int64{}, present: map[string]int64{}, refused: map[string]int64{},
		skips: map[[2]string]*Note{}, changes: map[[2]string]*Note{},
	}
}

func (t *tally) skip(table, id, why string) { t.skipMany(table, why, 1, id) }

func (t *tally) skipMany(table, why string, rows int64, ids ...string) {
	t.skipped[table] += rows
	note(t.skips, table, why, rows, ids...)
}

func (t *tally) change(table, id, what string) { note(t.changes, table, what, 1, id) }

func note(notes map[[2]string]*Note, table, why string, rows int64, ids ...string) {
	n := notes[[2]string{table, why}]
	if n == nil {
		n = &Note{Table: table, Why: why}
		notes[[2]string{table, why}] = n
	}
	n.Rows += rows
	if table == "org_tickets" || table == "sessions" {
		return // these ids are credentials
	}
	for _, id := range ids {
		if id != "" && len(n.IDs) < mostIDs {
			n.IDs = append(n.IDs, id)
		}
	}
}

// add adds what happened in one org.
func (t *tally) add(o *tally) {
	for _, pair := range [][2]map[string]int64{{t.carried, o.carried}, {t.skipped, o.skipped}, {t.present, o.present}, {t.refused, o.refused}} {
		for table, n := range pair[1] {
			pair[0][table] += n
		}
	}
	for _, pair := range [][2]map[[2]string]*Note{{t.skips, o.skips}, {t.changes, o.changes}} {
		for k, n := range pair[1] {
			note(pair[0], k[0], k[1], n.Rows, n.IDs...)
		}
	}
}

// sorted lists notes by table and reason.
func sorted(notes map[[2]string]*Note) []Note {
	out := make([]Note, 0, len(notes))
	for _, n := range notes {
		slices.Sort(n.IDs)
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Why, b.Why))
	})
	return out
}
