// Package jstext implements the parts of JavaScript's text semantics that the protocol needs,
// because existing clients depend on them (B2B-LIM-002, B2B-HTTP-015).
//
// Lengths are counted in UTF-16 code units, query parameters are read as parseInt and Number read
// them, and white space is what String.prototype.trim removes. The similar functions of the Go
// standard library differ in details: strings.TrimSpace removes U+0085 and keeps U+FEFF, for
// example.
//
// No function fails or panics. Each allocates at most its result, and takes time linear in its
// input.
package jstext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsSpace reports whether r is white space or a line terminator in JavaScript: what `\s` matches
// and trim removes.
func IsSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0x2028, 0x2029, 0xFEFF:
		return true
	}
	return r > 0xFF && unicode.Is(unicode.Zs, r)
}

// Trim removes leading and trailing white space as String.prototype.trim does.
func Trim(s string) string { return strings.TrimFunc(s, IsSpace) }

// Len returns the length of s in UTF-16 code units, the unit of all limits in characters
// (B2B-LIM-002, B2B-MSG-004). A byte that is not valid UTF-8 counts as one unit.
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

// Cut returns the longest prefix of s of at most units UTF-16 code units, and whether it is shorter
// than s. It never splits a character: where JavaScript's slice keeps half of a surrogate pair, Cut
// drops both halves.
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
