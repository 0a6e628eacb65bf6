package sqlstore

import (
	"strconv"
	"strings"
)

// statement is an SQL statement with what its users must know of it. A statement whose text
// never changes is a variable of the package, declared by read, insert, update or remove;
// TestStatements compares the declarations with the texts. Other statements are composed
// ([dialect.composed]).
//
// Its address is its identity: the key of prepared statements and of cached results.
type statement struct {
	text     string // with ? for arguments
	numbered string // with $1, $2, … for arguments, as PostgreSQL has them
	kind     kind
	tables   tables // that it reads or changes
}

// kind is what a statement does with its tables.
type kind int

const (
	reads   kind = iota // it changes nothing
	inserts             // it stores texts and blobs that are counted (tx.CountStored)
	updates             // as inserts
	removes
	controls // of the database itself, such as PRAGMA
)

func read(t tables, q string) *statement   { return newStatement(reads, t, q) }
func insert(t tables, q string) *statement { return newStatement(inserts, t, q) }
func update(t tables, q string) *statement { return newStatement(updates, t, q) }
func remove(t tables, q string) *statement { return newStatement(removes, t, q) }

// control declares a statement that names no table.
func control(q string) *statement { return newStatement(controls, 0, q) }

func newStatement(k kind, t tables, q string) *statement {
	return &statement{text: q, numbered: numbered(q), kind: k, tables: t}
}

// numbered replaces each ? by $1, $2, …
func numbered(q string) string {
	var b strings.Builder
	n := 0
	for _, r := range q {
		if r == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// writes reports whether the statement changes its tables.
func (s *statement) writes() bool { return s.kind != reads }

// cacheable reports whether the writer may keep results of the statement (cache).
func (s *statement) cacheable() bool { return s.kind == reads && s.tables&^onCached == 0 }

// composed returns the statement of a text that the caller has composed, and keeps it.
func (d *dialect) composed(q string) *statement {
	if s, ok := d.statements.Load(q); ok {
		return s.(*statement)
	}
	first, _ := d.statements.LoadOrStore(q, newStatement(kindOf(q), tablesOf(q), q))
	return first.(*statement)
}

// kindOf returns the kind of a composed statement.
func kindOf(q string) kind {
	first, _, _ := strings.Cut(q, " ")
	switch first {
	case "SELECT":
		return reads
	case "INSERT":
		return inserts
	case "UPDATE":
		return updates
	case "DELETE", "WITH":
		return removes
	}
	return controls
}
