package botlist

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// List is the bots of an org in the order of their names. It is read-only.
type List []*Entry

// Entry is a bot in a list. It is read-only.
type Entry struct {
	Bot    *b2bv1.Bot
	JSON   []byte // as wire JSON
	AtMost int    // bytes of its JSON in any binding

	print [sha256.Size]byte // of what counts for the ETag of a list
}

// seenStep is how exact the last call of a bot counts for the ETag of a list, in seconds
// (B2B-HTTP-052).
const seenStep = 60

// NewEntry returns the entry of a bot, which must not change afterwards.
func NewEntry(b *b2bv1.Bot) *Entry {
	e := &Entry{Bot: b, JSON: wire.AppendBot(nil, b), AtMost: wire.SizeAtMost(b)}
	// The first such key is that of the bot: before it there are only texts, with escaped quotes.
	before, rest, _ := bytes.Cut(e.JSON, lastSeenKey)
	after := rest[max(bytes.IndexByte(rest, ','), 0):]
	h := sha256.New()
	h.Write(before)
	h.Write(binary.AppendVarint(nil, b.GetLastSeenAt().GetSeconds()/seenStep))
	h.Write(after)
	h.Sum(e.print[:0])
	return e
}

var lastSeenKey = []byte(`"last_seen_at":`)

// Seen returns the entry with another time of the last call.
func (e *Entry) Seen(at *timestamppb.Timestamp) *Entry {
	b := proto.CloneOf(e.Bot)
	b.LastSeenAt = at
	return NewEntry(b)
}

// bytes returns about how much memory an entry takes: its message and its JSON, with a few hundred
// bytes of pointers for each.
func (e *Entry) bytes() int64 { return 1024 + 2*int64(len(e.JSON)) }

// AppendJSON appends a list as a JSON array.
func AppendJSON(b []byte, list List) []byte {
	b = append(b, '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.JSON...)
	}
	return append(b, ']')
}

// Size returns the length of AppendJSON.
func Size(list List) int {
	n := 2 + max(len(list)-1, 0)
	for _, e := range list {
		n += len(e.JSON)
	}
	return n
}

// Tag returns the weak ETag of a response with a list and a rest.
func Tag(list List, rest string) string {
	var h hash.Hash = sha256.New()
	for _, e := range list {
		h.Write(e.print[:])
	}
	h.Write([]byte(rest))
	return `W/"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}
