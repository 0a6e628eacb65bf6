package sqlstore

import (
	"database/sql"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// dialect is where the two databases differ.
type dialect struct {
	postgres   bool
	bun        *bun.DB // maps rows; never runs a statement
	statements sync.Map
	known      atomic.Int64 // statements
}

func newDialect(db *sql.DB, postgres bool) *dialect {
	d := &dialect{postgres: postgres}
	if postgres {
		d.bun = bun.NewDB(db, pgdialect.New())
	} else {
		d.bun = bun.NewDB(db, sqlitedialect.New())
	}
	return d
}

// statement is what is known of a statement from its text.
type statement struct {
	id        int64  // of this process
	text      string // in the database's own words
	tables    uint64 // see tablesOf
	cacheable bool
}

// statement reads a statement, in which arguments are written as ?, once.
func (d *dialect) statement(q string) *statement {
	if t, ok := d.statements.Load(q); ok {
		return t.(*statement)
	}
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
	t := &statement{id: d.known.Add(1), text: b.String(), tables: tablesOf(q)}
	t.cacheable = strings.HasPrefix(q, "SELECT") && t.tables&^tablesKept == 0
	first, _ := d.statements.LoadOrStore(q, t)
	return first.(*statement)
}

// text gives the statement in the database's own words.
func (d *dialect) text(q string) string {
	if !d.postgres {
		return q
	}
	return d.statement(q).text
}

// contains is a condition: the column contains the one argument, which must have
// gone through fold. Both databases lower ASCII letters only (the columns of
// PostgreSQL collate as "C").
func (d *dialect) contains(column string) string {
	if d.postgres {
		return "strpos(lower(" + column + "), ?) > 0"
	}
	return "instr(lower(" + column + "), ?) > 0"
}

// anyOf is a condition: the column is one of the texts of the one argument, a JSON
// array (see jsonList).
func (d *dialect) anyOf(column string) string {
	if d.postgres {
		return column + " IN (SELECT json_array_elements_text(?::json))"
	}
	return column + " IN (SELECT value FROM json_each(?))"
}

// fold lowers the ASCII letters.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
