package searchindex

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Page is a row of a segment: tokens that follow each other, each with its list of documents. A row
// for each token would cost many times as much to write.
type Page struct {
	First string // the first token
	Data  []byte
}

// pageBytes is from which size on a page is full. In SQLite, it fills two pages of 4,096 bytes and what
// a row may have in the tree itself.
const pageBytes = 8 << 10

// pages writes pages. Their entries are: how many bytes the token has of the one before, how many more,
// those, how many bytes the list has, and it.
type pages struct {
	out  []Page
	data []byte
	last string
}

// add adds a token, which is greater than those before, with its encoded list.
func (p *pages) add(token string, list []byte) {
	if len(p.data) > 0 && len(p.data)+len(token)+len(list) > pageBytes {
		p.end()
	}
	if len(p.data) == 0 {
		p.out = append(p.out, Page{First: token})
		p.last = token
	}
	same := shared(p.last, token)
	p.data = binary.AppendUvarint(p.data, uint64(same))
	p.data = binary.AppendUvarint(p.data, uint64(len(token)-same))
	p.data = append(p.data, token[same:]...)
	p.data = binary.AppendUvarint(p.data, uint64(len(list)))
	p.data = append(p.data, list...)
	p.last = token
}

// end ends the page that is being written.
func (p *pages) end() {
	if len(p.data) > 0 {
		p.out[len(p.out)-1].Data = slices.Clone(p.data)
		p.data = p.data[:0]
	}
}

// shared returns how many bytes two tokens begin with alike.
func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// entries reads the tokens of a page.
type entries struct {
	token []byte
	list  []byte
	rest  []byte
}

func (p Page) entries() entries { return entries{token: []byte(p.First), rest: p.Data} }

// next reads the next token; false at the end.
func (e *entries) next() (bool, error) {
	if len(e.rest) == 0 {
		return false, nil
	}
	same, a := binary.Uvarint(e.rest)
	if a <= 0 || same > uint64(len(e.token)) {
		return false, ErrMalformed
	}
	suffix, ok := cutBytes(e.rest[a:])
	if !ok {
		return false, ErrMalformed
	}
	e.token = append(e.token[:same], suffix.taken...)
	list, ok := cutBytes(suffix.rest)
	if !ok {
		return false, ErrMalformed
	}
	e.list, e.rest = list.taken, list.rest
	return true, nil
}

// taking is bytes that a length preceded, and what follows them.
type taking struct{ taken, rest []byte }

func cutBytes(b []byte) (taking, bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return taking{}, false
	}
	b = b[size:]
	return taking{b[:n], b[n:]}, true
}

// Lists calls found with those of the tokens, which are sorted, that a page has, and their lists.
func (p Page) Lists(tokens []string, found func(token string, list []byte)) error {
	i, _ := slices.BinarySearch(tokens, p.First)
	tokens = tokens[i:]
	for e := p.entries(); len(tokens) > 0; {
		ok, err := e.next()
		if err != nil || !ok {
			return err
		}
		for len(tokens) > 0 && strings.Compare(tokens[0], string(e.token)) < 0 {
			tokens = tokens[1:]
		}
		if len(tokens) > 0 && tokens[0] == string(e.token) {
			found(tokens[0], e.list)
		}
	}
	return nil
}
