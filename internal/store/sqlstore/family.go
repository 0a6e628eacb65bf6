package sqlstore

import (
	"strings"

	"github.com/b2b-protocol/b2b/internal/store"
)

// family is a set of statements that differ in the conditions that a caller adds. The set of these
// conditions is the number of a member. A Store makes each member when it is first used.
type family struct {
	kind   kind
	reads  tables
	writes tables
	// query returns the text of the member with the conditions where (" WHERE …", or ""). few
	// is for a list of at most fewRows rows.
	query func(d database, where string, few bool) string
	lists bool     // query depends on few, in PostgreSQL
	given string   // the condition of all members, or ""
	may   []string // conditions that a caller may add, by their index; at most maxConditions
	// apart are those conditions, as a set, of which a member has at most one.
	apart uint
}

// maxConditions bounds the conditions of a family.
const maxConditions = 9

// between returns the query of a family that has its conditions between two texts.
func between(before, after string) func(database, string, bool) string {
	return func(_ database, where string, _ bool) string { return before + where + after }
}

// readBetween declares the queries that have their conditions between two texts.
func readBetween(t tables, before, after, given string, may ...string) *family {
	return &family{kind: selects, reads: t, query: between(before, after), given: given, may: may}
}

// only declares conditions of which a member has at most one.
func (f *family) only(conditions ...int) *family {
	for _, c := range conditions {
		f.apart |= 1 << c
	}
	return f
}

// few is the bit of the number of a member that is for few rows.
func (f *family) few() uint { return 1 << len(f.may) }

// member returns the statement of a number.
func (f *family) member(number uint) *statement {
	var conditions []string
	if f.given != "" {
		conditions = append(conditions, f.given)
	}
	for i, c := range f.may {
		if number&(1<<i) != 0 {
			conditions = append(conditions, c)
		}
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	few := number&f.few() != 0
	return &statement{
		text: [2]string{
			forSQLite:   sqliteText(f.query(forSQLite, where, few)),
			forPostgres: postgresText(f.query(forPostgres, where, few)),
		},
		kind: f.kind, reads: f.reads, writes: f.writes,
	}
}

// memberKey identifies a member of a family.
type memberKey struct {
	of     *family
	number uint
}

// kept returns a member of a family, and keeps it.
func (d *dialect) kept(f *family, number uint) *statement {
	key := memberKey{f, number}
	if s, ok := d.members.Load(key); ok {
		return s.(*statement)
	}
	first, _ := d.members.LoadOrStore(key, f.member(number))
	return first.(*statement)
}

// choice is a member of a family and its arguments.
type choice struct {
	of     *family
	number uint
	first  []any // of what comes before the conditions, and of the given one
	args   [maxConditions][]any
}

// choose begins with the member without conditions. args are the arguments that each member has.
func (f *family) choose(args ...any) *choice { return &choice{of: f, first: args} }

// and adds a condition of family.may and its arguments.
func (c *choice) and(condition int, args ...any) {
	c.number |= 1 << condition
	c.args[condition] = args
}

// page adds the first condition, of a page that begins at a key, unless that is nil.
func (c *choice) page(at *store.PageKey) *choice {
	if at != nil {
		c.and(0, at.At, at.ID)
	}
	return c
}

// statement returns the statement that is chosen, for a list of up to limit rows.
func (c *choice) statement(d *dialect, limit int) *statement {
	number := c.number
	if c.of.lists && d.database == forPostgres && limit <= fewRows {
		number |= c.of.few()
	}
	return d.kept(c.of, number)
}

// all returns the arguments of the statement, and last.
func (c *choice) all(last ...any) []any {
	args := c.first
	for _, a := range c.args {
		args = append(args, a...)
	}
	return append(args, last...)
}
