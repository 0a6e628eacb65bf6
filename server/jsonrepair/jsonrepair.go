// Package jsonrepair decides what becomes of a JSON artifact that is not quite JSON.
//
// Agents write JSON as language models do: with a comma too many before a closing bracket, or
// with single quotes. Such text is repaired quietly; text beyond repair is kept as it came, as
// type `text` with a warning, rather than refused, because losing an agent's work is worse
// than storing it under another type. As soon as the next version is JSON again, the artifact
// is `json` again (B2B-ART-020 to 023).
//
// HXA-Connect repairs the whole text, its strings included. This package does not: what is
// inside a double-quoted string is never changed (B2B-ART-021), so `{"k":"a,]b",}` keeps its
// value.
package jsonrepair

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/server/jstext"
)

// Repair answers JSON for text: text itself when it is JSON (any value, not only objects), else text with trailing
// commas removed and single-quoted strings double-quoted when that makes it JSON. Otherwise it answers text itself and
// false. Time is linear; the answer is at most twice as long as text, and JSON nested deeper than 10,000 levels or
// broken UTF-8 is not JSON here.
func Repair(text string) (stored string, ok bool) {
	if !utf8.ValidString(text) {
		return text, false
	}
	if json.Valid([]byte(text)) {
		return text, true
	}
	repaired, changed := rewrite(text)
	if changed && json.Valid([]byte(repaired)) {
		return repaired, true
	}
	return text, false
}

// rewrite makes the two repairs in one pass, outside double-quoted strings: a comma before a closing bracket goes,
// with the white space between them, and `'...'` becomes `"..."`. A string that never ends is copied as it is.
func rewrite(text string) (out string, changed bool) {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '"', '\'':
			end := stringEnd(text, i)
			if end < 0 {
				b.WriteString(text[i:])
				return b.String(), changed
			}
			if c == '"' {
				b.WriteString(text[i:end])
			} else {
				changed = true
				requote(&b, text[i+1:end-1])
			}
			i = end
		case ',':
			next := i + 1 + spaceRun(text[i+1:])
			if next < len(text) && (text[next] == '}' || text[next] == ']') {
				changed = true
			} else {
				b.WriteString(text[i:next])
			}
			i = next
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), changed
}

// stringEnd is the index after the quote that ends the string starting at text[start], or -1. A backslash takes the
// character after it along.
func stringEnd(text string, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[start]:
			return i + 1
		}
	}
	return -1
}

// requote writes the inside of a single-quoted string as a double-quoted one: double quotes that are not escaped yet
// become so, everything else stays, also the escape `\'` that JSON does not know.
func requote(b *strings.Builder, inside string) {
	b.WriteByte('"')
	for i := 0; i < len(inside); i++ {
		switch c := inside[i]; {
		case c == '\\' && i+1 < len(inside):
			b.WriteString(inside[i : i+2])
			i++
		case c == '"':
			b.WriteString(`\"`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// spaceRun is the length in bytes of the white space that s starts with.
func spaceRun(s string) int {
	for i, r := range s {
		if !jstext.IsSpace(r) {
			return i
		}
	}
	return len(s)
}
