package server_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

var writeCosts = flag.Bool("update-costs", false, "write "+costsFile)

// costsEnv is a size of the database that TestCosts measures instead of the small ones.
const costsEnv = "B2B_TEST_COSTS"

// A cost is what a question cost, and the number of objects in its answer.
type cost struct {
	statements, work, items int64
	scanned                 int64    // rows that were read without an index
	texts                   []string // of the statements
}

// ask returns what a question costs a caller that the server knows. SQLite is asked twice: it does
// not count a statement that a transaction prepares. A parameter that the server ignores makes each
// request another one, so that it has kept no answer. Only of lists of bots it keeps the bots.
func (fx *costsFixture) ask(t *testing.T, database string, q question) (c cost) {
	t.Helper()
	fx.send(q.by, "GET", "/api/me", nil)
	rounds := 1
	if database == "sqlite" {
		rounds = 2
	}
	for n := range rounds {
		target := q.target + "?"
		if strings.Contains(q.target, "?") {
			target = q.target + "&"
		}
		var once cost
		var a answer
		for _, s := range fx.recorder.Record(func() { a = fx.send(q.by, "GET", fmt.Sprint(target, "asked=", n), nil) }) {
			once.statements += s.Runs
			once.work += s.Work
			for _, rows := range s.Scans {
				once.scanned = max(once.scanned, rows)
			}
			once.texts = append(once.texts, fmt.Sprintf("%d runs, %d: %s", s.Runs, s.Work, s.Text))
		}
		if a.status != 200 {
			t.Fatalf("%s %s: %v", q.operation, q.asked, a)
		}
		once.items = objects(a.body)
		if once.statements >= c.statements {
			c = once
		}
	}
	return c
}

// objects returns how many JSON objects a response has.
func objects(body string) int64 {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return 1
	}
	var count func(v any) int64
	count = func(v any) (n int64) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				n += count(x)
			}
		case map[string]any:
			n = 1
			for _, x := range v {
				n += count(x)
			}
		}
		return n
	}
	return count(v)
}

// limits bound the work of a question: of SQLite in steps, of PostgreSQL in rows.
type costLimits struct {
	some  int64 // of any question: what it reads of its caller, and the participants of one large thread
	each  int64 // of each object of the answer
	grown int64 // of each row that a growth names
}

var costLimitsOf = map[string]costLimits{
	"sqlite":   {some: 9000, each: 150, grown: 160},
	"postgres": {some: 2500, each: 10, grown: 12},
}

// check reports a question that costs more than its answer, or names a growth that it does not have.
func (c cost) check(t *testing.T, database string, size int, q question) {
	t.Helper()
	if database == "postgres" && size < sizeThatShows {
		return // it reads small tables as a whole
	}
	l := costLimitsOf[database]
	most := l.some + l.each*c.items
	if q.grows != answered {
		most += l.grown * int64(size)
	}
	if c.work > most {
		t.Errorf("%s (%s) with %d of everything: %d steps or rows for an answer of %d objects, more than %d\n%s",
			q.operation, q.asked, size, c.work, c.items, most, strings.Join(c.texts, "\n"))
	}
	// A large part of a table is read without its indexes.
	if q.grows == answered && c.scanned > 100+10*c.items {
		t.Errorf("%s (%s) reads %d rows without an index\n%s", q.operation, q.asked, c.scanned, strings.Join(c.texts, "\n"))
	}
}

// sizeThatShows is a size at which each growth shows.
const sizeThatShows = 10_000

// TestCosts: what a call reads is bounded by its answer and not by the database, for the dearest
// parameters of each operation that reads, by the databases' own counters (B2B-LIM-070). What grows
// is named in the table of docs/operate/costs.md, which has the costs that were measured.
func TestCosts(t *testing.T) {
	t.Parallel()
	sizes := []int{100, sizeThatShows}
	if text := os.Getenv(costsEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", costsEnv, err)
		}
		sizes = []int{n}
	}
	table := readCosts(t)
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			for _, size := range sizes {
				url := ""
				if database == "postgres" {
					url = pgtest.URL(t)
				}
				fx := newCostsFixture(t, url, size)
				for _, q := range fx.questions() {
					c := fx.ask(t, database, q)
					c.check(t, database, size, q)
					table.measured(q, database, size, c)
				}
			}
		})
	}
	if *writeCosts {
		table.write(t)
		return
	}
	table.compare(t)
}

// TestCostsNameAllReads: each operation that reads has a question.
func TestCostsNameAllReads(t *testing.T) {
	t.Parallel()
	fx := costsFixture{node: &node{}, size: 100}
	var asked []string
	for _, q := range fx.questions() {
		asked = append(asked, q.operation)
	}
	reads := map[string]bool{}
	for _, op := range operations() {
		if name := method(op); op.Reads || name == "GetFile" || name == "Subscribe" {
			reads[name] = true
			if !slices.Contains(asked, name) {
				t.Errorf("%s has no question in costs_questions_test.go", name)
			}
		}
	}
	for _, name := range asked {
		if !reads[name] {
			t.Errorf("%s is asked, and is no operation that reads", name)
		}
	}
}
