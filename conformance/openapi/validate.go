package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// This validator replaces a library because the libraries load all meta-schemas when a program
// starts, which costs b2b 14 ms and 2 MB at every start. It supports only the keywords that
// documents of servers use. An unknown keyword is a fault. A test compares it with a library.

// annotations are keywords that do not affect validity. In JSON Schema 2020-12, format is one.
var annotations = []string{
	"$comment", "contentMediaType", "default", "deprecated", "description", "discriminator", "example", "examples", "format",
	"readOnly", "title", "writeOnly",
}

// validate returns the faults of a value, the deepest first. Most values have none, so the keywords
// are taken in any order and only faults are sorted.
func (c *Document) validate(schema, v any, place []string) []fault {
	if allowed, ok := schema.(bool); ok {
		if allowed {
			return nil
		}
		return []fault{{place, "false", "nothing is allowed here"}}
	}
	s, ok := schema.(map[string]any)
	if !ok {
		return []fault{{place, "schema", "the schema is missing"}}
	}
	var out []fault
	for keyword := range s {
		out = append(out, c.keyword(s, keyword, v, place)...)
	}
	slices.SortFunc(out, func(a, b fault) int {
		return cmp.Or(len(b.place)-len(a.place), cmp.Compare(a.keyword, b.keyword), slices.Compare(a.place, b.place), cmp.Compare(a.detail, b.detail))
	})
	return out
}

func (c *Document) keyword(s map[string]any, keyword string, v any, place []string) []fault {
	rule := s[keyword]
	broken := func(format string, args ...any) []fault {
		return []fault{{slices.Clone(place), keyword, fmt.Sprintf(format, args...)}}
	}
	switch keyword {
	case "$ref":
		ref, _ := rule.(string)
		return c.validate(c.resolve(ref), v, place)
	case "type":
		if !hasType(rule, v) {
			return broken("is %s", typeOf(v))
		}
	case "const":
		if !equal(rule, v) {
			return broken("is a different %s", typeOf(v))
		}
	case "enum":
		if all, _ := rule.([]any); !slices.ContainsFunc(all, func(one any) bool { return equal(one, v) }) {
			return broken("is not one of the listed values")
		}
	case "allOf":
		var out []fault
		for _, branch := range list(rule) {
			out = append(out, c.validate(branch, v, place)...)
		}
		return out
	case "anyOf", "oneOf":
		return c.choice(s, keyword, v, place)
	case "properties", "required", "additionalProperties":
		if o, ok := v.(map[string]any); ok {
			return c.object(s, keyword, o, place)
		}
	case "items", "minItems", "maxItems":
		if a, ok := v.([]any); ok {
			return c.array(s, keyword, a, place)
		}
	case "minLength", "maxLength":
		if text, ok := v.(string); ok {
			return bound(keyword, float64(utf8.RuneCountInString(text)), rule, place)
		}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		if n, ok := v.(json.Number); ok {
			return bound(keyword, number(n), rule, place)
		}
	default:
		if !slices.Contains(annotations, keyword) && !strings.HasPrefix(keyword, "x-") {
			return broken("this keyword is not supported")
		}
	}
	return nil
}

// choice validates anyOf and oneOf. If no branch is valid, it returns the faults of the branch that
// the discriminator names, or of the branch with the deepest fault.
func (c *Document) choice(s map[string]any, keyword string, v any, place []string) []fault {
	fitting := 0
	var best []fault
	property, kind, named := discriminated(s, v)
	for _, branch := range list(s[keyword]) {
		if named && c.isOfOtherKind(branch, property, kind) {
			continue
		}
		faults := c.validate(branch, v, place)
		if len(faults) == 0 {
			fitting++
		} else if best == nil || better(faults[0], best[0]) {
			best = faults
		}
	}
	if fitting == 1 || fitting > 1 && keyword == "anyOf" {
		return nil
	}
	if fitting > 1 {
		return []fault{{slices.Clone(place), keyword, fmt.Sprintf("matches %d schemas, want one", fitting)}}
	}
	if named {
		if ref, ok := at(s, "discriminator", "mapping", kind).(string); ok {
			return c.validate(c.resolve(ref), v, place)
		}
		return []fault{{append(slices.Clone(place), property), keyword, "is not one of the types"}}
	}
	return best
}

