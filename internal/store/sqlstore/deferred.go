package sqlstore

import (
	"slices"
	"strings"
)

// deferred holds statements that the writer of SQLite runs at the end of a batch, where many
// of them are merged into one: counts of a rate limit and audit entries, which each message
// has. They are written earlier when a statement names their tables.
type deferred struct {
	uses   [][]any // arguments of countUses
	audits [][]any // arguments of insertAudit
	args   []any   // buffer for the arguments of one statement
}

const (
	auditsPerInsert = 16  // entries that one statement inserts
	deferredMax     = 512 // deferred statements of each kind
)

// auditInserts insert 1 to auditsPerInsert entries.
var auditInserts = func() (out [auditsPerInsert]*statement) {
	for i := range out {
		out[i] = insert(onAuditLog, auditColumns+auditValues+strings.Repeat(", "+auditValues, i))
	}
	return out
}()

func (d *deferred) add(q *statement, args []any) bool {
	switch q {
	case countUses:
		d.uses = append(d.uses, args)
	case insertAudit:
		d.audits = append(d.audits, args)
	default:
		return false
	}
	return true
}

func (d *deferred) full() bool { return max(len(d.uses), len(d.audits)) >= deferredMax }

// tables returns the set of tables that the deferred statements write.
func (d *deferred) tables() (t tables) {
	if len(d.uses) > 0 {
		t |= onRateSlots
	}
	if len(d.audits) > 0 {
		t |= onAuditLog
	}
	return t
}

// mark returns the current lengths, for reset.
func (d *deferred) mark() [2]int { return [2]int{len(d.uses), len(d.audits)} }

// reset discards the statements that were added since the mark and are not yet written.
func (d *deferred) reset(m [2]int) {
	d.uses = d.uses[:min(m[0], len(d.uses))]
	d.audits = d.audits[:min(m[1], len(d.audits))]
}

// write passes the merged statements to run and discards them. run must not keep the
// arguments. The uses of a bot in one batch nearly always fall into the same slot, and are
// then written by one statement.
func (d *deferred) write(run func(q *statement, args []any) error) error {
	for i := 0; i < len(d.uses); {
		use, n := d.uses[i], int64(1)
		for i++; i < len(d.uses) && slices.Equal(d.uses[i][:3], use[:3]); i++ {
			use = d.uses[i]
			n++
		}
		d.args = append(append(d.args[:0], use[:3]...), n, use[4])
		if err := run(countUses, d.args); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(d.audits, auditsPerInsert) {
		d.args = d.args[:0]
		for _, args := range some {
			d.args = append(d.args, args...)
		}
		if err := run(auditInserts[len(some)-1], d.args); err != nil {
			return err
		}
	}
	d.reset([2]int{})
	return nil
}
