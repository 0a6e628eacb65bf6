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

// dialect holds what differs between the two databases.
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

// statement holds the properties of a statement that follow from its text.
type statement struct {
	id        int64  // unique in this process
	text      string // with the placeholders of the database
	tables    uint64 // see tablesOf
	cacheable bool
}

// statement returns the properties of a statement, with ? for arguments, and keeps them.
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
	t.cacheable = strings.HasPrefix(q, "SELECT") && t.tables&^tablesCached == 0
	first, _ := d.statements.LoadOrStore(q, t)
	return first.(*statement)
}

// text returns the statement with the placeholders of the database.
func (d *dialect) text(q string) string {
	if !d.postgres {
		return q
	}
	return d.statement(q).text
}

// contains returns the condition that the column contains its one argument, which must be
// folded (fold). Both databases lower-case ASCII letters only (in PostgreSQL because of
// collation "C").
func (d *dialect) contains(column string) string {
	if d.postgres {
		return "strpos(lower(" + column + "), ?) > 0"
	}
	return "instr(lower(" + column + "), ?) > 0"
}

// anyOf returns the condition that the column equals one of the texts of its one argument, a
// JSON array (jsonList).
func (d *dialect) anyOf(column string) string {
	if d.postgres {
		return column + " IN (SELECT json_array_elements_text(?::json))"
	}
	return column + " IN (SELECT value FROM json_each(?))"
}

// fold returns s with its ASCII letters in lower case.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
