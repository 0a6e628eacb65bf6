package jsonrepair

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/complexitytest"
)

func TestValidStaysUntouched(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, `null`, `0`, `"x"`, ` { "a" : 1 } `, `{"b":1,"a":9007199254740993}`, `{"k":"a,]b"}`, `"it's, ]"`,
		"[1,\n2]\n", `{"a":1,"a":2}`, `"\u00e9\/"`,
	} {
		if got, ok := Repair(text); !ok || got != text {
			t.Errorf("Repair(%q) = %q, %v", text, got, ok)
		}
	}
}

func TestRepaired(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// The inputs of the table of B2B-ART-021.
		`{'a': 'b'}`:          `{"a": "b"}`,
		`{"a":[1,2,],}`:       `{"a":[1,2]}`,
		`{'q':'say "hi"'}`:    `{"q":"say \"hi\""}`,
		`{'steps': [1, 2,],}`: `{"steps": [1, 2]}`,
		`{"k":"a,]b",}`:       `{"k":"a,]b"}`, // our deviation: the string is whole
		// And their neighbours.
		"[1,\u00a0\u3000\ufeff]": `[1]`,
		"{\"a\":1 , \n\t }":      `{"a":1 }`,
		`{"it's": 1,}`:           `{"it's": 1}`,
		`{"a":"'x'",}`:           `{"a":"'x'"}`,
		`{"a":"\",]",}`:          `{"a":"\",]"}`,
		`['a,]']`:                `["a,]"]`,
		`['say \"hi\"']`:         `["say \"hi\""]`,
		`['a\\']`:                `["a\\"]`,
		`['\n\u00e9']`:           `["\n\u00e9"]`,
		`['', "" ,]`:             `["", "" ]`,
		`'x'`:                    `"x"`,
		`['é👍所']`:                `["é👍所"]`,
		`[[1,],[2,],]`:           `[[1],[2]]`,
		`[,]`:                    `[]`,
		`{ , }`:                  `{ }`,
	} {
		if got, ok := Repair(text); !ok || got != want {
			t.Errorf("Repair(%q) = %q, %v, want %q", text, got, ok, want)
		}
	}
}

func TestBeyondRepair(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		// The inputs of the table of B2B-ART-021.
		`{'a': 'it\'s'}`, `{a:1}`, `{"a":1} // note`, `/* note */ {"a":1}`, ``,
		// And their neighbours.
		` `, `{`, `{steps: 3`, `[1,,]`, `,`, `'`, `"`, `'a`, `"a`, `{'a':1`, `['a', 'b]`, `['\']`, `["a\`,
		"['a\nb']", `{"a":1}{"b":2}`, `{"a":undefined,}`, `[1;]`, "\ufeff{}", "[\"\xff\"]", `NaN`,
		strings.Repeat("[", 20000) + strings.Repeat(",]", 20000),
	} {
		if got, ok := Repair(text); ok || got != text {
			t.Errorf("Repair(%.60q) = %.60q, %v", text, got, ok)
		}
	}
}

func TestStoreAndEffectiveType(t *testing.T) {
	t.Parallel()
	content := func(s string) *string { return &s }
	for _, c := range []struct {
		kind    string
		content *string
		want    Version
	}{
		{"json", content(`{"a":1}`), Version{"json", content(`{"a":1}`), false}},
		{"json", content(`{'a':1,}`), Version{"json", content(`{"a":1}`), false}},
		{"json", content(`{a:1}`), Version{"text", content(`{a:1}`), true}},
		{"json", content(``), Version{"text", content(``), true}},
		{"json", nil, Version{"json", nil, false}},
		{"text", content(`{'a':1,}`), Version{"text", content(`{'a':1,}`), false}},
		{"markdown", content(`[1,]`), Version{"markdown", content(`[1,]`), false}},
		{"link", nil, Version{"link", nil, false}},
	} {
		if got := Store(c.kind, c.content); !reflect.DeepEqual(got, c.want) {
			t.Errorf("Store(%s, %v) = %+v", c.kind, c.content, got)
		}
	}

	healthy, downgraded := Version{Type: "json"}, Version{Type: "text", FormatWarning: true}
	plain, code := Version{Type: "text"}, Version{Type: "code"}
	for _, c := range []struct {
		name   string
		first  *Version
		latest Version
		want   string
	}{
		{"json stays json", &healthy, healthy, "json"},
		{"json that was downgraded later", &healthy, downgraded, "json"},
		{"json that was downgraded at once", &downgraded, downgraded, "json"},
		{"downgraded at once, healthy since", &downgraded, healthy, "json"},
		{"text", &plain, plain, "text"},
		{"code", &code, code, "code"},
		{"version 1 gone, healthy", nil, healthy, "json"},
		{"version 1 gone, downgraded", nil, downgraded, "text"},
	} {
		if got := EffectiveType(c.first, c.latest); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestVersions checks three versions of one artifact: repaired, stored as text, JSON again
// (B2B-ART-021 to 023).
func TestVersions(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	v1 := Store("json", text("{'steps': [1, 2,],}"))
	v2 := Store(EffectiveType(&v1, v1), text("{steps: 3"))
	v3 := Store(EffectiveType(&v1, v2), text(`{"steps":3}`))
	for i, c := range []struct {
		got  Version
		want Version
	}{
		{v1, Version{"json", text(`{"steps": [1, 2]}`), false}},
		{v2, Version{"text", text("{steps: 3"), true}},
		{v3, Version{"json", text(`{"steps":3}`), false}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("version %d = %+v", i+1, c.got)
		}
	}
}

// The worst texts take time in proportion to their length.
func TestLinearTime(t *testing.T) {
	// Not parallel: it measures time.
	for _, unit := range []string{",", ", ", "'", `"`, `\`, "',", "[", "[,]", "'\"'", ",\u3000", " "} {
		for _, start := range []string{"", "'", "[1,"} {
			if g := complexitytest.Growth(1<<10, func(size int) { Repair(start + strings.Repeat(unit, size/len(unit))) }); g > 32 {
				t.Errorf("after %q, eight times as many %q take %.0f times as long", start, unit, g)
			}
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, s := range []string{`{'a': 'b'}`, `{"a":[1,2,],}`, `{'q':'say "hi"'}`, `{'a': 'it\'s'}`, `{"k":"a,]b",}`, "[\"\xff\",]", ``} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Repair(text)
		if !ok && got != text {
			t.Fatalf("Repair(%q) refused and changed it to %q", text, got)
		}
		if ok && !json.Valid([]byte(got)) {
			t.Fatalf("Repair(%q) = %q, which is not JSON", text, got)
		}
		if len(got) > 2*len(text) {
			t.Fatalf("Repair(%q) grew to %d bytes", text, len(got))
		}
		if again, ok2 := Repair(got); ok && (!ok2 || again != got) {
			t.Fatalf("Repair is not stable: %q, then %q", got, again)
		}
		if json.Valid([]byte(text)) && ok && got != text {
			t.Fatalf("Repair changed the JSON %q to %q", text, got)
		}
	})
}
