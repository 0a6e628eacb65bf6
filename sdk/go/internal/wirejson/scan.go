package wirejson

import (
	"encoding/json"
	"iter"
)

// The functions of this file split JSON that is valid into its parts. What is not valid gives parts
// that are not valid, and never a panic.

// Members returns the keys, as they are written, and the values of an object.
func Members(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for at := next(raw, 1); at < len(raw) && raw[at] == '"'; {
			end := skip(raw, at)
			colon := next(raw, end)
			from := next(raw, colon+1)
			to := skip(raw, from)
			if from >= len(raw) || !yield(raw[at:end], raw[from:to]) {
				return
			}
			at = next(raw, next(raw, to)+1) // after the comma
		}
	}
}

// elements returns the values of an array.
func elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := next(raw, 1); at < len(raw) && raw[at] != ']'; {
			end := skip(raw, at)
			if !yield(raw[at:end]) {
				return
			}
			at = next(raw, next(raw, end)+1)
		}
	}
}

// next returns the place of the first character at or after at that is not white space.
func next(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r') {
		at++
	}
	return min(at, len(raw))
}

// skip returns the place after the value that begins at at.
func skip(raw []byte, at int) int {
	depth := 0
	for ; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			for at++; at < len(raw) && raw[at] != '"'; at++ {
				if raw[at] == '\\' {
					at++
				}
			}
			if at = min(at, len(raw)-1); depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at // the end of what is around a number
			} else if depth == 0 {
				return at + 1
			}
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return len(raw)
}

// Unquote returns the text of a JSON string; false: it is no string.
func Unquote(raw []byte) (text string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	for _, c := range raw {
		if c == '\\' || c >= 0x80 { // an escape, or bytes that may not be UTF-8
			return text, json.Unmarshal(raw, &text) == nil
		}
	}
	return string(raw[1 : len(raw)-1]), true
}
