package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/store"
)

// It proves B2B-IMP-010.
func TestFileBelow(t *testing.T) {
	t.Parallel()
	shared := map[string]bool{"files/a.txt": true}
	for path, want := range map[string][2]string{
		"files/b.txt":                 {"b.txt", ""},
		"files/org/bot/ab/abc.txt":    {"org/bot/ab/abc.txt", ""},
		"files/org/ab/abc.txt":        {"org/ab/abc.txt", ""},
		"files/..x":                   {"..x", ""},
		"files/a.txt":                 {"", twice},
		"files/other/bot/ab/abc.txt":  {"", foreign},
		"files/_tmp/abc.txt":          {"", foreign},
		"files/ORG/bot/ab/abc.txt":    {"", foreign},
		"hxa-connect.db":              {"", outside},
		"files":                       {"", outside},
		"files/":                      {"", outside},
		"":                            {"", outside},
		".":                           {"", outside},
		"files/../hxa-connect.db":     {"", outside},
		"files/org/../other/a.txt":    {"", outside},
		"files/./a.txt":               {"", outside},
		"files//a.txt":                {"", outside},
		"./files/a.txt":               {"", outside},
		"/files/a.txt":                {"", outside},
		"/etc/passwd":                 {"", outside},
		"files/a\x00.txt":             {"", outside},
		"files/org/..":                {"", outside},
		"files/../../../etc/passwd":   {"", outside},
		"other/files/org/bot/abc.txt": {"", outside},
	} {
		name, why := fileBelow(path, "org", shared)
		if name != filepath.FromSlash(want[0]) || why != want[1] {
			t.Errorf("fileBelow(%q) = %q, %q, want %q, %q", path, name, why, want[0], want[1])
		}
	}
}

// The reason that an org is refused for is the true one.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for rule, want := range map[store.Conflict]string{
		store.ConflictOther: "breaks a rule", store.ConflictReference: "points at another", store.ConflictToken: "here already", store.ConflictID: "here already",
	} {
		if got := refusal(rule); !strings.Contains(got, want) {
			t.Errorf("refusal(%v) = %q", rule, got)
		}
	}
}
