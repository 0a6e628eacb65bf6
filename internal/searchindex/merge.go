package searchindex

import (
	"bytes"
	"encoding/binary"
)

// Merger merges segments that follow each other.
type Merger struct {
	// Bases are the first documents of the segments, less the first of the merged one.
	Bases []int
	// Keep reports whether a document stays; nil: all stay.
	Keep func(doc int) bool

	inputs []input
	out    pages
	list   []byte
	token  []byte
	pieces []piece
}

// input is a segment that is merged.
type input struct {
	pages []Page
	at    entries
	live  bool // at is on a token
	ended bool
}

// piece is the list of one of the segments.
type piece struct {
	base int
	list []byte
}

// Merge returns the next pages, of about a number of bytes. next returns the next pages of a segment;
// none at its end. end reports that all was merged. After an error the Merger is spent.
func (m *Merger) Merge(size int, next func(segment int) ([]Page, error)) (out []Page, end bool, err error) {
	if m.inputs == nil {
		m.inputs = make([]input, len(m.Bases))
	}
	for written := 0; written < size; {
		for i := range m.inputs {
			if err := m.inputs[i].step(i, next); err != nil {
				return nil, false, err
			}
		}
		if !m.least() {
			m.out.end()
			return m.take(), true, nil
		}
		m.pieces = m.pieces[:0]
		for i := range m.inputs {
			if in := &m.inputs[i]; in.live && bytes.Equal(in.at.token, m.token) {
				m.pieces = append(m.pieces, piece{m.Bases[i], in.at.list})
				in.live = false
			}
		}
		if m.list, err = join(m.list[:0], m.pieces, m.Keep); err != nil {
			return nil, false, err
		}
		if len(m.list) > 0 {
			m.out.add(string(m.token), m.list)
			written += len(m.token) + len(m.list)
		}
	}
	return m.take(), false, nil
}

// step goes to the next token, unless it is on one.
func (in *input) step(i int, next func(segment int) ([]Page, error)) (err error) {
	for !in.live && !in.ended {
		if len(in.at.rest) == 0 {
			if len(in.pages) == 0 {
				if in.pages, err = next(i); err != nil {
					return err
				}
				if in.ended = len(in.pages) == 0; in.ended {
					return nil
				}
			}
			in.at, in.pages = in.pages[0].entries(), in.pages[1:]
		}
		if in.live, err = in.at.next(); err != nil {
			return err
		}
	}
	return nil
}

// least sets the token to the least of the inputs; false: there is none.
func (m *Merger) least() bool {
	found := false
	for i := range m.inputs {
		in := &m.inputs[i]
		if in.live && (!found || bytes.Compare(in.at.token, m.token) < 0) {
			m.token, found = append(m.token[:0], in.at.token...), true
		}
	}
	return found
}

// take returns the pages that are full.
func (m *Merger) take() []Page {
	full := len(m.out.out)
	if len(m.out.data) > 0 {
		full-- // it is being written
	}
	out := m.out.out[:full:full]
	m.out.out = append([]Page(nil), m.out.out[full:]...)
	return out
}

// join appends to dst the encoded list of a merged segment from its pieces, in order; nothing if it is
// empty.
func join(dst []byte, pieces []piece, keep func(doc int) bool) ([]byte, error) {
	if keep == nil {
		if out, ok := chain(dst, pieces); ok {
			return out, nil
		}
	}
	var all List
	for _, p := range pieces {
		l, err := Decode(p.list)
		if err != nil {
			return nil, err
		}
		for _, doc := range l {
			at := p.base + int(doc)
			if at >= MaxRange {
				return nil, ErrMalformed
			}
			if keep == nil || keep(at) {
				all = append(all, uint16(at))
			}
		}
	}
	if len(all) == 0 {
		return dst, nil
	}
	return append(dst, all.Encode()...), nil
}

// chain is join without decoding: the steps of a piece stay, all but the first. It returns false if the
// list is none of steps.
func chain(dst []byte, pieces []piece) ([]byte, bool) {
	out := append(dst, asSteps)
	next := 0
	for _, p := range pieces {
		if len(p.list) < 2 || p.list[0] != asSteps {
			return nil, false
		}
		first, n := binary.Uvarint(p.list[1:])
		if n <= 0 || first >= MaxRange || p.base+int(first) < next {
			return nil, false
		}
		out = binary.AppendUvarint(out, uint64(p.base+int(first)-next))
		rest := p.list[1+n:]
		out = append(out, rest...)
		last := p.base + int(first)
		for len(rest) > 0 {
			step, n := uint64(rest[0]), 1
			if step >= 0x80 {
				step, n = binary.Uvarint(rest)
			}
			if n <= 0 || step >= MaxRange {
				return nil, false
			}
			rest = rest[n:]
			last += int(step) + 1
		}
		if last >= MaxRange || len(out)-len(dst) >= bitmapSize {
			return nil, false
		}
		next = last + 1
	}
	return out, true
}
