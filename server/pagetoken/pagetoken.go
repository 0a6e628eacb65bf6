// Package cursor reads and writes the places where a list was left, and the other numbers that a list is asked with.
//
// Lists continue from a cursor that the previous page answered. Three forms exist: an opaque
// one for lists ordered by activity (Token), the plain `<activity>|<id>` of the org's
// thread list (also Token), and the bare id of the last item, which needs no code. A cursor
// is a hint, not a credential: one that cannot be read is ignored and the list starts over,
// and nothing in it is trusted beyond its two values (B2B-THR-037, B2B-MSG-057).
//
// Query parameters are text, and existing clients send such as `limit=12abc`; Limit, Int and
// Before read them as JavaScript does (B2B-HTTP-015).
package pagetoken

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/b2b-protocol/b2b/server/jstext"
)

// maxText bounds the cursors that are looked at; ids are short, so a longer text is not one of ours.
const maxText = 1024

// Token is a place in a list that is ordered by last activity, then by id, both descending: the next page starts
// after it.
type Token struct {
	At int64  // last activity of the last item, in Unix milliseconds
	ID string // its id; empty when only the time is known, and then items of that very time are left out
}

// opaque is the content of an opaque cursor. Pointers tell a missing key from a zero.
type opaque struct {
	T  *int64  `json:"t"`
	ID *string `json:"id"`
}

// Opaque writes the position as the opaque cursor "A": unpadded base64url of
// {"t":<At>,"id":"<ID>"} (B2B-THR-031). ID must be valid UTF-8.
func (p Token) Opaque() string {
	id, err := json.Marshal(p.ID)
	if err != nil { // a string always marshals
		panic("cursor: " + err.Error())
	}
	text := make([]byte, 0, 32+len(id))
	text = append(text, `{"t":`...)
	text = strconv.AppendInt(text, p.At, 10)
	text = append(text, `,"id":`...)
	text = append(text, id...)
	text = append(text, '}')
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseOpaque reads an opaque cursor, with or without padding. It reports false for anything it cannot read, also for
// the empty text; the caller then starts at the first page.
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

// Plain writes the position as the cursor of the org's thread list: the two values joined by a
// pipe, or the time alone when there is no id (B2B-ORGTHR-004).
func (p Token) Plain() string {
	at := strconv.FormatInt(p.At, 10)
	if p.ID == "" {
		return at
	}
	return at + "|" + p.ID
}

// ParsePlain reads a cursor of the org's thread list. Without a pipe it is a time only. It reports false when the time
// is not a number.
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

// Int reads an integer query parameter such as `since`: leading digits count, what follows is
// ignored. It reports false when there are none (B2B-HTTP-015).
func Int(raw string) (int64, bool) { return jstext.ParseInt(raw) }

// Limit reads a `limit`-like query parameter: no number and 0 give the default, everything
// else is moved into [1, most] (B2B-HTTP-015).
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

// Offset reads an `offset` query parameter: no number and everything below 0 give 0, the rest is at most what an int32
// holds.
func Offset(raw string) int {
	n, ok := jstext.ParseInt(raw)
	if !ok || n < 0 {
		return 0
	}
	return int(min(n, math.MaxInt32))
}

// Bound is what a `before` parameter turned out to be.
type Bound struct {
	Kind BoundKind
	Time int64  // for ByTime: items created strictly before this, in Unix milliseconds
	ID   string // for ByID: items before the one with this id
}

// BoundKind says how a list with a `before` parameter is paged.
type BoundKind int

// The kinds.
const (
	Unbounded BoundKind = iota // absent or empty: the newest items
	ByTime                     // a number: the older paging by time
	ByID                       // anything else: paging by message id
)

// Before reads the `before` parameter of the lists that page by time or by message id, the
// channel's and the org's messages of a thread. Numeric is what JavaScript's Number accepts
// (B2B-MSG-058, B2B-MSG-059). A fraction moves the bound up to the next millisecond, and a
// number out of range to the end of the range, so that strict comparison gives the same items.
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
