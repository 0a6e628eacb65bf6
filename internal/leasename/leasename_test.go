package leasename

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func name(t testing.TB, text string) Name {
	t.Helper()
	n, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", "repo/src/main.go", "repo/src/**", "**", "*", "*/*", "a/**/b", "a*b*c", "ü/表", "a b", "...", ".hidden/..x",
		strings.Repeat("a/", MaxSegments-1) + "a", strings.Repeat("*a", MaxStars),
	} {
		if n := name(t, text); n.String() != text {
			t.Errorf("%q became %q", text, n)
		}
	}
	for text, want := range map[string]string{
		"":                                      "must not be empty",
		"/a":                                    "begin or end",
		"a/":                                    "begin or end",
		"a//b":                                  "empty segment",
		"a/./b":                                 `segment "."`,
		"\U0010FFFF/a":                          "U+10FFFF",
		"../b":                                  `segment ".."`,
		"a**":                                   "whole segment",
		"a/***":                                 "whole segment",
		"a\nb":                                  "control characters",
		"a\x00":                                 "control characters",
		"a\xff":                                 "UTF-8",
		`a\b`:                                   "separate",
		"a/\u0085":                              "control characters",
		strings.Repeat("a/", MaxSegments) + "a": "segments",
		strings.Repeat("*a", MaxStars+1):        "at most 8 of",
		strings.Repeat("**/", MaxStars+1) + "a": "at most 8 of",
	} {
		if n, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want an error with %q", text, n, err, want)
		}
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"a":        {"", "a"},
		"a/bc/d":   {"", "a", "a/bc", "a/bc/d"},
		"a/b*/c":   {"", "a"},
		"ü/表/**/x": {"", "ü", "ü/表"},
		"*":        {""},
	} {
		n := name(t, text)
		if got := n.Heads(); !slices.Equal(got, want) || n.Head() != want[len(want)-1] {
			t.Errorf("%q: %q, head %q, want %q", text, got, n.Head(), want)
		}
		if n.Pattern() != strings.Contains(text, "*") {
			t.Errorf("%q: pattern %v", text, n.Pattern())
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "A", false},
		{"a", "a/b", false},
		{"a/**", "a", true},
		{"a/**", "a/b/c", true},
		{"a/**", "ab", false},
		{"a/*", "a", false},
		{"a/*", "a/b", true},
		{"a/*", "a/b/c", false},
		{"a/*.go", "a/main.go", true},
		{"a/*.go", "a/main.txt", false},
		{"a/*.go", "a/main.*", true},
		{"a/*.go", "a/*.txt", false},
		{"a/x*", "a/*y", true},
		{"a/x*", "a/y*", false},
		{"**/x", "a/**", true},
		{"**/x", "a/*/y", false},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/**", true},
		{"a/**/b/**/c", "a/c", false},
		{"**", "any/thing", true},
		{"*", "any/thing", false},
		{"é*", "*é", true},
		{"*é", "*è", false},
		{"a*bc*d", "abcbd", true},
		{"a*bc*d", "abdd", false},
		{"ab*", "a", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"*ab*ab*", "xabx", false},
	} {
		a, b := name(t, c.a), name(t, c.b)
		if a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
			t.Errorf("%q and %q: %v, %v, want %v", c.a, c.b, a.Overlaps(b), b.Overlaps(a), c.want)
		}
	}
}

// expression returns the regular expression of the paths that a name names.
func expression(n Name) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for i, s := range n.segments {
		if s == deep {
			if i == 0 {
				b.WriteString("(?:[^/]+(?:/|$))*")
			} else {
				b.WriteString("(?:/[^/]+)*")
			}
			continue
		}
		if i > 0 && !(i == 1 && n.segments[0] == deep) {
			b.WriteString("/")
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, "[^/]*"))
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

// TestOverlapsIsCommonPath compares Overlaps with a search through all short paths, for all pairs of
// some names that the same few letters make.
func TestOverlapsIsCommonPath(t *testing.T) {
	t.Parallel()
	var paths []string
	segments := []string{"a", "b", "aa", "ab", "ba", "bb", "aab", "aba"}
	for _, x := range segments {
		paths = append(paths, x)
		for _, y := range segments {
			paths = append(paths, x+"/"+y)
			for _, z := range segments {
				paths = append(paths, x+"/"+y+"/"+z)
				paths = append(paths, x+"/"+y+"/"+z+"/a", x+"/"+y+"/"+z+"/b", x+"/"+y+"/"+z+"/a/b")
			}
		}
	}
	parts := []string{"a", "b", "ab", "*", "a*", "*b", "a*b", "**"}
	names := []string{}
	for _, x := range parts {
		names = append(names, x)
		for _, y := range parts {
			names = append(names, x+"/"+y)
			if x == deep && y == deep {
				continue // two in a row are one; the expressions above do not write them
			}
			for _, z := range []string{"a", "*", "**"} {
				if y != deep || z != deep {
					names = append(names, fmt.Sprintf("%s/%s/%s", x, y, z))
				}
			}
		}
	}
	type entry struct {
		name Name
		has  []bool
	}
	var all []entry
	for _, text := range names {
		if text == "**/**" {
			continue
		}
		e := entry{name: name(t, text)}
		re := expression(e.name)
		for _, p := range paths {
			e.has = append(e.has, re.MatchString(p))
		}
		all = append(all, e)
	}
	for i, a := range all {
		for _, b := range all[i:] {
			want := false
			for k := range paths {
				want = want || a.has[k] && b.has[k]
			}
			if got := a.name.Overlaps(b.name); got != want {
				t.Errorf("%q and %q: %v, a search through paths says %v", a.name, b.name, got, want)
			}
		}
	}
}

// FuzzOverlaps: overlapping is symmetric; a name overlaps itself and **; and overlapping names have
// heads of which one begins the other, by which the store finds candidates.
func FuzzOverlaps(f *testing.F) {
	f.Add("a/**", "a/b*/c")
	f.Add("**/x", "é*/y")
	f.Fuzz(func(t *testing.T, x, y string) {
		a, err := Parse(x)
		if err != nil {
			return
		}
		b, err := Parse(y)
		if err != nil {
			return
		}
		if !a.Overlaps(a) || !a.Overlaps(name(t, "**")) {
			t.Errorf("%q does not overlap itself or **", x)
		}
		if a.Overlaps(b) != b.Overlaps(a) {
			t.Errorf("%q and %q: not symmetric", x, y)
		}
		if a.Overlaps(b) && !slices.Contains(a.Heads(), b.Head()) && !slices.Contains(b.Heads(), a.Head()) {
			t.Errorf("%q and %q overlap, but neither head begins the other: %q, %q", x, y, a.Head(), b.Head())
		}
		if !a.Pattern() && !b.Pattern() && a.Overlaps(b) != (x == y) {
			t.Errorf("%q and %q: paths overlap only if they are equal", x, y)
		}
	})
}

// BenchmarkOverlaps measures the dearest pair that the limits allow.
func BenchmarkOverlaps(b *testing.B) {
	x := name(b, strings.Repeat("**/a*/", MaxStars/2)+strings.Repeat("a/", MaxSegments-MaxStars-1)+"a")
	y := name(b, strings.Repeat("a/", MaxSegments-1)+strings.Repeat("a", 400))
	b.ReportAllocs()
	for b.Loop() {
		x.Overlaps(y)
	}
}
