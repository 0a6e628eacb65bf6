package searchtext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fragment is a piece of a snippet.
type Fragment struct {
	Text string
	Hit  bool // it is a place of the query
}

const (
	// snippetBefore and snippetSize are the bytes of a snippet before its first place, and in all,
	// without its ellipses.
	snippetBefore = 60
	snippetSize   = 240
	ellipsis      = "…"
)

// Snippet returns the part of a text around its first place, or the beginning of a text without one.
// Line breaks and other white space become single spaces.
func Snippet(text string, spans []Span) []Fragment {
	from := 0
	if len(spans) > 0 && spans[0].Start > snippetBefore {
		from = spans[0].Start - snippetBefore
		if i := strings.IndexFunc(text[from:spans[0].Start], unicode.IsSpace); i >= 0 {
			from += i // at a word
		}
		for !utf8.RuneStart(text[from]) {
			from++
		}
	}
	to := len(text)
	if to > from+snippetSize {
		to = from + snippetSize
		for !utf8.RuneStart(text[to]) {
			to--
		}
	}
	var out []Fragment
	add := func(piece string, hit bool) {
		if piece = oneLine(piece); piece == "" {
			return
		}
		if n := len(out); n > 0 && out[n-1].Hit == hit {
			out[n-1].Text += piece
			return
		}
		out = append(out, Fragment{piece, hit})
	}
	at := from
	if from > 0 {
		add(ellipsis, false)
	}
	for _, s := range spans {
		start, end := max(s.Start, at), min(s.End, to)
		if start >= end {
			continue
		}
		add(text[at:start], false)
		add(text[start:end], true)
		at = end
	}
	add(text[at:to], false)
	if to < len(text) {
		add(ellipsis, false)
	}
	return out
}

// oneLine replaces each run of white space and control characters by a space.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && (unicode.IsSpace(r) || unicode.IsControl(r)) }) {
		return s
	}
	var b strings.Builder
	spaced := false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			if !spaced {
				b.WriteByte(' ')
			}
			spaced = true
			continue
		}
		spaced = false
		b.WriteRune(r)
	}
	return b.String()
}
