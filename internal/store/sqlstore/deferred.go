package sqlstore

import (
	"slices"
	"strings"
)

// deferred holds statements that a writer runs at the end of a batch, where many of them are
// merged into one: counts of a rate limit, audit entries, events, and last activities
// of threads, which each message has. They are written earlier when a statement names their
// tables.
type deferred struct {
	uses    [][]any // arguments of countUses
	audits  [][]any // arguments of insertAudit
	events  [][]any // arguments of appendEvent
	touches [][]any // arguments of touchThread
	args    []any   // buffer for the arguments of one statement
}

const (
	rowsPerDeferred = 16  // rows that one statement inserts
	deferredMax     = 512 // deferred statements of each kind
)

// auditInserts insert 1 to rowsPerDeferred entries, and eventInserts as many events.
var (
	auditInserts = insertsOf(onAuditLog, auditColumns, auditValues)
	eventInserts = insertsOf(onEventLog, eventInto, eventValues)
)

// insertsOf declares the insertions of 1 to rowsPerDeferred rows. One that fails is never undone
// alone, so SQLite need not keep what undoes it.
func insertsOf(t tables, columns, row string) (out [rowsPerDeferred]*statement) {
	for i := range out {
		rows := columns + row + strings.Repeat(", "+row, i)
		out[i] = insert(t, orFail+rows).inPostgres(into + rows)
	}
	return out
}

func (d *deferred) add(q *statement, args []any) bool {
	switch q {
	case countUses:
		d.uses = append(d.uses, args)
	case insertAudit:
		d.audits = append(d.audits, args)
	case appendEvent:
		d.events = append(d.events, args)
	case touchThread:
		d.touches = append(d.touches, args)
	default:
		return false
	}
	return true
}

// before reports whether the statements must run before q, which reads or changes one of their
// tables.
func (d *deferred) before(q *statement) bool {
	tables := d.tables()
	return (q.reads|q.writes)&tables != 0 || q == selectThread && tables&onActivity != 0
}

func (d *deferred) full() bool {
	return max(len(d.uses), len(d.audits), len(d.events), len(d.touches)) >= deferredMax
}

// tables returns the set of tables that the deferred statements write.
func (d *deferred) tables() (t tables) {
	if len(d.uses) > 0 {
		t |= onRateSlots
	}
	if len(d.audits) > 0 {
		t |= onAuditLog
	}
	if len(d.events) > 0 {
		t |= onEventLog
	}
	if len(d.touches) > 0 {
		t |= onActivity
	}
	return t
}

// deferredMark has the lengths of the lists of deferred.
type deferredMark struct{ uses, audits, events, touches int }

// mark returns the current lengths, for reset.
func (d *deferred) mark() deferredMark {
	return deferredMark{len(d.uses), len(d.audits), len(d.events), len(d.touches)}
}

// reset discards the statements that were added since the mark and are not yet written.
func (d *deferred) reset(m deferredMark) {
	d.uses = truncated(d.uses, m.uses)
	d.audits = truncated(d.audits, m.audits)
	d.events = truncated(d.events, m.events)
	d.touches = truncated(d.touches, m.touches)
}

// truncated returns the first n lists of arguments, and releases the others.
func truncated(list [][]any, n int) [][]any {
	n = min(n, len(list))
	clear(list[n:])
	return list[:n]
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
	if err := d.insert(d.audits, &auditInserts, run); err != nil {
		return err
	}
	if err := d.insert(d.events, &eventInserts, run); err != nil {
		return err
	}
	if err := d.touch(run); err != nil {
		return err
	}
	d.reset(deferredMark{})
	return nil
}

// insert inserts the rows of a list.
func (d *deferred) insert(list [][]any, inserts *[rowsPerDeferred]*statement, run func(q *statement, args []any) error) error {
	for some := range slices.Chunk(list, rowsPerDeferred) {
		d.args = d.args[:0]
		for _, args := range some {
			d.args = append(d.args, args...)
		}
		if err := run(inserts[len(some)-1], d.args); err != nil {
			return err
		}
	}
	return nil
}

// touch writes the activities of each thread as one, in the order of the threads.
func (d *deferred) touch(run func(q *statement, args []any) error) error {
	slices.SortStableFunc(d.touches, func(a, b []any) int { return strings.Compare(a[3].(string), b[3].(string)) })
	for i := 0; i < len(d.touches); {
		args := d.touches[i]
		all, thread := touchedBy(args)
		for i++; i < len(d.touches) && d.touches[i][3] == thread; i++ {
			next, _ := touchedBy(d.touches[i])
			all = all.then(next)
			args = nil
		}
		if args == nil {
			args = all.args(thread)
		}
		if err := run(touchThread, args); err != nil {
			return err
		}
	}
	return nil
}
