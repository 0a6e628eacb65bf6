package searchindex

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Builder makes a segment of documents.
type Builder struct {
	numbers map[string]uint32 // of tokens
	tokens  []postings
	pairs   []pair // in the order of the documents
	docs    int
	inDoc   int
	key     []byte
}

// postings is what a Builder keeps of a token.
type postings struct {
	token string
	last  int // the number of documents with the last that has it
	pairs int // how many documents have it
}

// pair says that a document has a token.
type pair struct {
	token uint32
	doc   uint16
}

// NewBuilder returns a Builder without documents.
func NewBuilder() *Builder { return &Builder{numbers: map[string]uint32{}} }

// Reset makes the Builder empty. It keeps its memory.
func (b *Builder) Reset() {
	clear(b.numbers)
	b.tokens, b.pairs, b.docs, b.inDoc = b.tokens[:0], b.pairs[:0], 0, 0
}

// Docs returns the number of documents.
func (b *Builder) Docs() int { return b.docs }

// Tokens returns the number of different tokens.
func (b *Builder) Tokens() int { return len(b.tokens) }

// Next begins the next document, of at most MaxRange.
func (b *Builder) Next() { b.docs, b.inDoc = b.docs+1, 0 }

// Add adds a token to the document, and returns how many different ones that has then.
func (b *Builder) Add(token string) int {
	b.key = append(b.key[:0], token...)
	return b.add()
}

// AddWord is Add of Word(word).
func (b *Builder) AddWord(word []byte) int {
	b.key = append(append(b.key[:0], wordMark), word...)
	return b.add()
}

func (b *Builder) add() int {
	n, ok := b.numbers[string(b.key)]
	if !ok {
		n = uint32(len(b.tokens))
		token := string(b.key)
		b.numbers[token] = n
		b.tokens = append(b.tokens, postings{token: token})
	}
	if p := &b.tokens[n]; p.last != b.docs {
		p.last = b.docs
		p.pairs++
		b.pairs = append(b.pairs, pair{n, uint16(b.docs - 1)})
		b.inDoc++
	}
	return b.inDoc
}

// Pages returns the segment.
func (b *Builder) Pages() []Page {
	begin := make([]int, len(b.tokens)) // of the documents of each token; then their end
	sum := 0
	for i := range b.tokens {
		begin[i] = sum
		sum += b.tokens[i].pairs
	}
	docs := make(List, sum)
	for _, p := range b.pairs {
		docs[begin[p.token]] = p.doc
		begin[p.token]++
	}
	order := make([]uint32, len(b.tokens))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(i, j uint32) int { return strings.Compare(b.tokens[i].token, b.tokens[j].token) })
	var out pages
	var list []byte
	for _, i := range order {
		t := &b.tokens[i]
		list = docs[begin[i]-t.pairs : begin[i]].appendTo(list[:0])
		out.add(t.token, list)
	}
	out.end()
	return out.out
}

// appendTo appends the encoded list to dst.
func (l List) appendTo(dst []byte) []byte {
	out := append(dst, asSteps)
	next := 0
	for _, doc := range l {
		out = binary.AppendUvarint(out, uint64(int(doc)-next))
		next = int(doc) + 1
		if len(out)-len(dst) >= bitmapSize {
			return append(dst, l.bitmap()...)
		}
	}
	return out
}

// Part is a segment for Plan.
type Part struct {
	Range int64 // the numbers of documents that it spans
	Dead  int64 // those of them that were removed
}

const (
	// fan is how many segments of about one size there are before they are merged.
	fan = 8
	// many is how many segments there are, of different sizes, before they are merged.
	many = 4 * fan
)

// Plan returns which of the segments, which follow each other, to merge next: those from one place to
// another. ok is false if none are to be merged.
func Plan(parts []Part) (from, to int, ok bool) {
	for top := int64(fan); top <= MaxRange/2; top *= fan {
		from, alike := len(parts), 0
		for from > 0 && parts[from-1].Range < top {
			from--
			if parts[from].Range >= top/fan {
				alike++
			}
		}
		if alike < fan && len(parts)-from < many {
			continue
		}
		to, sum := from, int64(0)
		for to < len(parts) && sum+parts[to].Range <= MaxRange {
			sum += parts[to].Range
			to++
		}
		return from, to, true
	}
	for i, p := range parts {
		if 2*p.Dead > p.Range { // what is removed leaves the index
			return i, i + 1, true
		}
	}
	return 0, 0, false
}
