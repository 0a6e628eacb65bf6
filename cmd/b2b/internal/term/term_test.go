package term_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{ // several lines, one line
		"plain":              {"plain", "plain"},
		"two\nlines":         {"two\nlines", "two lines"},
		"two\r\nlines":       {"two\nlines", "two lines"},
		"a\rb":               {`a\x0db`, "a b"},
		"a\tb":               {"a    b", "a    b"},
		"\x1b[31mred":        {`\x1b[31mred`, `\x1b[31mred`},
		"\u009b31m":          {`\x9b31m`, `\x9b31m`},
		"\x07\x00\x7f":       {`\x07\x00\x7f`, `\x07\x00\x7f`},
		"\u202eevil":         {`\u202eevil`, `\u202eevil`},
		"a\u2028b":           {`a\u2028b`, `a\u2028b`},
		"\u200bhidden":       {`\u200bhidden`, `\u200bhidden`},
		"\U000e0041tag":      {`\U000e0041tag`, `\U000e0041tag`},
		"\xff\xfe":           {`\xff\xfe`, `\xff\xfe`},
		"\ufffd":             {"\ufffd", "\ufffd"},
		"👩‍👧 é 数据":           {"👩‍👧 é 数据", "👩‍👧 é 数据"},
		`already \x1b there`: {`already \x1b there`, `already \x1b there`},
	} {
		if got := term.Escape(text); got != want[0] {
			t.Errorf("Escape(%q) = %q, want %q", text, got, want[0])
		}
		if got := term.Line(text); got != want[1] {
			t.Errorf("Line(%q) = %q, want %q", text, got, want[1])
		}
	}
}

// FuzzEscape: no text of others has a character that does something else than to show itself.
func FuzzEscape(f *testing.F) {
	f.Add("\x1b]0;title\x07 \u202e \xff")
	f.Fuzz(func(t *testing.T, text string) {
		for i, got := range []string{term.Escape(text), term.Line(text)} {
			if !utf8.ValidString(got) {
				t.Fatalf("%q is not valid", got)
			}
			for _, r := range got {
				if r < ' ' && (i == 1 || r != '\n') || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028' {
					t.Fatalf("%q has %U", got, r)
				}
			}
		}
	})
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		most int
		want string
	}{
		{"one two three", 8, "one two|three"},
		{"one two three", 0, "one two three"},
		{"one\n\ntwo", 8, "one||two"},
		{"abcdefghij", 4, "abcd|efgh|ij"},
		{"数据库数据库", 5, "数据|库数|据库"},
		{"数", 1, "数"},
		{"a 数据库", 4, "a|数据|库"},
		{"", 4, ""},
		{"exact fit", 9, "exact fit"},
	} {
		if got := strings.Join(term.Wrap(tt.text, tt.most), "|"); got != tt.want {
			t.Errorf("%q in %d columns: %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}

// FuzzWrap: nothing but blanks is lost, and the lines are as long as they may be.
func FuzzWrap(f *testing.F) {
	f.Add("one two three", 5)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if !utf8.ValidString(text) || most < 2 || most > 200 || len(text) > 1000 {
			return
		}
		lines := term.Wrap(text, most)
		for _, line := range lines {
			if term.Cells(line) > most {
				t.Fatalf("%q takes %d columns of %d", line, term.Cells(line), most)
			}
		}
		without := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if without(strings.Join(lines, "")) != without(text) {
			t.Fatalf("%q became %q", text, lines)
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"short": "short", "a longer text": "a lon…", "数据库数据库": "数据…", "": ""} {
		if got := term.Cut(text, 6); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.Local)
	for d, want := range map[time.Duration]string{
		0: "now", 9 * time.Second: "now", 50 * time.Second: "50 s ago", 3 * time.Minute: "3 min ago", 5 * time.Hour: "5 h ago",
		50 * time.Hour: "2 d ago", 30 * 24 * time.Hour: "2026-10-31 12:00", -5 * time.Minute: "in 5 min",
	} {
		if got := term.Ago(now, now.Add(-d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &term.Printer{W: &out, Width: 20, Color: true}
	p.Table([][]string{{"a", "数据", "the last cell is cut"}, {"long", "b", "x"}}, func(i int, cell string) string {
		if i == 0 {
			return p.Bold(cell)
		}
		return cell
	})
	want := "\x1b[1ma\x1b[0m     数据  the last …\n\x1b[1mlong\x1b[0m  b     x\n"
	if p.Err() != nil || out.String() != want {
		t.Errorf("%q, want %q, %v", out.String(), want, p.Err())
	}
}
