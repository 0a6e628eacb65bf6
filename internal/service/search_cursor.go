package service

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// searchCursor is the page token of a search. It gives no access: each page is searched as the first
// one is.
type searchCursor struct {
	mark  int64 // of the search, by searchMark
	epoch int64 // of the index; 0: the first page
	best  bool  // the order
	// Newest first: below is the document of the last result. Best first: score and below are of the
	// last result of the window, which has the documents from bottom up to top, without top; 0: none.
	below, top, bottom int64
	score              int
}

// String returns the text that parseSearchCursor reads.
func (c searchCursor) String() string {
	numbers := []int64{c.mark, c.epoch, c.below}
	kind := "n"
	if c.best {
		kind = "b"
		numbers = append(numbers, c.top, c.bottom, int64(c.score))
	}
	text := []byte(kind)
	for _, n := range numbers {
		text = strconv.AppendInt(append(text, '.'), n, 36)
	}
	return string(text)
}

// searchMark returns a number of a search, that of another one differs: by its org, words, filters or
// order.
func searchMark(org string, req *b2bv1.SearchRequest) (int64, error) {
	search := proto.CloneOf(req)
	search.Cursor, search.Limit = nil, nil
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(search)
	if err != nil {
		return 0, fmt.Errorf("marshal a search: %w", err)
	}
	sum := fnv.New32a()
	_, _ = sum.Write(append([]byte(org), text...)) // never fails, by its contract
	return int64(sum.Sum32()), nil
}

// parseSearchCursor reads a page token of the search with a mark, and the order best or newest.
func parseSearchCursor(text string, mark int64, best bool) (searchCursor, error) {
	c := searchCursor{mark: mark, best: best}
	if text == "" {
		return c, nil
	}
	malformed := call.Invalid("cursor: must be the cursor of the previous page of this search")
	kind, fields := "n", []*int64{&c.mark, &c.epoch, &c.below}
	var score int64
	if best {
		kind, fields = "b", append(fields, &c.top, &c.bottom, &score)
	}
	parts := strings.Split(text, ".")
	if parts[0] != kind || len(parts) != 1+len(fields) {
		return c, malformed
	}
	for i, n := range fields {
		var err error
		if *n, err = strconv.ParseInt(parts[i+1], 36, 64); err != nil || *n < 0 {
			return c, malformed
		}
	}
	if c.epoch == 0 || c.mark != mark {
		return c, malformed
	}
	c.score = int(score)
	return c, nil
}
