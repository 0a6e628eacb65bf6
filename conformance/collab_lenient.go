package conformance

import (
	"fmt"
	"strings"
)

func lenientChecks() []Check {
	return []Check{
		{[]string{"B2B-ART-020"}, "valid JSON is stored unchanged", func(t *T) {
			h := newFixture(t)
			for _, text := range []string{
				`{"a": 1}`, ` { "a" : [ 1 , 2 ] } `, "{\n\t\"a\": null\n}", `[]`, `[1,2]`, `5`, `-0.5e3`, `"text"`, `"it's"`, `null`, `true`, `{"a":1,"a":2}`, `{"k":"a,]b","q":"'x'"}`, `{"u":"\u00e9 é 😀"}`, `1.0`,
			} {
				h.lenient(text, "json", text, false)
			}
		}},
		{[]string{"B2B-ART-021"}, "repairable JSON is stored repaired", func(t *T) {
			h := newFixture(t)
			for text, want := range map[string]string{
				`{'a': 'b'}`:             `{"a": "b"}`,
				`{"a":[1,2,],}`:          `{"a":[1,2]}`,
				`{'q':'say "hi"'}`:       `{"q":"say \"hi\""}`,
				`{"k":"a,]b",}`:          `{"k":"a,]b"}`,
				`{'steps': [1, 2,],}`:    `{"steps": [1, 2]}`,
				`[1,2,]`:                 `[1,2]`,
				`['a', "it's", 'b',]`:    `["a", "it's", "b"]`,
				`{"a": 'x', 'b': "y,}"}`: `{"a": "x", "b": "y,}"}`,
			} {
				h.lenient(text, "json", want, false)
			}
		}},
		{[]string{"B2B-ART-022"}, "JSON that cannot be repaired is stored as text with a warning", func(t *T) {
			h := newFixture(t)
			for _, text := range []string{`{'a': 'it\'s'}`, `{a:1}`, `// c`, `{"a":1} // c`, `/* c */ {}`, ``, ` `, `{`, `[1,2`, `{"a":`, `NaN`, `undefined`, `plain words`, `{"a" 1}`, `{"a":1}{"b":2}`, `{steps: 3`} {
				h.lenient(text, "text", text, true)
			}
			h.lenient(strings.Repeat("[", 5000), "text", strings.Repeat("[", 5000), true)
		}},
		{[]string{"B2B-ART-023"}, "an update is validated with the type of the first version", effectiveType},
	}
}

// lenient adds and updates an artifact of the type json with a text, and asserts the stored type
// and content.
func (h *fixture) lenient(text, typ, stored string, warning bool) {
	t := h.t
	if h.lenientThread == "" {
		h.lenientThread = h.thread(nil)
	}
	h.lenientCount++
	key := fmt.Sprint("k", h.lenientCount)
	for _, r := range []*Response{
		t.Do("POST", thr(h.lenientThread, "/artifacts"), h.Ann, J{"artifact_key": key, "type": "json", "content": text}),
		t.Do("PATCH", thr(h.lenientThread, "/artifacts/", key), h.Bob, J{"content": text}),
	} {
		r.OK().Equal("type", typ).Equal("content", stored).Equal("format_warning", warning)
	}
	versions := t.Get(thr(h.lenientThread, "/artifacts/", key, "/versions"), h.Ann).OK().Len("", 2)
	for _, at := range []string{"0.", "1."} {
		versions.Equal(at+"type", typ).Equal(at+"content", stored).Equal(at+"format_warning", warning)
	}
}

func effectiveType(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	type version struct {
		content, typ, stored string
		warning              bool
	}
	for key, c := range map[string]struct {
		typ      string
		versions []version
	}{
		"falls-and-rises": {"json", []version{{`{'a': 1,}`, "json", `{"a": 1}`, false}, {`{a: 3`, "text", `{a: 3`, true}, {`{"a":3}`, "json", `{"a":3}`, false}, {`[1,]`, "json", `[1]`, false}}},
		"born-broken":     {"json", []version{{`oops`, "text", `oops`, true}, {`still`, "text", `still`, true}, {`{'a': 1}`, "json", `{"a": 1}`, false}, {`oops`, "text", `oops`, true}, {`5`, "json", `5`, false}}},
		"plain":           {"text", []version{{`{'a': 1}`, "text", `{'a': 1}`, false}, {`{"a": 1}`, "text", `{"a": 1}`, false}, {`{a`, "text", `{a`, false}}},
		"marked":          {"markdown", []version{{`# t`, "markdown", `# t`, false}, {`{"a": 1,}`, "markdown", `{"a": 1,}`, false}}},
		"source":          {"code", []version{{`{'a': 1}`, "code", `{'a': 1}`, false}, {`{'b': 1}`, "code", `{'b': 1}`, false}}},
		"linked":          {"link", []version{{`[1,]`, "link", `[1,]`, false}, {`[2,]`, "link", `[2,]`, false}}},
		"attached":        {"file", []version{{`[1,]`, "file", `[1,]`, false}, {`[2,]`, "file", `[2,]`, false}}},
	} {
		for i, v := range c.versions {
			var r *Response
			if i == 0 {
				r = t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": key, "type": c.typ, "content": v.content})
			} else {
				r = t.Do("PATCH", thr(id, "/artifacts/", key), h.Bob, J{"content": v.content})
			}
			r.OK().Equal("version", i+1).Equal("type", v.typ).Equal("content", v.stored).Equal("format_warning", v.warning)
		}
	}
	t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "empty", "type": "json"}).OK().Equal("type", "json").Equal("content", nil).Equal("format_warning", false)
	t.Do("PATCH", thr(id, "/artifacts/empty"), h.Ann, J{"content": `{a`}).OK().Equal("type", "text").Equal("format_warning", true)
	t.Do("PATCH", thr(id, "/artifacts/empty"), h.Ann, J{"content": `{}`}).OK().Equal("type", "json").Equal("format_warning", false)
}
