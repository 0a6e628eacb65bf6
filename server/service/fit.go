package service

import (
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/server/wire"
)

// bodyRest is what an answer has around the entries of its lists, and entryRest more than
// an entry has around its texts as JSON, in bytes.
const (
	bodyRest  = 4 << 10
	entryRest = 12 << 10
)

// pageRoom is how many bytes of JSON the entries of a page may have (B2B-LIM-011).
func (c *core) pageRoom() int { return max(c.Config.PageBytes-bodyRest, 0) }

// fits is how many of the first entries of a list have room in an answer: one at least.
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

// small reports, without looking at the texts of the entries, that all have room. An
// escaped character has 6 bytes.
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

// fitted cuts a page where its answer is full. rows are what entries were made of.
func fitted[T any, M proto.Message](c *core, rows []T, entries []M, more bool) ([]T, []M, bool) {
	if n := fits(entries, c.pageRoom()); n < len(entries) {
		return rows[:n], entries[:n], true
	}
	return rows, entries, more
}

// fittedNewest is fitted for lists that are cut at their beginning: the newest entries come
// last.
func fittedNewest[T any, M proto.Message](c *core, rows []T, entries []M) (_ []T, _ []M, more bool) {
	room := c.pageRoom()
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
