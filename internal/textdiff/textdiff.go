// Package textdiff compares texts line by line, in the unified format of diff and patch.
package textdiff

import (
	"fmt"
	"strings"
)

// around is how many equal lines stand before and after a change.
const around = 3

// Unified returns the difference of two texts, or an empty text if they are equal. from and to name
// them.
func Unified(from, to, a, b string) string {
	if a == b {
		return ""
	}
	oldLines, newLines := split(a), split(b)
	edits := compare(oldLines, newLines)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
	for len(edits) > 0 {
		var h hunk
		h, edits = nextHunk(edits)
		h.write(&out)
	}
	return out.String()
}

// split returns the lines of a text with their ends.
func split(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// edit is a line: ' ' in both texts, '-' in the old one only, '+' in the new one only. old and new are
// how many lines of each text are before it.
type edit struct {
	kind     byte
	text     string
	old, new int
}

// hunk is a run of edits that are written together.
type hunk []edit

// nextHunk returns the first hunk, and the edits behind it that begin with a change, if there are any.
func nextHunk(edits []edit) (hunk, []edit) {
	first := 0
	for first < len(edits) && edits[first].kind == ' ' {
		first++
	}
	if first == len(edits) {
		return nil, nil
	}
	last := first // the last change of the hunk
	for i := first; i < len(edits) && i-last <= 2*around+1; i++ {
		if edits[i].kind != ' ' {
			last = i
		}
	}
	begin, end := max(first-around, 0), min(last+1+around, len(edits))
	rest := edits[end:]
	for _, e := range rest {
		if e.kind != ' ' {
			return edits[begin:end], rest
		}
	}
	return edits[begin:end], nil
}

func (h hunk) write(out *strings.Builder) {
	if len(h) == 0 {
		return
	}
	var olds, news int
	for _, e := range h {
		if e.kind != '+' {
			olds++
		}
		if e.kind != '-' {
			news++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(h[0].old, olds), span(h[0].new, news))
	for _, e := range h {
		out.WriteByte(e.kind)
		out.WriteString(e.text)
		if !strings.HasSuffix(e.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// span returns the lines of a hunk, as the format has them.
func span(before, lines int) string {
	switch lines {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprintf("%d", before+1)
	}
	return fmt.Sprintf("%d,%d", before+1, lines)
}
