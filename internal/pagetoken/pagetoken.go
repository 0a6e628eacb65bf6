// Package pagetoken reads and writes page tokens, and reads the other parameters of paged lists.
//
// A page of a list ends with a token for the next page; wire JSON calls it cursor. There are three
// forms: an opaque one for lists ordered by activity (Token.Opaque), `<time>|<id>` (Token.Plain),
// and the bare id of the last item, which needs no code. A token is a hint and not a credential: an
// unreadable one is ignored and the list starts at its first page, and only its two values are used
// (B2B-THR-037, B2B-MSG-057).
//
// Query parameters are text, and existing clients send values such as `limit=12abc`. Limit, Int and
// Before read them as JavaScript does (B2B-HTTP-015).
package pagetoken

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// maxText is the longest token that is parsed, in bytes. Ids are short, so no token is longer.
const maxText = 1024

// Token is a place in a list that is ordered by a time, then by id, both descending. The next page
// starts after it.
type Token struct {
	At int64  // the time of the last item, in Unix milliseconds
	ID string // its id; if empty, the next page leaves out all items of that time
}

// opaque is the content of an opaque token. A nil pointer is a missing key.
type opaque struct {
	T  *int64  `json:"t"`
	ID *string `json:"id"`
}

// Opaque returns the opaque text of a token: unpadded base64url of {"t":<At>,"id":"<ID>"}
// (B2B-THR-031). ID must be valid UTF-8.
func (p Token) Opaque() string {
	id, err := json.Marshal(p.ID)
	if err != nil { // a string always marshals
		panic("pagetoken: " + err.Error())
	}
	text := make([]byte, 0, 32+len(id))
	text = append(text, `{"t":`...)
	text = strconv.AppendInt(text, p.At, 10)
	text = append(text, `,"id":`...)
	text = append(text, id...)
	text = append(text, '}')
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseOpaque parses an opaque token, with or without padding. It returns false for an unreadable
// or empty text; the caller then starts at the first page.
func ParseOpaque(text string) (Token, bool) {
	if len(text) > maxText {
		return Token{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return Token{}, false
	}
	var content opaque
	if err := json.Unmarshal(raw, &content); err != nil || content.T == nil || content.ID == nil {
		return Token{}, false
	}
	return Token{At: *content.T, ID: *content.ID}, true
}

// Plain returns the plain text of a token: the two values joined by a pipe, or the time alone when
// there is no id (B2B-ORGTHR-004).
func (p Token) Plain() string {
	at := strconv.FormatInt(p.At, 10)
	if p.ID == "" {
		return at
	}
	return at + "|" + p.ID
}

// ParsePlain parses a plain token. A text without a pipe is a time alone. It returns false when the
// time is not a number.
func ParsePlain(text string) (Token, bool) {
	if len(text) > maxText {
		return Token{}, false
	}
	at, id, _ := strings.Cut(text, "|")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return Token{}, false
	}
	return Token{At: ms, ID: id}, true
}

// Int parses an integer query parameter such as `since`: leading digits count, and the rest is
// ignored. It returns false when there are none (B2B-HTTP-015).
func Int(raw string) (int64, bool) { return jstext.ParseInt(raw) }

// Limit parses a query parameter such as `limit`. No number and 0 return usual; other values are
// clamped to [1, most] (B2B-HTTP-015).
func Limit(raw string, usual, most int) int {
	n, ok := jstext.ParseInt(raw)
	switch {
	case !ok || n == 0:
		return usual
	case n < 1:
		return 1
	case n > int64(most):
		return most
	}
	return int(n)
}

// Offset parses a query parameter `offset`. No number and negative values return 0; larger values
// are clamped to the largest int32.
func Offset(raw string) int {
	n, ok := jstext.ParseInt(raw)
	if !ok || n < 0 {
		return 0
	}
	return int(min(n, math.MaxInt32))
}

// Bound is a parsed `before` parameter.
type Bound struct {
	Kind BoundKind
	Time int64  // for ByTime: items created strictly before this, in Unix milliseconds
	ID   string // for ByID: items before the one with this id
}

// BoundKind is the way in which a list with a `before` parameter is paged.
type BoundKind int

// The kinds.
const (
	Unbounded BoundKind = iota // absent or empty: the newest items
	ByTime                     // a number: paging by time, as older clients do
	ByID                       // anything else: paging by message id
)

// Before parses the `before` parameter of lists that page by time or by message id: the messages of
// a channel, and of a thread for the org. A number is what JavaScript's Number accepts
// (B2B-MSG-058, B2B-MSG-059). A fraction is rounded up, and a number out of range becomes the end
// of the range; both select the same items, since the comparison is strict.
func Before(raw string) Bound {
	if raw == "" {
		return Bound{Kind: Unbounded}
	}
	value, ok := jstext.Number(raw)
	if !ok {
		return Bound{Kind: ByID, ID: raw}
	}
	value = math.Ceil(value)
	switch {
	case value >= math.MaxInt64:
		return Bound{Kind: ByTime, Time: math.MaxInt64}
	case value <= math.MinInt64:
		return Bound{Kind: ByTime, Time: math.MinInt64}
	}
	return Bound{Kind: ByTime, Time: int64(value)}
}
