package service

import (
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/wire"
)

// bodyRest is an upper bound of the bytes of a response outside of its lists. entryRest is an upper
// bound of the bytes of an entry as JSON outside of its strings.
const (
	bodyRest  = 4 << 10
	entryRest = 12 << 10
)

// pageBytesLeft returns how many bytes of JSON the entries of a page may have (B2B-LIM-011).
func (c *core) pageBytesLeft() int { return max(c.Config.PageBytes-bodyRest, 0) }

// fits returns how many of the first entries of a list fit in room bytes of JSON; at least one.
func fits[M proto.Message](entries []M, room int) int {
	if small(entries, room) {
		return len(entries)
	}
	for i, m := range entries {
		if room -= wire.SizeAtMost(m) + 1; room < 0 && i > 0 {
			return i
		}
	}
	return len(entries)
}

// small reports whether all entries surely fit in room bytes of JSON. It estimates their size
// without encoding their strings, of which an escaped character has up to 6 bytes.
func small[M proto.Message](entries []M, room int) bool {
	room -= entryRest * len(entries)
	for _, m := range entries {
		if room < 0 {
			break
		}
		room -= 6 * proto.Size(m)
	}
	return room >= 0
}

// cutToSize cuts a page before the entry that would exceed the size of a response (B2B-LIM-011).
// rows are the rows that entries were made of.
func cutToSize[T any, M proto.Message](c *core, rows []T, entries []M, more bool) ([]T, []M, bool) {
	if n := fits(entries, c.pageBytesLeft()); n < len(entries) {
		return rows[:n], entries[:n], true
	}
	return rows, entries, more
}

// cutToSizeNewest is cutToSize for lists whose newest entries come last: it removes entries at the
// beginning.
func cutToSizeNewest[T any, M proto.Message](c *core, rows []T, entries []M) (_ []T, _ []M, more bool) {
	room := c.pageBytesLeft()
	if small(entries, room) {
		return rows, entries, false
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if room -= wire.SizeAtMost(entries[i]) + 1; room < 0 && i < len(entries)-1 {
			return rows[i+1:], entries[i+1:], true
		}
	}
	return rows, entries, false
}
