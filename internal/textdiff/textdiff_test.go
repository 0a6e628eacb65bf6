package textdiff_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/textdiff"
)

func TestUnified(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, a, b, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"one line", "a\n", "b\n", "--- old\n+++ new\n@@ -1 +1 @@\n-a\n+b\n"},
		{"from nothing", "", "a\nb\n", "--- old\n+++ new\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"to nothing", "a\n", "", "--- old\n+++ new\n@@ -1 +0,0 @@\n-a\n"},
		{"no line break at the end", "a\nb", "a\nb\n", "--- old\n+++ new\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
		{"in the middle", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
			"--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := textdiff.Unified("old", "new", tt.a, tt.b); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestTwoHunks(t *testing.T) {
	t.Parallel()
	var a, b strings.Builder
	for i := range 30 {
		fmt.Fprintf(&a, "%d\n", i)
		if i != 5 && i != 25 {
			fmt.Fprintf(&b, "%d\n", i)
		}
	}
	got := textdiff.Unified("old", "new", a.String(), b.String())
	if strings.Count(got, "@@ -") != 2 || !strings.Contains(got, "@@ -3,7 +3,6 @@") || !strings.Contains(got,
		"@@ -23,7 +22,6 @@") {
		t.Error(got)
	}
}

// TestApplied: whatever the texts are, the difference makes the new one of the old one.
func TestApplied(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range random.IntN(40) {
			fmt.Fprintf(&b, "%d\n", random.IntN(6))
		}
		return strings.TrimSuffix(b.String(), strings.Repeat("\n", random.IntN(2)))
	}
	for range 3000 {
		a, b := text(), text()
		if got := apply(t, a, textdiff.Unified("old", "new", a, b)); got != b {
			t.Fatalf("%q to %q: %q", a, b, got)
		}
	}
}

// TestLarge: texts that have nothing in common take bounded work.
func TestLarge(t *testing.T) {
	t.Parallel()
	var a, b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	if got := apply(t, a.String(), textdiff.Unified("old", "new", a.String(), b.String())); got != b.String() {
		t.Error("the difference does not make the new text")
	}
}

// apply makes the new text of an old one and a difference.
func apply(t *testing.T, a, diff string) string {
	t.Helper()
	if diff == "" {
		return a
	}
	old := strings.SplitAfter(a, "\n")
	at := 0
	var out strings.Builder
	lines := strings.SplitAfter(diff, "\n")[2:]
	for i, line := range lines {
		if line == "" || line[0] == '\\' {
			continue
		}
		text := line[1:]
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], `\`) {
			text = strings.TrimSuffix(text, "\n")
		}
		switch line[0] {
		case '@':
			var from int
			if _, err := fmt.Sscanf(line, "@@ -%d", &from); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(line, ",0 +") {
				from--
			}
			for ; at < from; at++ {
				out.WriteString(old[at])
			}
		case '+':
			out.WriteString(text)
		default:
			if old[at] != text {
				t.Fatalf("line %d is %q, not %q", at, old[at], text)
			}
			at++
			if line[0] == ' ' {
				out.WriteString(text)
			}
		}
	}
	return out.String() + strings.Join(old[at:], "")
}
