// Package jstext holds the few pieces of JavaScript's text semantics that the protocol keeps,
// because existing clients depend on them (B2B-LIM-002, B2B-HTTP-015).
//
// Lengths on the wire are counted in UTF-16 code units, query parameters are read the way parseInt and Number read
// them, and "whitespace" is what String.prototype.trim removes. A client that measures a message before sending it,
// or that sends `limit=12abc`, depends on exactly these answers; the neighbouring functions of the Go standard
// library give slightly different ones (strings.TrimSpace removes U+0085 and keeps U+FEFF, for example).
//
// Every function is total, allocates at most its result, and takes time linear in its input.
package jstext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsSpace reports whether r is white space or a line terminator in JavaScript: what `\s` matches and trim removes.
func IsSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0x2028, 0x2029, 0xFEFF:
		return true
	}
	return r > 0xFF && unicode.Is(unicode.Zs, r)
}

// Trim removes leading and trailing white space as String.prototype.trim does.
func Trim(s string) string { return strings.TrimFunc(s, IsSpace) }

// Len is the length of s in UTF-16 code units, the unit of every limit that is stated in
// characters (B2B-LIM-002, B2B-MSG-004). A byte that is not valid UTF-8 counts as one unit.
func Len(s string) int {
	units := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			units++
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		units++
		if r > 0xFFFF {
			units++
		}
		i += size
	}
	return units
}

// Cut returns the longest prefix of s of at most units UTF-16 code units, and whether anything was left out.
// It never splits a character: where JavaScript's slice would keep half of a surrogate pair, Cut drops both halves.
func Cut(s string, units int) (prefix string, cut bool) {
	if len(s) <= units {
		return s, false
	}
	for i, r := range s {
		need := 1
		if r > 0xFFFF {
			need = 2
		}
		if units < need {
			return s[:i], true
		}
		units -= need
	}
	return s, false
}
