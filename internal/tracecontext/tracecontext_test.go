package tracecontext

import (
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// TestParse: a traceparent of version 00 in lower case is valid; every other text is none, and an
// invalid tracestate is left out (B2B-MSG-060, B2B-MSG-061).
func TestParse(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range maxEntries {
		many = append(many, "k"+string(rune('a'+i%26))+string(rune('a'+i/26))+"=1")
	}
	full := strings.Join(many, ",")
	for _, c := range []struct {
		name, parent, state string
		want                Context
	}{
		{"sampled", parent, "", Context{Parent: parent}},
		{"other flags", parent[:53] + "fe", "", Context{Parent: parent[:53] + "fe"}},
		{"empty", "", "a=1", Context{}},
		{"short", parent[:54], "", Context{}},
		{"long", parent + "0", "", Context{}},
		{"later version", "01" + parent[2:], "", Context{}},
		{"version ff", "ff" + parent[2:], "", Context{}},
		{"upper case", strings.ToUpper(parent), "", Context{}},
		{"no trace", "00-" + strings.Repeat("0", 32) + parent[35:], "", Context{}},
		{"no span", parent[:36] + strings.Repeat("0", 16) + parent[52:], "", Context{}},
		{"no hex", parent[:3] + "g" + parent[4:], "", Context{}},
		{"no flags", parent[:53] + "0x", "", Context{}},
		{"other dash", parent[:35] + "_" + parent[36:], "", Context{}},
		{"line break", parent[:53] + "\r\n", "", Context{}},
		{"state", parent, "vendor=opaque,t61rcwkgmze@az=1/2", Context{parent, "vendor=opaque,t61rcwkgmze@az=1/2"}},
		{"empty entries", parent, "a=1,,b=2 , ", Context{parent, "a=1,,b=2 , "}},
		{"32 entries", parent, full, Context{parent, full}},
		{"33 entries", parent, full + ",x=1", Context{Parent: parent}},
		{"long state", parent, "a=" + strings.Repeat("b", 250) + ",b=" + strings.Repeat("b", 250) + ",c=1234567", Context{Parent: parent}},
		{"same key", parent, "a=1,a=2", Context{Parent: parent}},
		{"no value", parent, "a=", Context{Parent: parent}},
		{"no key", parent, "=1", Context{Parent: parent}},
		{"no equals sign", parent, "a", Context{Parent: parent}},
		{"two equals signs", parent, "a=1=2", Context{Parent: parent}},
		{"capital key", parent, "A=1", Context{Parent: parent}},
		{"control character", parent, "a=1\x7f", Context{Parent: parent}},
		{"line break in the state", parent, "a=1\r\nx: y", Context{Parent: parent}},
		{"only commas", parent, ",,", Context{Parent: parent}},
		{"long system", parent, "a@abcdefghijklmno=1", Context{Parent: parent}},
	} {
		got := Parse(c.parent, c.state)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if back := FromText(got.Text()); back != got {
			t.Errorf("%s: %q is read as %+v", c.name, got.Text(), back)
		}
	}
}

// TestFromHeader: several traceparents are none, and several tracestates are one list.
func TestFromHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		parents, states []string
		want            Context
	}{
		{"none", nil, nil, Context{}},
		{"one", []string{parent}, nil, Context{Parent: parent}},
		{"two", []string{parent, parent}, nil, Context{}},
		{"one state", []string{parent}, []string{"a=1"}, Context{parent, "a=1"}},
		{"two states", []string{parent}, []string{"a=1", "b=2"}, Context{parent, "a=1,b=2"}},
		{"a state alone", nil, []string{"a=1"}, Context{}},
	} {
		h := http.Header{}
		for _, v := range c.parents {
			h.Add("traceparent", v)
		}
		for _, v := range c.states {
			h.Add("tracestate", v)
		}
		if got := FromHeader(h); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// FuzzParse: what is valid here has the length bounds and no line breaks, survives Text, and
// OpenTelemetry reads its tracestate, too.
func FuzzParse(f *testing.F) {
	f.Add(parent, "a=1,b@c=2")
	f.Add(parent+"\r\n", "a=1\r\n")
	f.Fuzz(func(t *testing.T, parent, state string) {
		c := Parse(parent, state)
		if c.Parent == "" && c.State != "" || len(c.Parent) > parentLength || len(c.State) > MaxState {
			t.Errorf("%q, %q: %+v", parent, state, c)
		}
		if strings.ContainsAny(c.Parent+c.State, "\r\n\x00") {
			t.Errorf("%q, %q: %+v has a line break", parent, state, c)
		}
		if back := FromText(c.Text()); back != c {
			t.Errorf("%+v is read as %+v", c, back)
		}
		if _, err := trace.ParseTraceState(c.State); err != nil {
			t.Errorf("OpenTelemetry does not read %q: %v", c.State, err)
		}
	})
}
