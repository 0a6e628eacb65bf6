package search

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/store"
)

// Query selects documents of the index of an org.
type Query struct {
	OrgID   string
	Clauses []searchindex.Clause // conditions on tokens
	Below   int64                // documents with a lower number; 0: all
	From    int64                // documents with this number or a higher one
	Since   *int64               // documents of this time or later, in Unix milliseconds
	Until   *int64               // documents before this time
}

const (
	// firstSegments is how many segments are read at first, and mostSegments at once: most queries
	// find enough in the newest.
	firstSegments = 4
	mostSegments  = 32
	// docsAtOnce is how many documents are looked up at once.
	docsAtOnce = 64
	// mostDays is for how many days a segment is searched by day.
	mostDays = 31
)

// Find returns the documents of the index that match, the newest first. What it returns may have been
// deleted meanwhile. r must be one snapshot.
func Find(ctx context.Context, r Reader, q Query) iter.Seq2[[]store.SearchDoc, error] {
	return func(yield func([]store.SearchDoc, error) bool) {
		segments, err := q.segments(ctx, r)
		if err != nil {
			yield(nil, err)
			return
		}
		for n := firstSegments; len(segments) > 0; n = min(2*n, mostSegments) {
			some := segments[:min(n, len(segments))]
			segments = segments[len(some):]
			lists, err := q.lists(ctx, r, some)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range some {
				if !q.segment(ctx, r, &some[i], lists[some[i].Segment], yield) {
					return
				}
			}
		}
	}
}

// segments returns the segments that may have matching documents, the newest first.
func (q *Query) segments(ctx context.Context, r Reader) ([]store.SearchSegment, error) {
	all, err := r.SearchSegments(ctx, q.OrgID)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	some := slices.DeleteFunc(all, func(s store.SearchSegment) bool {
		return !s.Live || q.Below != 0 && s.First >= q.Below || s.Last < q.From ||
			q.Since != nil && s.MaxAt < *q.Since || q.Until != nil && s.MinAt >= *q.Until
	})
	slices.Reverse(some)
	return some, nil
}

// clauses returns the conditions for a segment. When a part of its time is searched, there is one on
// the day.
func (q *Query) clauses(s *store.SearchSegment) []searchindex.Clause {
	from, to := s.MinAt, s.MaxAt
	if q.Since != nil {
		from = max(from, *q.Since)
	}
	if q.Until != nil {
		to = min(to, *q.Until-1)
	}
	first, last := searchindex.DayOf(from), searchindex.DayOf(to)
	if first == searchindex.DayOf(s.MinAt) && last == searchindex.DayOf(s.MaxAt) || last-first >= mostDays {
		return q.Clauses
	}
	var days searchindex.Clause
	for day := first; day <= last; day++ {
		days = append(days, []string{searchindex.DayToken(day)})
	}
	return append(slices.Clip(q.Clauses), days)
}

// lists reads the lists of the tokens that are asked for, encoded, by segment and token.
func (q *Query) lists(ctx context.Context, r Reader, segments []store.SearchSegment) (map[int64]map[string][]byte, error) {
	numbers := make([]int64, len(segments))
	var tokens []string
	for i := range segments {
		numbers[i] = segments[i].Segment
		for _, c := range q.clauses(&segments[i]) {
			for _, all := range c {
				tokens = append(tokens, all...)
			}
		}
	}
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	pages, err := r.SearchPages(ctx, numbers, tokens)
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	out := make(map[int64]map[string][]byte, len(segments))
	for i := range pages {
		of := out[pages[i].Segment]
		if of == nil {
			of = map[string][]byte{}
			out[pages[i].Segment] = of
		}
		if err := pageOf(&pages[i]).Lists(tokens, func(token string, list []byte) { of[token] = list }); err != nil {
			return nil, fmt.Errorf("read the index: %w", err)
		}
	}
	return out, nil
}

func pageOf(p *store.SearchPage) searchindex.Page {
	return searchindex.Page{First: p.First, Data: p.Data}
}

// segment yields the matching documents of a segment. It reports whether to go on.
func (q *Query) segment(ctx context.Context, r Reader, s *store.SearchSegment, lists map[string][]byte, yield func([]store.SearchDoc, error) bool) bool {
	decoded := map[string]searchindex.List{}
	found, err := searchindex.Find(q.clauses(s), func(token string) (searchindex.List, error) {
		if l, ok := decoded[token]; ok {
			return l, nil
		}
		b, ok := lists[token]
		if !ok {
			return nil, nil
		}
		l, err := searchindex.Decode(b)
		decoded[token] = l
		return l, err
	})
	if err != nil {
		return yield(nil, fmt.Errorf("read the index: %w", err))
	}
	numbers := make([]int64, 0, docsAtOnce)
	for i := len(found) - 1; i >= 0; i-- {
		doc := s.First + int64(found[i])
		if q.Below != 0 && doc >= q.Below {
			continue
		}
		if doc < q.From {
			break
		}
		if numbers = append(numbers, doc); len(numbers) == docsAtOnce {
			if !q.look(ctx, r, numbers, yield) {
				return false
			}
			numbers = numbers[:0]
		}
	}
	return len(numbers) == 0 || q.look(ctx, r, numbers, yield)
}

// look yields the documents with these numbers that are of the time. It reports whether to go on.
func (q *Query) look(ctx context.Context, r Reader, numbers []int64, yield func([]store.SearchDoc, error) bool) bool {
	docs, err := r.SearchDocs(ctx, q.OrgID, numbers)
	if err != nil {
		return yield(nil, fmt.Errorf("look up documents: %w", err))
	}
	docs = slices.DeleteFunc(docs, func(d store.SearchDoc) bool {
		return q.Since != nil && d.At < *q.Since || q.Until != nil && d.At >= *q.Until
	})
	return len(docs) == 0 || yield(docs, nil)
}
