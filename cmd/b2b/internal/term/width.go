package term

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Cells returns how many columns of a terminal a line takes.
func Cells(line string) (n int) {
	for _, r := range line {
		n += cells(r)
	}
	return n
}

func cells(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut returns a line of at most a number of columns, with "…" at its end if it was longer.
func Cut(line string, most int) string {
	if most <= 0 || Cells(line) <= most {
		return line
	}
	n := 0
	for i, r := range line {
		if n += cells(r); n > most-1 {
			return line[:i] + "…"
		}
	}
	return line
}

// Wrap breaks the lines of a text that are longer than a number of columns, at blanks where that is
// possible. 0 columns break nothing.
func Wrap(text string, most int) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		broken := false
		for most > 0 && Cells(line) > most {
			at := breakAt(line, most)
			lines = append(lines, strings.TrimRight(line[:at], " "))
			line, broken = strings.TrimLeft(line[at:], " "), true
		}
		if line != "" || !broken {
			lines = append(lines, line)
		}
	}
	return lines
}

// breakAt returns where to break a line that is longer than most columns: after the last blank that
// fits, or after as many characters as fit, at least one.
func breakAt(line string, most int) int {
	n, blank := 0, 0
	for i, r := range line {
		w := cells(r)
		if n+w > most {
			if blank == 0 {
				blank = i
			}
			if blank == 0 {
				blank = len(string(r))
			}
			return blank
		}
		n += w
		if r == ' ' {
			blank = i + 1
		}
	}
	return len(line)
}
