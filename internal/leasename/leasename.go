// Package leasename reads the names of leases, and decides whether two of them overlap
// (B2B-LEASE-002, B2B-LEASE-003).
//
// A name is a path, such as repo/src/main.go, or a pattern of paths, such as repo/src/** or
// repo/*.md. A path names itself. In a pattern, * stands for any text within a segment, and the
// segment ** for any number of segments, also for none: repo/** names repo and all that is below.
// Two names overlap if there is a path that both name.
package leasename

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of a name (B2B-LEASE-002). They bound the work of [Name.Overlaps].
const (
	MaxSegments = 32
	MaxStars    = 8
)

// AboveAll sorts behind every name, since none has this character. Every name is at least " ".
const AboveAll = "\U0010FFFF"

// deep is the segment that stands for any number of segments.
const deep = "**"

// Name is a name of a lease. The zero Name is none.
type Name struct {
	text     string
	segments []string
	head     int // segments before the first one with a star
}

// Parse reads a name. The length of the text is checked by the limits of the schema. The error says
// what is wrong with it, for the user.
func Parse(text string) (Name, error) {
	switch {
	case text == "":
		return Name{}, errors.New("must not be empty")
	case !utf8.ValidString(text):
		return Name{}, errors.New("must be UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		return Name{}, errors.New("must not have control characters")
	case strings.Contains(text, AboveAll):
		return Name{}, errors.New("must not have the character U+10FFFF")
	case strings.Contains(text, `\`):
		return Name{}, errors.New(`must separate its segments by "/"`)
	}
	n := Name{text: text, segments: strings.Split(text, "/")}
	if len(n.segments) > MaxSegments {
		return Name{}, fmt.Errorf("must have at most %d segments", MaxSegments)
	}
	stars := 0
	n.head = len(n.segments)
	for i, s := range n.segments {
		switch {
		case s == "":
			return Name{}, errors.New(`must not begin or end with "/", nor have an empty segment`)
		case s == "." || s == "..":
			return Name{}, fmt.Errorf("must not have the segment %q", s)
		case s != deep && strings.Contains(s, deep):
			return Name{}, errors.New(`must have "**" as a whole segment only`)
		case s == deep:
			stars++
		default:
			stars += strings.Count(s, "*")
		}
		if strings.Contains(s, "*") {
			n.head = min(n.head, i)
		}
	}
	if stars > MaxStars {
		return Name{}, fmt.Errorf(`must have at most %d of "*" and "**"`, MaxStars)
	}
	return n, nil
}

// String returns the text of the name.
func (n Name) String() string { return n.text }

// Pattern reports whether the name has a star.
func (n Name) Pattern() bool { return n.head < len(n.segments) }

// Head returns the segments before the first star: of a path, all of it. Two names overlap only if
// the head of one is the beginning of the other's, or equal to it (see [Name.Heads]).
func (n Name) Head() string { return strings.Join(n.segments[:n.head], "/") }

// Heads returns the beginnings of the head, in segments: the empty text first, the head last.
func (n Name) Heads() []string {
	heads := make([]string, 1, n.head+1)
	end := -1
	for _, s := range n.segments[:n.head] {
		end += 1 + len(s)
		heads = append(heads, n.text[:end])
	}
	return heads
}

// Overlaps reports whether there is a path that both names name.
func (n Name) Overlaps(other Name) bool {
	a, b := n.segments, other.segments
	// meet[i][j] reports whether a[i:] and b[j:] have a path in common. Only two rows are kept.
	next, row := make([]bool, len(b)+1), make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			row[j] = meet(a, b, i, j, row, next)
		}
		next, row = row, next
	}
	return next[0]
}

// meet returns meet[i][j]: row has meet[i][j+1] and above, next has meet[i+1].
func meet(a, b []string, i, j int, row, next []bool) bool {
	switch {
	case i == len(a) && j == len(b):
		return true
	case i < len(a) && a[i] == deep:
		return next[j] || j < len(b) && row[j+1]
	case j < len(b) && b[j] == deep:
		return row[j+1] || i < len(a) && next[j]
	}
	return i < len(a) && j < len(b) && next[j+1] && segmentsMeet(a[i], b[j])
}

// segmentsMeet reports whether there is a text that both segments stand for.
func segmentsMeet(a, b string) bool {
	aStars, bStars := strings.Contains(a, "*"), strings.Contains(b, "*")
	switch {
	case aStars && bStars:
		return beginningsMeet(a, b) && endsMeet(a, b)
	case aStars:
		return matches(a, b)
	case bStars:
		return matches(b, a)
	}
	return a == b
}

// beginningsMeet reports whether two segments with a star can begin in the same way. If their ends
// meet as well, the stars of one have room for all that is between the stars of the other.
func beginningsMeet(a, b string) bool {
	a, b = a[:strings.Index(a, "*")], b[:strings.Index(b, "*")]
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// endsMeet is beginningsMeet for the ends.
func endsMeet(a, b string) bool {
	a, b = a[strings.LastIndex(a, "*")+1:], b[strings.LastIndex(b, "*")+1:]
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

// matches reports whether a segment with a star stands for a text.
func matches(segment, text string) bool {
	first, rest, _ := strings.Cut(segment, "*")
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for {
		part, more, found := strings.Cut(rest, "*")
		if !found {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part) // the first place leaves the most for the other parts
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}
