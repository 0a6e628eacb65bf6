package mcp

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns a text in which nothing is hidden from a reader: control characters, characters without
// a width, those that change the direction of a text and tags are written out, and every line ends
// with a line feed.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, r := range s {
		switch {
		case r == '\r':
			if !strings.HasPrefix(s[i+1:], "\n") {
				b.WriteByte('\n')
			}
		case r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
			b.WriteByte('\n')
		case r == utf8.RuneError:
			b.WriteRune(r)
		case hidden(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isClean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '\r' || r == 0x2028 || r == 0x2029 || hidden(r)
	})
}

// hidden reports whether a reader does not see a character. The joiners of scripts and emoji are not
// meant.
func hidden(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case unicode.IsControl(r):
		return true
	case r == 0x200c || r == 0x200d: // joiners
		return false
	case unicode.Is(unicode.Cf, r): // marks of direction, no-break without width, tags
		return true
	}
	return false
}

// mostInline is how many characters a name or a topic has within a line.
const mostInline = 200

// inline returns a text as a part of a line: without line breaks, in quotes, and not long.
func inline(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	cut, rest := cutText(s, mostInline)
	if rest > 0 {
		cut += "…"
	}
	return `"` + strings.ReplaceAll(cut, `"`, `'`) + `"`
}

// cutText returns at most so many bytes from the beginning of a text, whole characters, and how many
// bytes are left.
func cutText(s string, most int) (cut string, rest int) {
	if len(s) <= most {
		return s, 0
	}
	n := max(most, 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], len(s) - n
}

// nameOf returns the name of a bot for a line, with an @. Names have no blanks and no quotes, but those
// of an imported database or of people may.
func nameOf(name string) string {
	for _, r := range name {
		if r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return inline(name)
		}
	}
	cut, _ := cutText(name, mostInline)
	return "@" + cut
}
