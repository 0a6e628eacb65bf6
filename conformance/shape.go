package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Shape asserts the members of a JSON object. The spec lists members as key:type, separated by
// spaces; !key means that the member must be absent. Other members are allowed. The types, which a
// final ? makes nullable:
//
//	s string   n number   i whole number   b boolean   o object   a array   * anything
//	[s]        array of strings
//	=x|y       one of the texts x and y
func (t *T) Shape(what string, v any, spec string) {
	o, ok := v.(map[string]any)
	if !ok {
		t.Errorf("%s: %s is not an object", what, show(v))
		return
	}
	for field := range strings.FieldsSeq(spec) {
		if key, gone := strings.CutPrefix(field, "!"); gone {
			if _, there := o[key]; there {
				t.Errorf("%s: %s must be absent", what, key)
			}
			continue
		}
		key, typ, _ := strings.Cut(field, ":")
		got, there := o[key]
		switch {
		case !there:
			t.Errorf("%s: %s is missing", what, key)
		case !fits(got, typ):
			t.Errorf("%s: %s is %s, want %s", what, key, show(got), typ)
		}
	}
}

// fits reports whether v has a type in the notation of [T.Shape].
func fits(v any, typ string) bool {
	base, nullable := strings.CutSuffix(typ, "?")
	if v == nil {
		return nullable || base == "*"
	}
	if set, ok := strings.CutPrefix(base, "="); ok {
		s, isText := v.(string)
		return isText && slices.Contains(strings.Split(set, "|"), s)
	}
	switch base {
	case "*":
		return true
	case "s":
		_, ok := v.(string)
		return ok
	case "n":
		_, ok := v.(json.Number)
		return ok
	case "i":
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		_, err := n.Int64()
		return err == nil
	case "b":
		_, ok := v.(bool)
		return ok
	case "o":
		_, ok := v.(map[string]any)
		return ok
	case "a":
		_, ok := v.([]any)
		return ok
	case "[s]":
		l, ok := v.([]any)
		return ok && !slices.ContainsFunc(l, func(e any) bool { _, s := e.(string); return !s })
	}
	panic(fmt.Sprintf("conformance: a check names the unknown type %q", typ))
}
