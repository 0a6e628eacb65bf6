package server_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// costsFile has the table of costs. A test writes it: the text before the table is costsText.
const costsFile = "../docs/operate/costs.md"

const costsText = `# What calls cost

What a call reads of the database, for each operation that reads and for the dearest parameters that
it allows. The database has 100, 10,000 or 1,000,000 of everything: orgs, and in one org bots,
threads, channels, messages (four times as many events), versions of artifacts, join requests,
tokens, tickets, sessions, audit entries, dead letters. The first number is of statements, on SQLite
and on PostgreSQL. SQLite counts the steps of its virtual machine, 10 to 20 for a row; PostgreSQL the
rows that its plans visit. Both numbers depend on the data and the parameters, not on the machine.

A call costs what its answer costs, whatever else is in the database. The last column names what a
call grows with beside its answer:

- **threads and channels of the bot**: all that the bot is in, or was in since the time that it asks
  for, and for the inbox its own messages in them. The lists of a bot that is in 1,000,000 threads are
  slow; those of others are not.
- **artifacts of the thread**: the list of all artifacts is in the order of time. Pages are not.
- **members of the thread**: those that are in it, and those that were: of them it follows who a
  message to all was addressed to.
- **rows passed over**: a filter or a search without an index. Rows are read in the order of the list
  until the page is full, so what matches often costs little.
- **messages of the org**: the search for a part of a text reads all messages of the org.
- **offset**: the rows before the page are passed over. The cursor of the list costs nothing.
- **rows counted**: the numbers of the operator. GetStats counts at most once a minute.

` + "`go test ./server -run TestCosts`" + ` measures the table again, and fails where a call costs more; with
` + "`B2B_TEST_COSTS=1000000`" + ` for the largest size, which takes some minutes. ` + "`-update-costs`" + ` writes the
numbers.

`

var costsHead = []string{
	"Operation", "Asked for", "Statements", "SQLite: 100", "10,000", "1,000,000", "PostgreSQL: 100", "10,000", "1,000,000", "Grows with",
}

// costsTable are the rows of the table by operation and parameters.
type costsTable struct {
	old  map[[2]string][]string
	rows map[[2]string][]string
	keys [][2]string // in order
}

// The columns of a row.
const (
	columnStatements = 2
	columnSQLite     = 3
	columnPostgres   = 6
	columnGrowth     = 9
)

func readCosts(t *testing.T) *costsTable {
	t.Helper()
	out := &costsTable{old: map[[2]string][]string{}, rows: map[[2]string][]string{}}
	text, err := os.ReadFile(costsFile)
	if err != nil && !*writeCosts {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != len(costsHead)+2 || strings.Contains(line, "---") {
			continue
		}
		cells = cells[1 : len(cells)-1]
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out.old[[2]string{cells[0], cells[1]}] = cells
	}
	delete(out.old, [2]string{costsHead[0], costsHead[1]})
	return out
}

// measured notes a cost.
func (c *costsTable) measured(q question, database string, size int, of cost) {
	key := [2]string{q.operation, q.asked}
	row := c.rows[key]
	if row == nil {
		if row = slices.Clone(c.old[key]); row == nil {
			row = make([]string, len(costsHead))
			for i := columnStatements; i < columnGrowth; i++ {
				row[i] = "–"
			}
		}
		row[0], row[1], row[columnGrowth] = q.operation, q.asked, string(q.grows)
		c.rows[key], c.keys = row, append(c.keys, key)
	}
	column := columnSQLite
	if database == "postgres" {
		column = columnPostgres
	}
	switch size {
	case 100:
	case sizeThatShows:
		column++
		if database == "sqlite" {
			row[columnStatements] = fmt.Sprint(of.statements)
		} else {
			row[columnStatements] += fmt.Sprintf(", %d", of.statements)
		}
	case 1_000_000:
		column += 2
	default:
		return
	}
	row[column] = thousands(of.work)
}

// thousands writes a number with separators.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func (c *costsTable) write(t *testing.T) {
	t.Helper()
	var b strings.Builder
	b.WriteString(costsText)
	fmt.Fprintf(&b, "| %s |\n|---|---|%s---|\n", strings.Join(costsHead, " | "), strings.Repeat("---:|", len(costsHead)-3))
	for _, key := range c.keys {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(c.rows[key], " | "))
	}
	if err := os.WriteFile(costsFile, []byte(strings.ReplaceAll(b.String(), "|  |", "| |")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare reports costs that differ from those of the table. PostgreSQL plans by statistics of
// samples, so they need not be equal.
func (c *costsTable) compare(t *testing.T) {
	t.Helper()
	number := func(cell string) int64 {
		n, err := strconv.ParseInt(strings.ReplaceAll(cell, ",", ""), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	for _, key := range c.keys {
		row, old := c.rows[key], c.old[key]
		if old == nil {
			t.Errorf("%s has no row for %s, %s: write it with -update-costs", costsFile, key[0], key[1])
			continue
		}
		for i, cell := range row {
			is, was := number(cell), number(old[i])
			if i < columnSQLite || is < 0 {
				if i != columnStatements && cell != old[i] {
					t.Errorf("%s, %s: the table has %q, want %q", key[0], key[1], old[i], cell)
				}
				continue
			}
			if i >= columnPostgres && row[columnGrowth] != string(answered) {
				continue // it has several plans for these
			}
			if low, high := was/2-300, was*2+300; is < low || is > high {
				t.Errorf("%s, %s costs %d (%s), and the table has %d: if that is meant, write it with -update-costs", key[0], key[1], is, costsHead[i], was)
			}
		}
	}
	for key := range c.old {
		if c.rows[key] == nil {
			t.Errorf("%s has a row for %s, %s, which is not asked", costsFile, key[0], key[1])
		}
	}
}
