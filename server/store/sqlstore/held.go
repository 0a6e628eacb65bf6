package sqlstore

import (
	"slices"
	"strings"
)

// held are statements that the writer of SQLite holds back to the end of a batch, where
// many of them become one: every message counts against a limit and leaves an entry in
// the audit log. They are written before a statement that could see them.
type held struct {
	uses   [][]any // arguments of countUses
	audits [][]any // arguments of insertAudit
	args   []any   // of one statement; room for the next
}

const (
	auditsAtOnce = 16  // entries that one statement inserts
	heldMost     = 512 // statements of each kind that are held back
)

// auditInserts insert 1 to auditsAtOnce entries.
var auditInserts = func() (out [auditsAtOnce]string) {
	_, row, _ := strings.Cut(insertAudit, "VALUES ")
	for i := range out {
		out[i] = insertAudit + strings.Repeat(", "+row, i)
	}
	return out
}()

func (h *held) add(q string, args []any) bool {
	switch q {
	case countUses:
		h.uses = append(h.uses, args)
	case insertAudit:
		h.audits = append(h.audits, args)
	default:
		return false
	}
	return true
}

func (h *held) full() bool { return max(len(h.uses), len(h.audits)) >= heldMost }

// tables are those of what is held back.
func (h *held) tables() (t uint64) {
	if len(h.uses) > 0 {
		t |= 1 << tableRates
	}
	if len(h.audits) > 0 {
		t |= 1 << tableAudit
	}
	return t
}

// mark is a point to return to.
func (h *held) mark() [2]int { return [2]int{len(h.uses), len(h.audits)} }

// reset forgets what was added since the mark, and not written meanwhile.
func (h *held) reset(m [2]int) {
	h.uses = h.uses[:min(m[0], len(h.uses))]
	h.audits = h.audits[:min(m[1], len(h.audits))]
}

// write gives run the statements, which may not keep the arguments, and forgets them. Uses of a bot in one batch fall
// into one slot nearly always, and are one statement.
func (h *held) write(run func(q string, args []any) error) error {
	for i := 0; i < len(h.uses); {
		use, n := h.uses[i], int64(1)
		for i++; i < len(h.uses) && slices.Equal(h.uses[i][:3], use[:3]); i++ {
			use = h.uses[i]
			n++
		}
		h.args = append(append(h.args[:0], use[:3]...), n, use[4])
		if err := run(countUses, h.args); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(h.audits, auditsAtOnce) {
		h.args = h.args[:0]
		for _, args := range some {
			h.args = append(h.args, args...)
		}
		if err := run(auditInserts[len(some)-1], h.args); err != nil {
			return err
		}
	}
	h.reset([2]int{})
	return nil
}
