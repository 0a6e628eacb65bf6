package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Opened is what a database reports of a statement, or what the statement declares.
type Opened struct {
	Kind          string   // SELECT, INSERT, UPDATE or DELETE
	Reads, Writes []string // tables, sorted
}

// Named is a statement with the name of its declaration.
type Named struct {
	Name string
	s    *statement
}

// SQL returns the text for PostgreSQL, or "".
func (n Named) SQL() string { return n.s.text[forPostgres] }

// Control reports whether the statement names no table of the schema.
func (n Named) Control() bool { return n.s.kind == controls }

// Declared returns the kind and the tables that the statement declares. The last activity of a
// thread is not a table: the database reports the table threads for it.
func (n Named) Declared() Opened {
	return Opened{[]string{"SELECT", "INSERT", "UPDATE", "DELETE", ""}[n.s.kind], n.s.reads.names(), n.s.writes.names()}
}

func (t tables) names() []string {
	if t&onActivity != 0 {
		t = t&^onActivity | onThreadRows
	}
	names := []string{}
	for i, name := range tableNames {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Statements returns all statements that the source declares, with the members of all families.
func Statements() []Named {
	var all []Named
	for name, v := range declared {
		all = appendStatements(all, name, reflect.ValueOf(v))
	}
	slices.SortFunc(all, func(a, b Named) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func appendStatements(all []Named, name string, v reflect.Value) []Named {
	switch v.Type() {
	case reflect.TypeFor[*statement]():
		return append(all, Named{name, (*statement)(v.UnsafePointer())})
	case reflect.TypeFor[*family]():
		f := (*family)(v.UnsafePointer())
		for _, number := range f.numbers() {
			all = append(all, Named{fmt.Sprintf("%s %b", name, number), f.member(number)})
		}
		return all
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			all = appendStatements(all, fmt.Sprintf("%s[%d]", name, i), v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			all = appendStatements(all, fmt.Sprintf("%s[%v]", name, k), v.MapIndex(k))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			all = appendStatements(all, name+"."+v.Type().Field(i).Name, v.Field(i))
		}
	default:
	}
	return all
}

// numbers returns the numbers of all members.
func (f *family) numbers() []uint {
	var all []uint
	end := f.few()
	if f.lists {
		end *= 2
	}
	for n := range end {
		if apart := n & f.apart; apart&(apart-1) == 0 {
			all = append(all, n)
		}
	}
	return all
}

// mostStatements bounds how many statements there are, each of which a connection may prepare.
const mostStatements = 1400

// TestStatements compares what each statement declares with what SQLite opens for it.
func TestStatements(t *testing.T) {
	t.Parallel()
	all := Statements()
	if n := len(all); n < 600 || n > mostStatements {
		t.Errorf("there are %d statements", n)
	}
	for name, v := range declared {
		if f, ok := v.(*family); ok && len(f.may) > maxConditions {
			t.Errorf("%s has %d conditions, more than maxConditions", name, len(f.may))
		}
	}
	conn := explainedSQLite(t)
	for _, n := range all {
		if n.s.text[forSQLite] == "" {
			continue
		}
		if err := checkSQLite(t.Context(), conn, n.s); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// Declarations that differ from the text are found.
func TestStatementsControl(t *testing.T) {
	t.Parallel()
	conn := explainedSQLite(t)
	rename := "UPDATE bots SET name = ? WHERE id = ?"
	for name, right := range map[string]*statement{
		"read":    read(onBots|onOrgs, "SELECT b.id FROM bots b JOIN orgs o ON o.id = b.org_id WHERE o.name = ?"),
		"change":  update(onBots, rename),
		"control": control("PRAGMA user_version"),
		"sub":     remove(onSessions, "DELETE FROM sessions WHERE bot_id IN (SELECT id FROM bots WHERE org_id = ?)").reading(onBots),
		"cascade": remove(withChannels, "DELETE FROM channels WHERE id = ?"),
	} {
		if err := checkSQLite(t.Context(), conn, right); err != nil {
			t.Errorf("control: %s: %v", name, err)
		}
	}
	for name, wrong := range map[string]*statement{
		"fewer reads":      read(onBots, "SELECT b.id FROM bots b JOIN orgs o ON o.id = b.org_id WHERE o.name = ?"),
		"more reads":       read(onBots|onOrgs, "SELECT id FROM bots"),
		"other table":      update(onChannels, rename),
		"more writes":      update(onBots|onChannels, rename),
		"no write":         read(onBots, rename),
		"other kind":       remove(onBots, rename),
		"no cascade":       remove(onChannels, "DELETE FROM channels WHERE id = ?"),
		"read in a change": remove(onSessions, "DELETE FROM sessions WHERE bot_id IN (SELECT id FROM bots WHERE org_id = ?)"),
		"no activity":      read(onThreadRows, "SELECT topic FROM threads"),
		"control":          control(rename),
		"syntax":           read(onBots, "SELECT none FROM bots"),
	} {
		if checkSQLite(t.Context(), conn, wrong) == nil {
			t.Errorf("%s: the declaration is accepted", name)
		}
	}
}

// explainedSQLite returns a connection to a new database.
func explainedSQLite(t testing.TB) *sql.Conn {
	path := filepath.Join(t.TempDir(), "b2b.db")
	s, err := openSQLite(t.Context(), Config{URL: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// checkSQLite compares a statement with the tables that its program opens.
func checkSQLite(ctx context.Context, conn *sql.Conn, s *statement) error {
	text := s.text[forSQLite]
	if s.kind == controls {
		opens, err := opened(ctx, conn, text)
		if err == nil && opens != [2]tables{} && s != quickCheckOne { // which reads all
			err = fmt.Errorf("it is a control, and opens the tables %v", (opens[0] | opens[1]).names())
		}
		return err
	}
	// Without foreign keys, the program opens the tables that the text names; with them, also
	// those that it changes by them.
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return err
	}
	named, err := opened(ctx, conn, text)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = ON"); err != nil {
		return err
	}
	all, err := opened(ctx, conn, text)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(text, " ")
	if first == "WITH" {
		first = map[bool]string{true: "SELECT", false: "DELETE"}[all[1] == 0] // see tokenFamily
	}
	if want := (Named{s: s}).Declared().Kind; first != want {
		return fmt.Errorf("it is a %s, and declared as %s", first, want)
	}
	reads, writes := named[0]&^all[1], all[1]
	switch s {
	case selectThread: // cache.touch keeps its result right
		reads &^= onActivity
	case touchThread: // it changes nothing else
		writes = onActivity
	}
	if s.reads != reads || s.writes != writes {
		return fmt.Errorf("it declares that it reads %v and writes %v, and SQLite reads %v and writes %v",
			s.reads.names(), s.writes.names(), reads.names(), writes.names())
	}
	return nil
}

// opened returns the tables that the program of a statement opens to read and to write.
func opened(ctx context.Context, conn *sql.Conn, text string) (opens [2]tables, err error) {
	pages := map[int64]tables{}
	err = eachRow(ctx, conn, "SELECT rootpage, tbl_name FROM sqlite_master WHERE rootpage > 0", func(rows *sql.Rows) error {
		var page int64
		var table string
		err := rows.Scan(&page, &table)
		if i := slices.Index(tableNames, table); i >= 0 {
			pages[page] = 1 << i
			if table == "threads" {
				pages[page] = onThreads
			}
		}
		return err
	})
	if err != nil {
		return opens, err
	}
	err = eachRow(ctx, conn, "EXPLAIN "+text, func(rows *sql.Rows) error {
		var addr, p1, p2, p3, p5 int64
		var opcode string
		var p4, comment any
		if err := rows.Scan(&addr, &opcode, &p1, &p2, &p3, &p4, &p5, &comment); err != nil {
			return err
		}
		switch opcode {
		case "OpenRead", "ReopenIdx":
			opens[0] |= pages[p2]
		case "OpenWrite":
			opens[1] |= pages[p2]
		case "Clear":
			opens[1] |= pages[p1]
		}
		return nil
	}, make([]any, strings.Count(text, "?"))...)
	return opens, err
}

func eachRow(ctx context.Context, conn *sql.Conn, q string, scan func(*sql.Rows) error, args ...any) error {
	rows, err := conn.QueryContext(ctx, q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
