package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// TestStatementsOnPostgres compares what each statement declares with PostgreSQL's plan for it.
func TestStatementsOnPostgres(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	for _, s := range sqlstore.Statements() {
		if s.SQL() == "" {
			continue
		}
		if err := p.check(t.Context(), s.SQL(), s.Control(), s.Declared()); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// Declarations that differ from the plan are found.
func TestStatementsOnPostgresControl(t *testing.T) {
	t.Parallel()
	p := newPlanner(t)
	rename, bots := "UPDATE bots SET name = $1 WHERE id = $2", []string{"bots"}
	of := func(kind string, reads, writes []string) sqlstore.Opened {
		return sqlstore.Opened{Kind: kind, Reads: reads, Writes: writes}
	}
	if err := p.check(t.Context(), rename, false, of("UPDATE", nil, bots)); err != nil {
		t.Errorf("control: %v", err)
	}
	for name, wrong := range map[string]struct {
		text     string
		declared sqlstore.Opened
	}{
		"other table": {rename, of("UPDATE", nil, []string{"channels"})},
		"more writes": {rename, of("UPDATE", nil, []string{"bots", "channels"})},
		"more reads":  {rename, of("UPDATE", []string{"orgs"}, bots)},
		"no write":    {rename, of("SELECT", bots, nil)},
		"other kind":  {rename, of("DELETE", nil, bots)},
		"fewer reads": {"SELECT b.id FROM bots b JOIN orgs o ON o.id = b.org_id WHERE o.name = $1", of("SELECT", bots, nil)},
		"no cascade":  {"DELETE FROM channels WHERE id = $1", of("DELETE", nil, []string{"channels"})},
		"syntax":      {"SELECT none FROM bots", of("SELECT", bots, nil)},
	} {
		if p.check(t.Context(), wrong.text, false, wrong.declared) == nil {
			t.Errorf("%s: the declaration is accepted", name)
		}
	}
}

// planner asks PostgreSQL for plans.
type planner struct {
	conn *sql.Conn
	// changed are the tables that the deletion of a row of a table changes at once by foreign keys.
	changed map[string][]foreignKey
}

type foreignKey struct {
	table   string
	deletes bool // the row, else it sets the column to null
}

func newPlanner(t testing.TB) *planner {
	t.Helper()
	db, err := sql.Open("pgx", pgtest.URL(t))
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
	p := &planner{conn: conn, changed: map[string][]foreignKey{}}
	// Plans must not depend on the arguments, which are all null, nor on the empty tables.
	if _, err := conn.ExecContext(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(t.Context(), `SELECT confrelid::regclass::text, conrelid::regclass::text, confdeltype = 'c'
		FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var parent string
		var key foreignKey
		if err := rows.Scan(&parent, &key.table, &key.deletes); err != nil {
			t.Fatal(err)
		}
		p.changed[parent] = append(p.changed[parent], key)
	}
	if err := rows.Err(); err != nil || len(p.changed) == 0 {
		t.Fatalf("foreign keys: %v, %v", p.changed, err)
	}
	return p
}

// check compares a statement with its plan.
func (p *planner) check(ctx context.Context, text string, control bool, declared sqlstore.Opened) error {
	if control { // such a statement may have no plan
		s, err := p.conn.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		return s.Close()
	}
	plan, err := p.plan(ctx, text)
	if err != nil {
		return err
	}
	got := planned{kind: "SELECT", reads: map[string]bool{}, writes: map[string]bool{}}
	got.add(plan)
	if got.kind == "DELETE" {
		for table := range maps.Clone(got.writes) {
			p.cascade(table, got.writes, map[string]bool{})
		}
	}
	reads, writes := sorted(got.reads, got.writes), sorted(got.writes, nil)
	if declared.Kind != got.kind || !slices.Equal(declared.Reads, reads) || !slices.Equal(declared.Writes, writes) {
		return fmt.Errorf("it declares %v, and PostgreSQL plans %s, reads %v and writes %v", declared, got.kind, reads, writes)
	}
	return nil
}

// cascade adds what the deletion of rows of a table changes.
func (p *planner) cascade(table string, changed, deleted map[string]bool) {
	if deleted[table] {
		return
	}
	deleted[table] = true
	for _, key := range p.changed[table] {
		changed[key.table] = true
		if key.deletes {
			p.cascade(key.table, changed, deleted)
		}
	}
}

// sorted returns the tables of the schema in a set, without some.
func sorted(set, without map[string]bool) []string {
	var names []string
	for name := range set {
		if !without[name] && name != "schema_migrations" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// planNode is a node of EXPLAIN (FORMAT JSON).
type planNode struct {
	Operation string `json:"Operation"`
	Relation  string `json:"Relation Name"`
	Plans     []planNode
}

func (p *planner) plan(ctx context.Context, text string) (n planNode, err error) {
	if _, err := p.conn.ExecContext(ctx, "PREPARE planned AS "+text); err != nil {
		return n, err
	}
	defer func() {
		if _, e := p.conn.ExecContext(ctx, "DEALLOCATE planned"); err == nil {
			err = e
		}
	}()
	q := "EXPLAIN (FORMAT JSON) EXECUTE planned"
	if args := strings.Count(text, "$"); args > 0 {
		q += "(NULL" + strings.Repeat(", NULL", args-1) + ")"
	}
	var out []byte
	if err := p.conn.QueryRowContext(ctx, q).Scan(&out); err != nil {
		return n, err
	}
	var all []struct{ Plan planNode }
	if err := json.Unmarshal(out, &all); err != nil {
		return n, err
	}
	return all[0].Plan, nil
}

// planned is what a plan reads and changes.
type planned struct {
	kind          string
	reads, writes map[string]bool
}

func (o *planned) add(n planNode) {
	switch {
	case n.Operation != "" && n.Relation != "":
		o.kind = strings.ToUpper(n.Operation)
		o.writes[n.Relation] = true
	case n.Relation != "":
		o.reads[n.Relation] = true
	}
	for _, below := range n.Plans {
		o.add(below)
	}
}
