package searchtext

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// class is what a character is for the scanner.
type class uint8

const (
	space  class = iota // between words
	letter              // of a word
	upper               // a capital letter
	digit
	joint // "_", which separates the parts of an identifier
	dense // of a script without spaces
)

// unit is a folded character, and where it comes from.
type unit struct {
	r          rune
	class      class
	start, end int // bytes of the text
}

// atom is what is compared.
type atom struct {
	text       string
	start, end int // bytes of the text
	// whole is the identifier that begins with this atom and has parts atoms; parts is 0 if it begins
	// none.
	whole string
	parts int
	// joined reports that the atom before is a character of the same run.
	joined bool
	dense  bool
}

// scan returns the atoms of a text.
func scan(text string) []atom { return new(scanner).scan(text) }

// scan returns the atoms of a text, which are valid until the next scan.
func (s *scanner) scan(text string) []atom {
	text = cut(text)
	s.units = fold(slices.Grow(s.units[:0], len(text)), text)
	s.begin()
	units := s.units
	for i := 0; i < len(units); {
		end := i + 1
		switch units[i].class {
		case space:
		case dense:
			for end < len(units) && units[end].class == dense {
				end++
			}
			s.run(units, i, end)
		default:
			for end < len(units) && units[end].class != dense && units[end].class != space {
				end++
			}
			s.word(units, i, end)
		}
		i = end
	}
	return s.atoms
}

// cut returns the part of a text that is searched.
func cut(text string) string {
	if len(text) <= MaxText {
		return text
	}
	end := MaxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// scanner collects atoms. Their texts are parts of one string. It can be used again.
type scanner struct {
	units  []unit
	atoms  []atom
	folded string
	at     []int // the place of each unit in folded, and the end
	buf    []byte
}

// begin sets the folded text of the units.
func (s *scanner) begin() {
	s.buf = slices.Grow(s.buf[:0], len(s.units)+16)
	s.at = slices.Grow(s.at[:0], len(s.units)+1)
	for i := range s.units {
		s.at = append(s.at, len(s.buf))
		s.buf = utf8.AppendRune(s.buf, s.units[i].r)
	}
	s.at = append(s.at, len(s.buf))
	s.folded = string(s.buf)
	s.atoms = slices.Grow(s.atoms[:0], len(s.units)/5+4)
}

// run adds the characters of a script without spaces.
func (s *scanner) run(units []unit, from, to int) {
	for i := from; i < to; i++ {
		s.atoms = append(s.atoms, atom{text: s.text(i, i+1), start: units[i].start, end: units[i].end, joined: i > from, dense: true})
	}
}

// word adds the parts of a word.
func (s *scanner) word(units []unit, from, to int) {
	first := len(s.atoms)
	for i := from; i < to; {
		if units[i].class == joint {
			i++
			continue
		}
		end := i + partOf(units[i:to])
		s.atoms = append(s.atoms, atom{text: s.text(i, end), start: units[i].start, end: units[end-1].end})
		i = end
	}
	if parts := len(s.atoms) - first; parts > 1 {
		for units[from].class == joint {
			from++
		}
		for units[to-1].class == joint {
			to--
		}
		s.atoms[first].whole, s.atoms[first].parts = s.text(from, to), parts
	}
}

// text returns the folded text of units, up to maxWord characters.
func (s *scanner) text(from, to int) string { return s.folded[s.at[from]:s.at[min(to, from+maxWord)]] }

// partOf returns the length of the first part of an identifier: up to "_", up to a capital after a
// small letter, or up to a capital before one.
func partOf(units []unit) int {
	n := 1
	for n < len(units) && units[n].class != joint {
		if units[n].class == upper {
			if units[n-1].class == letter || n+1 < len(units) && units[n+1].class == letter {
				break
			}
		}
		n++
	}
	return n
}

// fold appends the characters of a text for comparison.
func fold(units []unit, text string) []unit {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c < utf8.RuneSelf && standsAlone(text[i+1:]):
			units = append(units, foldASCII(c, i))
			i++
			continue
		case 0xe4 <= c && c <= 0xe9 && len(text) >= i+3 && standsAlone(text[i+3:]):
			if r, n := utf8.DecodeRuneInString(text[i:]); n == 3 && 0x4e00 <= r && r <= 0x9fff {
				units = append(units, unit{r, dense, i, i + n})
				i += n
				continue
			}
		}
		n := max(norm.NFKC.NextBoundaryInString(text[i:], true), 1)
		units = foldSegment(units, norm.NFKC.String(text[i:i+n]), i, i+n)
		i += n
	}
	return units
}

