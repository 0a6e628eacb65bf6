package sqlstore

import (
	"database/sql"
	"strings"
	"sync"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// dialect holds what differs between the two databases.
type dialect struct {
	postgres   bool
	bun        *bun.DB  // maps rows; never runs a statement
	statements sync.Map // text to *statement: those that are composed
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
