package importer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row is one row of the old database. Its methods return columns by name, changed where this
// server cannot store the value, and record each change for the report.
type row struct {
	table   string
	names   map[string]int
	values  []any
	noNUL   bool                         // the target cannot hold U+0000
	changed func(table, id, what string) // returns the report
}

// each calls fn for every row of a query. [Source.list] puts null into the query for columns
// that an older database does not have.
func (s *Source) each(ctx context.Context, table, q string, args []any, fn func(*row) error) (err error) {
	rows, err := s.conn.QueryContext(ctx, s.bind(q), args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer func() {
		if e := rows.Close(); err == nil && e != nil {
			err = fmt.Errorf("read %s: %w", table, e)
		}
	}()
	names, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	r := &row{table: table, names: make(map[string]int, len(names)), values: make([]any, len(names))}
	into := make([]any, len(names))
	for i, name := range names {
		r.names[name] = i
		into[i] = &r.values[i]
	}
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}

// list writes the columns of the table under the alias t, with null for those that an
// older database does not have.
func (s *Source) list(table, names string) string {
	out := strings.Fields(names)
	for i, name := range out {
		if s.columns[table][name] {
			out[i] = `t."` + name + `"`
		} else {
			out[i] = `NULL AS "` + name + `"`
		}
	}
	return strings.Join(out, ", ")
}

func (r *row) value(name string) any {
	i, ok := r.names[name]
	if !ok {
		panic("importer: " + r.table + " is read without " + name)
	}
	return r.values[i]
}

// id names the row in the report.
func (r *row) id() string {
	for _, name := range []string{"id", "org_id", "bot_id", "thread_id", "channel_id"} {
		if _, ok := r.names[name]; ok {
			if text, ok := asText(r.value(name)); ok {
				return validText(text)
			}
		}
	}
	return ""
}

func (r *row) note(column, what string) {
	if r.changed != nil {
		r.changed(r.table, r.id(), column+": "+what)
	}
}

// asText returns a value of a text column as a string.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// maybe returns a text or nil.
func (r *row) maybe(name string) *string {
	text, ok := asText(r.value(name))
	if !ok {
		return nil
	}
	if valid := validText(text); valid != text {
		r.note(name, "bytes that are not UTF-8 became U+FFFD")
		text = valid
	}
	if r.noNUL && strings.Contains(text, "\x00") {
		r.note(name, "PostgreSQL cannot hold U+0000: it became U+FFFD")
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	return &text
}

// text returns a text column that is never null.
func (r *row) text(name string) string { return r.textOr(name, "") }

func (r *row) textOr(name, fallback string) string {
	if text := r.maybe(name); text != nil {
		return *text
	}
	return fallback
}

// oneOf returns a text that must be one of all, or fallback for any other.
func (r *row) oneOf(name, fallback string, all ...string) string {
	text := r.textOr(name, fallback)
	if slices.Contains(all, text) {
		return text
	}
	r.note(name, "an unknown value became "+all[0])
	return all[0]
}

// oneOrNone returns a text that must be one of all, or nil for any other.
func (r *row) oneOrNone(name string, all ...string) *string {
	text := r.maybe(name)
	if text == nil || slices.Contains(all, *text) {
		return text
	}
	r.note(name, "an unknown value was left out")
	return nil
}

// json returns a JSON text of a kind, or nil if it is null or invalid.
func (r *row) json(name string, k kind) *string {
	text := r.maybe(name)
	if text == nil || k.holds(*text) {
		return text
	}
	r.note(name, "JSON that cannot be read was left out")
	return nil
}

// when returns a time or another number, or nil. Values of SQLite may have a fraction.
func (r *row) when(name string) *int64 {
	switch v := r.value(name).(type) {
	case int64:
		return &v
	case float64:
		whole := math.Floor(v)
		if math.IsNaN(v) || math.Abs(whole) > 1<<53 {
			r.note(name, "a number that cannot be read was left out")
			return nil
		}
		if whole != v {
			r.note(name, "a fraction of a millisecond was dropped")
		}
		n := int64(whole)
		return &n
	case string:
		return r.written(name, v)
	case []byte:
		return r.written(name, string(v))
	}
	return nil
}

// written parses a number that is stored as text.
func (r *row) written(name, text string) *int64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		r.note(name, "a number that cannot be read was left out")
		return nil
	}
	n := int64(math.Floor(f))
	return &n
}

func (r *row) number(name string, fallback int64) int64 {
	if n := r.when(name); n != nil {
		return *n
	}
	return fallback
}

func (r *row) flag(name string) bool {
	if b, ok := r.value(name).(bool); ok {
		return b
	}
	return r.number(name, 0) != 0
}

// Ids of sessions are cookies. Audit entries get a hash of the id instead, which is the same for
// the same session and does not disclose the id.
var (
	sessionID     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	sessionMember = regexp.MustCompile(`("[a-z_]*session[a-z_]*"\s*:\s*")([0-9a-f]{64})"`)
)

func handle(id string) string {
	sum := sha256.Sum256([]byte("session ref\x00" + id))
	return hex.EncodeToString(sum[:8])
}

// redact replaces the id of a session, which may have a prefix.
func redact(text *string, prefix string) {
	if text == nil {
		return
	}
	if id, ok := strings.CutPrefix(*text, prefix); ok && sessionID.MatchString(id) {
		*text = prefix + handle(id)
	}
}

// redactMembers replaces the ids of sessions in a JSON object.
func redactMembers(text *string) {
	if text == nil || !strings.Contains(*text, "session") {
		return
	}
	*text = sessionMember.ReplaceAllStringFunc(*text, func(member string) string {
		parts := sessionMember.FindStringSubmatch(member)
		return parts[1] + handle(parts[2]) + `"`
	})
}