// standsAlone reports whether a text surely begins with no character that combines with the one
// before: with ASCII or a Chinese character.
func standsAlone(rest string) bool {
	return rest == "" || rest[0] < utf8.RuneSelf || 0xe4 <= rest[0] && rest[0] <= 0xe9
}

func foldASCII(c byte, at int) unit {
	u := unit{r: rune(c), start: at, end: at + 1}
	switch {
	case 'a' <= c && c <= 'z':
		u.class = letter
	case 'A' <= c && c <= 'Z':
		u.r, u.class = u.r+('a'-'A'), upper
	case '0' <= c && c <= '9':
		u.class = digit
	case c == '_':
		u.class = joint
	}
	return u
}

// foldSegment adds the characters of a normalized segment.
func foldSegment(units []unit, segment string, start, end int) []unit {
	for _, r := range segment {
		switch {
		case r < utf8.RuneSelf:
			u := foldASCII(byte(r), start)
			u.end = end
			units = append(units, u)
		case unicode.In(r, scriptsWithoutSpaces...) && (unicode.IsLetter(r) || unicode.IsMark(r)):
			units = append(units, unit{r, dense, start, end})
		case isAccent(r):
		case unicode.IsLetter(r) || unicode.IsMark(r):
			units = foldLetter(units, r, start, end)
		case unicode.IsDigit(r) || unicode.IsNumber(r):
			units = append(units, unit{r, digit, start, end})
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r) && r != '\u200b': // joiners are within words
		default:
			units = append(units, unit{r, space, start, end})
		}
	}
	return units
}

// foldLetter adds a letter in small, without accents.
func foldLetter(units []unit, r rune, start, end int) []unit {
	c := letter
	if unicode.IsUpper(r) || unicode.IsTitle(r) {
		c = upper
	}
	switch r {
	case 'ß', 'ẞ':
		return append(units, unit{'s', c, start, end}, unit{'s', letter, start, end})
	case 'æ', 'Æ':
		return append(units, unit{'a', c, start, end}, unit{'e', letter, start, end})
	case 'œ', 'Œ':
		return append(units, unit{'o', c, start, end}, unit{'e', letter, start, end})
	case 'ø', 'Ø':
		return append(units, unit{'o', c, start, end})
	case 'ł', 'Ł':
		return append(units, unit{'l', c, start, end})
	}
	r = small(r)
	base := r
	if d := norm.NFD.PropertiesString(string(r)).Decomposition(); len(d) > 0 {
		if first, n := utf8.DecodeRune(d); accents(d[n:]) {
			base = first
		}
	}
	return append(units, unit{base, c, start, end})
}

// small returns the one small form of a letter: that of the capital, so that the two small sigmas of
// Greek are the same.
func small(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

// accents reports whether a text has accents alone.
func accents(text []byte) bool {
	return !strings.ContainsFunc(string(text), func(r rune) bool { return !isAccent(r) })
}

// isAccent reports whether a mark may be left out of a word.
func isAccent(r rune) bool {
	return 0x300 <= r && r <= 0x36f || 0x1ab0 <= r && r <= 0x1aff || 0x1dc0 <= r && r <= 0x1dff || 0x20d0 <= r && r <= 0x20ff
}

// scriptsWithoutSpaces are the scripts in which spaces do not separate words, and Hangul, in which
// they do not separate particles. U+30FC lengthens a vowel of kana.
var scriptsWithoutSpaces = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
	{R16: []unicode.Range16{{Lo: 0x30fc, Hi: 0x30fc, Stride: 1}}},
}
