package contract

import (
	"maps"
	"slices"
)

// strangers finds the keys of a valid value that its schema does not describe. A schema with additionalProperties says
// itself what it thinks of others, one without properties describes none, and one that is made of several is not closed.
func (c *Contract) strangers(schema, v any, place []string) (out []fault) {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		out = append(out, c.strangers(c.resolve(ref), v, place)...)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if branch, ok := c.fitting(list(s[keyword]), v); ok {
			out = append(out, c.strangers(branch, v, place)...)
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
				out = append(out, c.strangers(described, v[key], within)...)
			} else if closed {
				out = append(out, fault{within, "properties", "this key is not described"})
			}
		}
	case []any:
		for _, element := range v {
			out = append(out, c.strangers(s["items"], element, append(slices.Clone(place), "*"))...)
		}
	}
	return out
}

// fitting is the first of the schemas that a value fits.
func (c *Contract) fitting(branches []any, v any) (any, bool) {
	i := slices.IndexFunc(branches, func(b any) bool { return len(c.validate(b, v, nil)) == 0 })
	if i < 0 {
		return nil, false
	}
	return branches[i], true
}
