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
	database
	bun     *bun.DB    // maps rows; never runs a statement
	members sync.Map   // memberKey to *statement: those that were used
	clock   *stopwatch // nil: statements are not measured
}

func newDialect(db *sql.DB, of database) *dialect {
	if of == forPostgres {
		return &dialect{database: of, bun: bun.NewDB(db, pgdialect.New())}
	}
	return &dialect{database: of, bun: bun.NewDB(db, sqlitedialect.New())}
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