// discriminated returns the property that discriminates the branches of a choice, and its text in
// the value, if there are both.
func discriminated(s map[string]any, v any) (property, kind string, ok bool) {
	property, ok = at(s, "discriminator", "propertyName").(string)
	if ok {
		kind, ok = at(v, property).(string)
	}
	return property, kind, ok
}

// isOfOtherKind reports whether a branch of a choice requires another text in a property than the
// value has, so that the value is not valid for it. It is the first look at each of the many types
// of events.
func (c *Document) isOfOtherKind(branch any, property, kind string) bool {
	constant, ok := at(c.follow(branch), "properties", property, "const").(string)
	return ok && constant != kind
}

// better reports whether fault a is more specific than fault b.
func better(a, b fault) bool {
	return len(a.place) > len(b.place) || len(a.place) == len(b.place) && b.keyword == "type" && a.keyword != "type"
}

func (c *Document) object(s map[string]any, keyword string, o map[string]any, place []string) (out []fault) {
	properties, _ := s["properties"].(map[string]any)
	if keyword == "required" {
		for _, key := range list(s[keyword]) {
			if name, _ := key.(string); !has(o, name) {
				out = append(out, fault{slices.Clone(place), keyword, name + " is missing"})
			}
		}
		return out
	}
	for key := range o {
		described, known := properties[key]
		switch {
		case known && keyword == "properties":
			out = append(out, c.validate(described, o[key], append(slices.Clone(place), key))...)
		case !known && keyword == "additionalProperties":
			out = append(out, c.validate(s[keyword], o[key], append(slices.Clone(place), "*"))...)
		}
	}
	return out
}

func (c *Document) array(s map[string]any, keyword string, a []any, place []string) (out []fault) {
	if keyword != "items" {
		return bound(keyword, float64(len(a)), s[keyword], place)
	}
	for _, element := range a {
		out = append(out, c.validate(s[keyword], element, append(slices.Clone(place), "*"))...)
	}
	return out
}

// bound checks a number against a limit. The keyword says whether it is a minimum or a maximum.
func bound(keyword string, n float64, rule any, place []string) []fault {
	limit, _ := rule.(json.Number)
	least, most := math.Inf(-1), math.Inf(1)
	switch edge := number(limit); keyword {
	case "exclusiveMinimum":
		least = math.Nextafter(edge, math.Inf(1))
	case "exclusiveMaximum":
		most = math.Nextafter(edge, math.Inf(-1))
	default:
		if strings.HasPrefix(keyword, "min") {
			least = edge
		} else {
			most = edge
		}
	}
	if n < least || n > most {
		return []fault{{slices.Clone(place), keyword, "exceeds the limit " + limit.String()}}
	}
	return nil
}

// equal compares values. Numbers are equal if their values are, whatever their notation.
func equal(a, b any) bool {
	x, ok := a.(json.Number)
	y, also := b.(json.Number)
	if ok && also {
		return number(x) == number(y)
	}
	return reflect.DeepEqual(a, b)
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func has(o map[string]any, key string) bool {
	_, ok := o[key]
	return ok
}

// number returns the closest float64. A number that is too large is infinite.
func number(n json.Number) float64 {
	f, _ := n.Float64() // for a range error, f is infinite
	return f
}

func hasType(rule, v any) bool {
	if kinds, ok := rule.([]any); ok {
		return slices.ContainsFunc(kinds, func(kind any) bool { return hasType(kind, v) })
	}
	switch v := v.(type) {
	case nil:
		return rule == "null"
	case bool:
		return rule == "boolean"
	case string:
		return rule == "string"
	case json.Number:
		f := number(v)
		return rule == "number" || rule == "integer" && f == math.Trunc(f)
	case []any:
		return rule == "array"
	}
	return rule == "object"
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}
