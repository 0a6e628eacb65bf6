package searchtext

import (
	"cmp"
	"slices"
)

// Field is a text of a document.
type Field struct {
	Name   string
	Text   string
	Weight int // how much a place in it adds to the score
}

// Span is a part of a text, in bytes.
type Span struct{ Start, End int }

// Match is where a document matches.
type Match struct {
	// Spans are the places by field, in order and apart.
	Spans [][]Span
	// Score is higher for a better match. It depends on the query and the document alone.
	Score int
}

const (
	// countedPlaces is how many places of a term in a field add to the score.
	countedPlaces = 4
	// inOrder is what the whole query in one place multiplies the score by.
	inOrder = 3
	// maxSpans bounds the places in a field that are returned.
	maxSpans = 64
)

// Match finds the query in the fields of a document. It returns nil unless every term is in a field.
func (q *Query) Match(fields []Field) *Match {
	m := &Match{Spans: make([][]Span, len(fields))}
	found := make([]bool, len(q.terms))
	ordered := false
	for i, f := range fields {
		atoms := scan(f.Text)
		for k := range q.terms {
			spans := q.terms[k].find(atoms)
			if len(spans) == 0 {
				continue
			}
			found[k] = true
			m.Score += f.Weight * min(len(spans), countedPlaces)
			m.Spans[i] = append(m.Spans[i], spans...)
		}
		m.Spans[i] = apart(m.Spans[i])
		ordered = ordered || len(q.terms) > 1 && hasAll(atoms, q.all)
	}
	if slices.Contains(found, false) {
		return nil
	}
	if ordered {
		m.Score *= inOrder
	}
	return m
}

// find returns the places of a term.
func (t *term) find(atoms []atom) (spans []Span) {
	for i := range atoms {
		switch {
		case t.at(atoms[i:]):
			spans = append(spans, Span{atoms[i].start, atoms[i+len(t.atoms)-1].end})
		case len(t.atoms) == 1 && atoms[i].parts > 0 && atoms[i].whole == t.atoms[0].text,
			t.whole != "" && (atoms[i].text == t.whole || atoms[i].parts > 0 && atoms[i].whole == t.whole):
			spans = append(spans, Span{atoms[i].start, atoms[i+max(atoms[i].parts, 1)-1].end})
		}
		if len(spans) == maxSpans {
			break
		}
	}
	return spans
}

// at reports whether atoms begin with those of a term. A run of characters that is whole in the query
// must be whole in the text.
func (t *term) at(atoms []atom) bool {
	if len(atoms) < len(t.atoms) {
		return false
	}
	for i, a := range t.atoms {
		if atoms[i].text != a.text || a.joined && !atoms[i].joined {
			return false
		}
	}
	return true
}

// hasAll reports whether texts follow each other in atoms.
func hasAll(atoms []atom, texts []string) bool {
	for i := 0; i+len(texts) <= len(atoms); i++ {
		k := 0
		for k < len(texts) && atoms[i+k].text == texts[k] {
			k++
		}
		if k == len(texts) {
			return true
		}
	}
	return false
}

// apart sorts spans and merges those that overlap.
func apart(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End)) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.Start < out[n-1].End {
			out[n-1].End = max(out[n-1].End, s.End)
			continue
		}
		out = append(out, s)
	}
	return out[:min(len(out), maxSpans)]
}
