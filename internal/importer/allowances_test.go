package importer_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An allowance is a difference between the two servers that the specification makes.
// Rules change what is wanted into what must be there, so that nothing goes unchecked;
// only what moves by itself is not compared.
type allowance struct {
	requirement string // that makes the difference
	path        *regexp.Regexp
	want        func(c *comparison, body any) any
}

var allowances = []allowance{
	{"B2B-BOT-003", regexp.MustCompile(`^/api/peers`), func(c *comparison, body any) any {
		if list(body) == nil {
			return body
		}
		return slices.DeleteFunc(slices.Clone(list(body)), func(b any) bool {
			return c.member && member(b, "join_status") != "active"
		})
	}},
	{"B2B-CATCH-003", regexp.MustCompile(`^/api/me/catchup\?`), func(_ *comparison, body any) any {
		for _, e := range list(member(body, "events")) {
			if e, ok := e.(map[string]any); ok && e["type"] == "thread_artifact_added" {
				old, _ := member(e, "count").(json.Number)
				n, err := old.Int64()
				if err != nil {
					n = 0
				}
				e["count"] = number(int(n) + 1)
			}
		}
		return body
	}},
	// What happened in the same millisecond is in the order of its ids; the old server
	// had the order of its table.
	{"B2B-IMP-008", regexp.MustCompile(`/messages|^/api/inbox`), func(_ *comparison, body any) any {
		slices.SortStableFunc(list(body), byAge)
		return body
	}},
	{"B2B-IMP-008", regexp.MustCompile(`^/api/audit`), func(_ *comparison, body any) any {
		slices.SortStableFunc(list(body), func(a, b any) int { return byAge(b, a) })
		return body
	}},
	// What people read of a refusal may be said in other words: code and status may not.
	{"B2B-ERR-001", regexp.MustCompile(``), func(c *comparison, body any) any {
		if m, ok := body.(map[string]any); ok && c.status >= 400 {
			for _, name := range []string{"error", "message"} {
				if _, says := m[name]; says {
					m[name] = anyText{}
				}
			}
		}
		return body
	}},
	{"B2B-IMP-006", regexp.MustCompile(`/messages`), func(c *comparison, body any) any {
		if c.target == "postgres" {
			return everyText(body, func(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") })
		}
		return body
	}},
	{"B2B-AUTH-031", regexp.MustCompile(`^/api/audit`), func(_ *comparison, body any) any {
		for _, e := range list(body) {
			for _, place := range []struct{ in, name string }{{"", "target_id"}, {"detail", "cleared_by_session"}} {
				m, ok := e.(map[string]any)
				if place.in != "" {
					m, ok = m[place.in].(map[string]any)
				}
				if id, is := m[place.name].(string); ok && is && sessionID.MatchString(id) {
					sum := sha256.Sum256([]byte("session ref\x00" + id))
					m[place.name] = hex.EncodeToString(sum[:8])
				}
			}
		}
		return body
	}},
	{"B2B-IMP-006", regexp.MustCompile(`^/api/(me/tokens|org/tickets)`), func(_ *comparison, body any) any {
		rows := list(body)
		if rows == nil {
			rows = list(member(body, "items"))
		}
		for _, row := range rows {
			if whole, _, fraction := strings.Cut(text(row, "expires_at"), "."); fraction {
				row.(map[string]any)["expires_at"] = json.Number(whole)
			}
		}
		return body
	}},
}

// A difference that the specification does not make is none that may be allowed.
func TestAllowancesAreSpecified(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range allowances {
		if !strings.Contains(string(spec), "**"+a.requirement+"** (") {
			t.Errorf("SPEC.md has no %s", a.requirement)
		}
	}
}

var sessionID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// moving are members that change by themselves, or by asking.
var moving = regexp.MustCompile(`\.(last_seen_at|last_used_at|online)$`)

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func byAge(a, b any) int {
	return cmp.Or(cmp.Compare(text(a, "created_at"), text(b, "created_at")), cmp.Compare(text(a, "id"), text(b, "id")))
}

func member(v any, name string) any {
	if m, ok := v.(map[string]any); ok {
		return m[name]
	}
	return nil
}

func text(v any, name string) string {
	switch v := member(v, name).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// anyText is wanted where any text that is not empty will do.
type anyText struct{}

// everyText changes all texts within a value.
func everyText(v any, change func(string) string) any {
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		for i := range v {
			v[i] = everyText(v[i], change)
		}
	case map[string]any:
		for name := range v {
			v[name] = everyText(v[name], change)
		}
	}
	return v
}
