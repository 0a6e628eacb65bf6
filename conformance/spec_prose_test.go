package conformance

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// columns is the width at which the prose of SPEC.md wraps.
const columns = 100

// overlong returns the numbers of the lines of a Markdown text that are wider than columns.
// Rows of tables and code blocks, which cannot wrap, are exempt.
func overlong(text string) (lines []int) {
	code := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if !code && !strings.HasPrefix(line, "|") && utf8.RuneCountInString(line) > columns {
			lines = append(lines, i+1)
		}
	}
	return lines
}

// TestSpecIsWrapped checks that the prose of SPEC.md wraps. A requirement goes on in the lines
// after the one with its id, up to the next empty line or to the end of a list.
func TestSpecIsWrapped(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range overlong(string(text)) {
		t.Errorf("SPEC.md:%d: wider than %d columns, wrap it: a requirement may have several lines", n, columns)
	}
}

func TestOverlong(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("é", columns)
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"just fits":  {wide, 0},
		"too wide":   {"x\n" + wide + "x", 1},
		"table":      {"| " + wide + " |", 0},
		"code":       {"```\n" + wide + "x\n```", 0},
		"after code": {"```\n" + wide + "x\n```\n" + wide + "x", 1},
	} {
		if got := overlong(c.text); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
