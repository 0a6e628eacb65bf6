package sqlstore

import (
	"strconv"
	"strings"
)

// statement is an SQL statement with what its users must know of it. Each is a variable of the
// package, declared by read, insert, update, remove or control, or a member of a family; so their
// number is bounded. Its address is its identity: the key of prepared statements and of cached
// results. TestStatements compares the declarations with what the databases report.
type statement struct {
	text   [2]string // for each database; empty for one that does not run it
	kind   kind
	reads  tables // that it selects from, without those that it changes
	writes tables // that it changes, also by foreign keys
	// id is the place, from 1, of the argument that is the id of the only row that it changes of the
	// table that it names; 0: it may change several rows.
	id int
}

// database is an index of statement.text.
type database int

const (
	forSQLite   database = iota // with ? for arguments
	forPostgres                 // with $1, $2, …
)

// kind is what a statement does with its tables.
type kind int

const (
	selects kind = iota // it changes nothing
	inserts             // it stores texts and blobs that are counted (tx.CountStored)
	updates             // as inserts
	deletes
	controls // of the database itself, such as PRAGMA
)

// The functions below declare statements. In their texts a ? stands for an argument, and anyOf and
// contains for what the databases write differently.

func read(t tables, q string) *statement   { return newStatement(selects, t, 0, q) }
func insert(t tables, q string) *statement { return newStatement(inserts, 0, t, q) }
func update(t tables, q string) *statement { return newStatement(updates, 0, t, q) }
func remove(t tables, q string) *statement { return newStatement(deletes, 0, t, q) }

// control declares a statement that names no table of the schema.
func control(q string) *statement { return newStatement(controls, 0, 0, q) }

// controlOf declares a statement that only one database runs.
func controlOf(d database, q string) *statement {
	s := control(q)
	s.text[1-d] = ""
	return s
}

func newStatement(k kind, reads, writes tables, q string) *statement {
	return &statement{text: [2]string{forSQLite: sqliteText(q), forPostgres: postgresText(q)}, kind: k, reads: reads, writes: writes}
}

// inPostgres declares the text for PostgreSQL where it is another.
func (s *statement) inPostgres(q string) *statement {
	s.text[forPostgres] = postgresText(q)
	return s
}

// reading also declares tables that a change selects from.
func (s *statement) reading(t tables) *statement {
	s.reads = t
	return s
}

// byID declares that the statement changes only the row with the id that is its argument at a place,
// from 1.
func (s *statement) byID(place int) *statement {
	s.id = place
	return s
}

// changes reports whether the statement changes anything.
func (s *statement) changes() bool { return s.kind != selects }

// cacheable reports whether the writer may keep results of the statement (cache).
func (s *statement) cacheable() bool { return s.kind == selects && s.reads&^onCached == 0 }

// What the databases write differently.
const (
	among = "{among}" // equals one of the elements of a JSON array of texts
	// amongNumbers is among for numbers.
	amongNumbers = "{among numbers}"
	find         = "{find}" // the function that returns the place of a text in another, or 0
)

// anyOf returns the condition that the column equals one of the texts of its one argument, a
// JSON array (jsonList). PostgreSQL gets an array: of a subquery it expects so many rows that it
// scans the table.
func anyOf(column string) string { return column + " " + among }

// anyNumberOf is anyOf for numbers, whose JSON array is of numberList.
func anyNumberOf(column string) string { return column + " " + amongNumbers }

// contains returns the condition that the column contains its one argument, which must be
// folded (fold). Both databases lower-case ASCII letters only (in PostgreSQL because of
// collation "C").
func contains(column string) string { return find + "(lower(" + column + "), ?) > 0" }

// indexedBy names the index by which SQLite, which has no statistics, must find the rows of the table before
// it. PostgreSQL chooses by itself.
func indexedBy(index string) string { return " {indexed " + index + "}" }

func sqliteText(q string) string {
	const list = "IN (SELECT value FROM json_each(?))"
	q = strings.NewReplacer(among, list, amongNumbers, list, find, "instr").Replace(q)
	return withIndexes(q, func(index string) string { return " INDEXED BY " + index })
}

func postgresText(q string) string {
	q = strings.NewReplacer(among, "= ANY (ARRAY(SELECT json_array_elements_text(?::json)))",
		amongNumbers, "= ANY (ARRAY(SELECT CAST(json_array_elements_text(?::json) AS BIGINT)))", find, "strpos").Replace(q)
	return numbered(withIndexes(q, func(string) string { return "" }))
}

// withIndexes replaces each result of indexedBy.
func withIndexes(q string, text func(index string) string) string {
	for {
		before, rest, found := strings.Cut(q, " {indexed ")
		if !found {
			return q
		}
		index, after, _ := strings.Cut(rest, "}")
		q = before + text(index) + after
	}
}

// numbered replaces each ? by $1, $2, …
func numbered(q string) string {
	args := strings.Count(q, "?")
	if args == 0 {
		return q
	}
	b := make([]byte, 0, len(q)+3*args)
	for n := int64(1); ; n++ {
		before, after, found := strings.Cut(q, "?")
		b = append(b, before...)
		if !found {
			return string(b)
		}
		b = strconv.AppendInt(append(b, '$'), n, 10)
		q = after
	}
}
