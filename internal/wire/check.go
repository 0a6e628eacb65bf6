package wire

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/internal/limits"
)

// CheckBody reports whether data can be the JSON body of a request: UTF-8; valid JSON; an object or
// an array; not nested deeper than allowed; in the outermost object no key twice and not too many
// keys. Its error is a *[FieldError]. So a body can be refused before its message type is known;
// [Decode] makes the same checks itself.
func CheckBody(data []byte) error {
	if err := check(data); err != nil {
		return err
	}
	body := trimSpace(data)
	if body[0] == '[' {
		return nil
	}
	if body[0] != '{' {
		return wants("must be a JSON object")
	}
	var keys keySet
	for rawKey := range members(body) {
		if fault := keys.add(unquote(rawKey)); fault != nil {
			return fault
		}
	}
	return nil
}

// check reports whether the scanner of this package can read data.
func check(data []byte) error {
	switch {
	case !utf8.Valid(data):
		return wants("must be UTF-8")
	case limits.Depth(data) > limits.MaxJSONDepth:
		return wants("must be at most %d levels deep", limits.MaxJSONDepth)
	case !json.Valid(data):
		return wants("must be valid JSON")
	}
	return nil
}

// A keySet is the set of keys of one object; nearly all are small.
type keySet struct {
	few  [16]string
	n    int // of few
	many map[string]struct{}
}

// add adds a key; it returns an error if the key is in the set already, or if there are too many
// keys.
func (s *keySet) add(key string) *FieldError {
	if slices.Contains(s.few[:s.n], key) {
		return twice(key)
	}
	if s.n < len(s.few) {
		s.few[s.n] = key
		s.n++
		return nil
	}
	if _, known := s.many[key]; known {
		return twice(key)
	}
	if s.n+len(s.many) == limits.MaxElements {
		return tooMany()
	}
	if s.many == nil {
		s.many = make(map[string]struct{})
	}
	s.many[key] = struct{}{}
	return nil
}

// tooMany returns the error for more elements than a request may have.
func tooMany() *FieldError { return wants("must have at most %d elements", limits.MaxElements) }
