package contract

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

// most is how many faults are told of one value: the rest follow from them as a rule.
const most = 3

// judge validates JSON against a schema of the document; closed: and finds keys that the schema does not describe.
func (c *Contract) judge(schema any, text []byte, closed bool) []string {
	value, err := decode(text)
	if err != nil {
		return []string{" is not JSON"}
	}
	var out []string
	faults := c.validate(schema, value, nil)
	if closed && len(faults) == 0 {
		faults = c.strangers(schema, value, nil)
	}
	for _, f := range faults {
		if told := f.String(); !slices.Contains(out, told) && len(out) < most {
			out = append(out, told)
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
		return nil, errors.New("there is more behind the value")
	}
	return v, nil
}

// at walks keys of objects and indexes of arrays, and answers nil where there is nothing.
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

// follow is an object of the document behind its references, or nil.
func (c *Contract) follow(v any) map[string]any {
	for range 8 { // a chain of references is one or two long
		o, _ := v.(map[string]any)
		ref, ok := o["$ref"].(string)
		if !ok {
			return o
		}
		v = c.resolve(ref)
	}
	return nil
}

// resolve finds what a reference within the document names, or nil.
func (c *Contract) resolve(ref string) any {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	steps := strings.Split(pointer, "/")
	for i, step := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	return at(c.root, steps...)
}

// escape makes a key a step of a pointer.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// A fault is one keyword of a schema that a value breaks, told without the value.
type fault struct {
	place   []string
	keyword string
	detail  string
}

func (f fault) String() string {
	return fmt.Sprintf(" at /%s breaks %s: %s", strings.Join(f.place, "/"), f.keyword, f.detail)
}
