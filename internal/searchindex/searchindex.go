// Package searchindex is the structure of the search index, without I/O: lists of documents by token,
// in segments that are merged as they grow in number.
//
// Documents are numbered in the order in which they come. A segment has the documents of a range of
// numbers, at most [MaxRange], and for each token the list of those that have it. Segments never
// change: new documents make a new segment, and segments that follow each other are merged into one
// ([Plan]). So
//
//   - to add documents is to append a few rows, which have many tokens each ([Page]);
//   - a query reads the pages of its tokens segment by segment, the newest first, and stops when it has
//     enough, however many documents there are;
//   - each document is written again as often as the number of its segment has digits in base 8, at
//     most five times.
//
// The tokens of a document are its words (package searchtext), and what it is: kind, thread or
// channel, author and day ([Word], [Kind] …). So a filter is a token like others, and what a caller
// may see is decided in the index.
package searchindex

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
)

// MaxRange is how many numbers of documents a segment spans.
const MaxRange = 1 << 16

// The tokens of a document begin with a letter for what they are.

// Word is the token of a word.
func Word(word string) string { return string(wordMark) + word }

// wordMark begins the token of a word.
const wordMark = 'w'

// Kind is the token of a kind of documents.
func Kind(kind int) string { return "k" + strconv.Itoa(kind) }

// Scope is the token of a thread or channel.
func Scope(id string) string { return "s" + id }

// Author is the token of the bot that a document is by.
func Author(bot string) string { return "a" + bot }

// Day is the token of the day (UTC) of a time in Unix milliseconds.
func Day(at int64) string { return DayToken(DayOf(at)) }

// DayToken is the token of a day with a number.
func DayToken(day int64) string { return "d" + strconv.FormatInt(day, 10) }

// DayOf returns the number of the day (UTC) of a time in Unix milliseconds.
func DayOf(at int64) int64 {
	day := at / dayMS
	if at%dayMS < 0 {
		day--
	}
	return day
}

// dayMS is a day in milliseconds.
const dayMS = 24 * 60 * 60 * 1000

// List is documents of a segment, ascending: their numbers less that of the first of the segment.
type List []uint16

// The first byte of an encoded list says how the others are to be read.
const (
	asSteps  = 0 // the differences to the one before, less 1, as varints
	asBitmap = 1
)

// bitmapSize is the length of an encoded bitmap.
const bitmapSize = 1 + MaxRange/8

// ErrMalformed reports bytes that are not an encoded list.
var ErrMalformed = errors.New("searchindex: malformed list of documents")

// Encode returns a list as bytes.
func (l List) Encode() []byte { return l.appendTo(nil) }

func (l List) bitmap() []byte {
	out := make([]byte, bitmapSize)
	out[0] = asBitmap
	for _, doc := range l {
		out[1+doc/8] |= 1 << (doc % 8)
	}
	return out
}

// Decode reads an encoded list.
func Decode(b []byte) (List, error) {
	if len(b) == 0 {
		return nil, ErrMalformed
	}
	switch b[0] {
	case asSteps:
		l := make(List, 0, len(b)-1)
		next := uint64(0)
		for b = b[1:]; len(b) > 0; {
			step, n := binary.Uvarint(b)
			if n <= 0 || step >= MaxRange || next+step >= MaxRange {
				return nil, ErrMalformed
			}
			b = b[n:]
			l = append(l, uint16(next+step))
			next += step + 1
		}
		return l, nil
	case asBitmap:
		if len(b) != bitmapSize {
			return nil, ErrMalformed
		}
		var l List
		for i, bits := range b[1:] {
			for bit := 0; bits != 0; bit, bits = bit+1, bits>>1 {
				if bits&1 != 0 {
					l = append(l, uint16(8*i+bit))
				}
			}
		}
		return l, nil
	}
	return nil, ErrMalformed
}

// And returns what is in both lists.
func And(a, b List) List {
	if len(a) > len(b) {
		a, b = b, a
	}
	out := make(List, 0, len(a))
	for _, doc := range a {
		i, found := slices.BinarySearch(b, doc)
		if b = b[i:]; found {
			out = append(out, doc)
		}
		if len(b) == 0 {
			break
		}
	}
	return out
}

// Or returns what is in one of the lists.
func Or(lists ...List) List {
	if len(lists) == 1 {
		return lists[0]
	}
	var seen [MaxRange / 64]uint64
	for _, l := range lists {
		for _, doc := range l {
			seen[doc/64] |= 1 << (doc % 64)
		}
	}
	var out List
	for i, bits := range seen {
		for bit := 0; bits != 0; bit, bits = bit+1, bits>>1 {
			if bits&1 != 0 {
				out = append(out, uint16(64*i+bit))
			}
		}
	}
	return out
}

// Clause is a condition: a document has all tokens of one of the alternatives.
type Clause [][]string

// Find returns the documents of a segment that meet all clauses. lists returns the list of a token.
func Find(clauses []Clause, lists func(token string) (List, error)) (List, error) {
	var out List
	for i, c := range clauses {
		var either []List
		for _, all := range c {
			var l List
			for k, token := range all {
				next, err := lists(token)
				if err != nil {
					return nil, err
				}
				if k == 0 {
					l = next
				} else {
					l = And(l, next)
				}
				if len(l) == 0 {
					break
				}
			}
			if len(l) > 0 {
				either = append(either, l)
			}
		}
		if len(either) == 0 {
			return nil, nil
		}
		found := Or(either...)
		if i == 0 {
			out = found
		} else {
			out = And(out, found)
		}
		if len(out) == 0 {
			return nil, nil
		}
	}
	return out, nil
}
