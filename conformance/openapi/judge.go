package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxFaults limits the faults reported for one value: further ones are usually consequences.
const maxFaults = 3

// judge validates JSON text against a schema of the document. If closed is set, keys that the
// schema does not describe are faults.
func (c *Document) judge(schema any, text []byte, closed bool) []string {
	value, err := decode(text)
	if err != nil {
		return []string{" is not JSON"}
	}
	return c.judgeValue(schema, value, closed)
}

// judgeValue is judge for a decoded value.
func (c *Document) judgeValue(schema, value any, closed bool) (out []string) {
	faults := c.validate(schema, value, nil)
	if closed && len(faults) == 0 {
		faults = c.undescribed(schema, value, nil)
	}
	for _, f := range faults {
		if text := f.String(); !slices.Contains(out, text) && len(out) < maxFaults {
			out = append(out, text)
		}
	}
	return out
}

// decode reads one JSON value, numbers as json.Number.
func decode(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is more text after the value")
	}
	return v, nil
}

// at follows keys of objects and indexes of arrays. It returns nil if a step does not exist.
func at(v any, steps ...string) any {
	for _, step := range steps {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// follow resolves the references of an object of the document. It returns nil if v is not an
// object.
func (c *Document) follow(v any) map[string]any {
	for range 8 { // chains of references are short
		o, _ := v.(map[string]any)
		ref, ok := o["$ref"].(string)
		if !ok {
			return o
		}
		v = c.resolve(ref)
	}
	return nil
}

// resolve returns the target of a reference within the document, or nil.
func (c *Document) resolve(ref string) any {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	steps := strings.Split(pointer, "/")
	for i, step := range steps {
		steps[i] = unescape(step)
	}
	return at(c.root, steps...)
}

// escape returns a key as a segment of a JSON pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

// unescape returns the key that a segment of a JSON pointer names.
func unescape(segment string) string {
	return strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~")
}

// A fault is one keyword of a schema that a value violates. It does not contain the value.
type fault struct {
	place   []string
	keyword string
	detail  string
}

func (f fault) String() string {
	return fmt.Sprintf(" at /%s violates %s: %s", strings.Join(f.place, "/"), f.keyword, f.detail)
}
