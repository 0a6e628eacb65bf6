package openapi

import (
	"maps"
	"slices"
)

// undescribed returns the keys of a valid value that its schema does not describe. It ignores
// schemas with additionalProperties, schemas without properties and schemas that combine others.
func (c *Document) undescribed(schema, v any, place []string) (out []fault) {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		out = append(out, c.undescribed(c.resolve(ref), v, place)...)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if branch, ok := c.fitting(s, keyword, v); ok {
			out = append(out, c.undescribed(branch, v, place)...)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		properties, closed := s["properties"].(map[string]any)
		for _, beside := range []string{"additionalProperties", "$ref", "allOf", "anyOf", "oneOf"} {
			closed = closed && !has(s, beside)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			within := append(slices.Clone(place), key)
			if described, known := properties[key]; known {
				out = append(out, c.undescribed(described, v[key], within)...)
			} else if closed {
				out = append(out, fault{within, "properties", "this key is not described"})
			}
		}
	case []any:
		for _, element := range v {
			out = append(out, c.undescribed(s["items"], element, append(slices.Clone(place), "*"))...)
		}
	}
	return out
}

// fitting returns the first branch of a choice for which a value is valid.
func (c *Document) fitting(s map[string]any, keyword string, v any) (any, bool) {
	property, kind, named := discriminated(s, v)
	for _, branch := range list(s[keyword]) {
		if named && c.isOfOtherKind(branch, property, kind) {
			continue
		}
		if len(c.validate(branch, v, nil)) == 0 {
			return branch, true
		}
	}
	return nil, false
}
