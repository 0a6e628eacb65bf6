package mcp

import (
	"strings"
	"testing"
)

func TestHandles(t *testing.T) {
	t.Parallel()
	for _, p := range []place{
		{"t", "thread", "message", 1790000000000, 4096}, {"c", "channel", "m", 0, 1}, {"a", "thread", "report_v1.~md", 3, 0},
	} {
		if got, err := parsePlace(p.String()); err != nil || got != p {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
	}
	for _, text := range []string{"", ":::::", "t:a:b:1", "x:a:b:1:2", "t:a:b:x:2", "t:a:b:1:-2", "tc:a:b:1:2", "t:a:b:1:2:3"} {
		if p, err := parsePlace(text); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
	if h, err := parseHeld("42:lease.x:y"); err != nil || *h != (held{"42", "lease.x:y"}) || h.String() != "42:lease.x:y" {
		t.Errorf("the delivery is %+v, %v", h, err)
	}
	if h, err := parseHeld(""); h != nil || err != nil || h.settles() != nil || h.requestID() != nil {
		t.Errorf("no delivery is %+v, %v", h, err)
	}
	for _, text := range []string{"42", ":x", "42:"} {
		if _, err := parseHeld(text); err == nil {
			t.Errorf("%q is a delivery", text)
		}
	}
}

func TestMentioning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		names []string
		want  string
	}{
		{"hello", nil, "hello"}, {"hello", []string{"ann"}, "@ann hello"}, {"hello @ann", []string{"@ann", "bob"}, "@bob hello @ann"},
	} {
		if got := mentioning(c.text, c.names); got != c.want {
			t.Errorf("mentioning(%q, %v) = %q, want %q", c.text, c.names, got, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b, want string }{
		{"a b c", "a b c", ""},
		{"a b c", "a x c", "@@ -2 +2 @@|-b|+x"},
		{"", "a", "@@ -1 +1 @@|-|+a"},
		{"a b c d e", "a c d x e", "@@ -2 +2 @@|-b|@@ -5 +4 @@|+x"},
		{"a", "a b", "@@ -2 +2 @@|+b"},
	} {
		if got := strings.Join(diff(strings.Split(c.a, " "), strings.Split(c.b, " ")), "|"); got != c.want {
			t.Errorf("diff(%q, %q) = %s, want %s", c.a, c.b, got, c.want)
		}
	}
	long := strings.Split(strings.Repeat("x\n", diffLines+1)+"y", "\n")
	if got := diff(long, []string{"z"}); len(got) != len(long)+2 {
		t.Errorf("the diff of many lines has %d", len(got))
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := &window{skip: 3, most: 4}
	var err error
	for _, piece := range []string{"ab", "cdef", "ghij"} {
		if _, err = w.Write([]byte(piece)); err != nil {
			break
		}
	}
	if string(w.kept) != "defg" || err != errEnough {
		t.Errorf("kept %q, %v", w.kept, err)
	}
}
