// Package jsonrepair repairs JSON artifacts that are almost JSON.
//
// Language models write JSON with a comma before a closing bracket, or with single quotes. Such
// text is repaired without notice. Text that cannot be repaired is stored as it is, with the type
// `text` and a warning: refusing it would lose an agent's work. When a later version is JSON, the
// artifact has the type `json` again (B2B-ART-020 to 023).
//
// HXA-Connect repairs the whole text, including its strings. This package never changes the inside
// of a double-quoted string (B2B-ART-021), so `{"k":"a,]b",}` keeps its value.
package jsonrepair

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// Repair returns text if it is JSON (any value, not only objects), or else text without trailing
// commas and with double quotes in place of single ones, if that is JSON. Otherwise it returns text
// and false. Its time is linear, and the result at most twice as long as text. JSON that is nested
// deeper than 10,000 levels, or that is not valid UTF-8, counts as no JSON.
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

// rewrite makes both repairs in one pass, outside of double-quoted strings: it removes a comma
// before a closing bracket with the white space between them, and replaces `'...'` with `"..."`. It
// copies a string without an end as it is.
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

// stringEnd returns the index after the closing quote of the string that starts at text[start], or
// -1. A character after a backslash does not end the string.
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

// requote writes the content of a single-quoted string as a double-quoted one. It escapes double
// quotes that are not escaped yet and keeps everything else, also the escape `\'`, which JSON does
// not have.
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

// spaceRun returns the length in bytes of the leading white space of s.
func spaceRun(s string) int {
	for i, r := range s {
		if !jstext.IsSpace(r) {
			return i
		}
	}
	return len(s)
}
