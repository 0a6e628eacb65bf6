package importer

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// validText returns s as valid UTF-8, decoded as HXA-Connect did: each longest incomplete
// prefix of a character becomes one U+FFFD. So half a surrogate pair, which is three bytes,
// becomes three.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			b.WriteRune(utf8.RuneError)
			s = s[begun(s):]
			continue
		}
		b.WriteString(s[:n])
		s = s[n:]
	}
	return b.String()
}

// begun returns the length of the incomplete character at the start of s, at least 1.
func begun(s string) int {
	low, high, more := byte(0x80), byte(0xBF), 0
	switch c := s[0]; {
	case c >= 0xC2 && c <= 0xDF:
		more = 1
	case c >= 0xE0 && c <= 0xEF:
		more = 2
		switch c {
		case 0xE0:
			low = 0xA0
		case 0xED:
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		more = 3
		switch c {
		case 0xF0:
			low = 0x90
		case 0xF4:
			high = 0x8F
		}
	}
	n := 1
	for ; n <= more && n < len(s) && s[n] >= low && s[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}

// kind is a type of JSON value.
type kind int

const (
	anyJSON kind = iota
	array
	object
	objectOrArray
	texts   // an array of texts
	objects // an array of objects
)

// holds reports whether a text is JSON of the kind.
func (k kind) holds(text string) bool {
	if !json.Valid([]byte(text)) {
		return false
	}
	trimmed := strings.TrimLeft(text, " \t\r\n")
	isArray, isObject := trimmed[0] == '[', trimmed[0] == '{'
	switch k {
	case array:
		return isArray
	case object:
		return isObject
	case objectOrArray:
		return isArray || isObject
	case texts:
		var all []string
		return isArray && json.Unmarshal([]byte(text), &all) == nil
	case objects:
		var all []map[string]json.RawMessage
		return isArray && json.Unmarshal([]byte(text), &all) == nil
	}
	return true
}
