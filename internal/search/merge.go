package search

import (
	"context"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/store"
)

const (
	// mergeBytes is about how many bytes a step of a merge writes.
	mergeBytes = 1 << 20
	// readPages is how many pages of a segment are read at once.
	readPages = 16
	// dropPages is how many pages of merged segments a step removes.
	dropPages = 512
)

// merge is a merge of segments in progress. A crash ends it: its pages are removed, and it begins
// again.
type merge struct {
	target store.SearchSegment
	from   []store.SearchSegment
	last   []string // the first tokens of the pages that were read last
	merger searchindex.Merger
	ended  bool
}

// maintain does a step of merging segments, if there is anything to merge. Otherwise it leaves the
// index to other nodes. It reports whether there may be more to do.
func (x *Indexer) maintain(ctx context.Context, st *store.SearchState, p *progress) (more bool, err error) {
	more, err = x.mergeStep(ctx, st, p)
	if err == nil && !more && p.sweep {
		more, err = true, x.sweep(ctx, st, p)
	}
	if err == nil && !more && st.Node != "" {
		err = x.change(ctx, st, false, func(Tx, *store.SearchState) error { return nil })
	}
	return more, err
}

// mergeStep does a step of a merge, or begins one. It reports whether there was one.
func (x *Indexer) mergeStep(ctx context.Context, st *store.SearchState, p *progress) (did bool, err error) {
	if p.merge == nil {
		return x.beginMerge(ctx, st, p)
	}
	m := p.merge
	if m.ended {
		return true, x.endMerge(ctx, st, p)
	}
	pages, end, err := m.merger.Merge(mergeBytes, func(i int) ([]searchindex.Page, error) { return x.read(ctx, m, i) })
	if err != nil {
		return false, fmt.Errorf("merge segments: %w", err)
	}
	m.ended = end
	return true, x.change(ctx, st, true, func(tx Tx, _ *store.SearchState) error {
		return tx.PutSearchPages(ctx, rowsOf(m.target.Segment, pages))
	})
}

// read returns the next pages of a segment that is merged.
func (x *Indexer) read(ctx context.Context, m *merge, i int) ([]searchindex.Page, error) {
	rows, err := x.Store.SearchPagesAfter(ctx, m.from[i].Segment, m.last[i], readPages)
	if err != nil {
		return nil, fmt.Errorf("read a segment: %w", err)
	}
	pages := make([]searchindex.Page, len(rows))
	for k := range rows {
		pages[k] = pageOf(&rows[k])
		m.last[i] = rows[k].First
	}
	return pages, nil
}

func (x *Indexer) beginMerge(ctx context.Context, st *store.SearchState, p *progress) (did bool, err error) {
	all, err := x.Store.SearchSegments(ctx, st.OrgID)
	if err != nil {
		return false, fmt.Errorf("list segments: %w", err)
	}
	if i := slices.IndexFunc(all, func(s store.SearchSegment) bool { return !s.Live }); i >= 0 {
		return true, x.drop(ctx, st, all[i].Segment)
	}
	parts := make([]searchindex.Part, len(all))
	for i, s := range all {
		parts[i] = searchindex.Part{Range: s.Last - s.First + 1, Dead: s.Dead}
	}
	from, to, ok := searchindex.Plan(parts)
	if !ok {
		return false, nil
	}
	m := &merge{from: all[from:to], target: store.SearchSegment{
		OrgID: st.OrgID, First: all[from].First, Last: all[to-1].Last, MinAt: all[from].MinAt, MaxAt: all[from].MaxAt,
	}}
	dead := int64(0)
	for _, s := range m.from {
		m.target.MinAt, m.target.MaxAt = min(m.target.MinAt, s.MinAt), max(m.target.MaxAt, s.MaxAt)
		m.merger.Bases = append(m.merger.Bases, int(s.First-m.target.First))
		dead += s.Dead
	}
	m.last = make([]string, len(m.from))
	if dead > 0 {
		gone, err := x.goneIn(ctx, m.target)
		if err != nil {
			return false, err
		}
		m.merger.Keep = func(doc int) bool { return !gone[doc] }
	}
	err = x.change(ctx, st, true, func(tx Tx, _ *store.SearchState) error {
		number, err := tx.NextSearchSegment(ctx)
		if err != nil {
			return err
		}
		m.target.Segment = number
		return tx.PutSearchSegment(ctx, &m.target)
	})
	if err == nil {
		p.merge = m
	}
	return true, err
}

// goneIn returns the documents of a range that were removed.
func (x *Indexer) goneIn(ctx context.Context, s store.SearchSegment) (map[int]bool, error) {
	gone := map[int]bool{}
	expect := s.First
	for expect <= s.Last {
		docs, err := x.Store.SearchDocsAfter(ctx, s.OrgID, expect-1, scopesAtOnce)
		if err != nil {
			return nil, fmt.Errorf("list documents: %w", err)
		}
		docs = append(docs, store.SearchDoc{Doc: s.Last + 1})
		if len(docs) > scopesAtOnce {
			docs = docs[:scopesAtOnce]
		}
		for _, d := range docs {
			for ; expect < d.Doc && expect <= s.Last; expect++ {
				gone[int(expect-s.First)] = true
			}
			expect = d.Doc + 1
		}
	}
	return gone, nil
}

// endMerge makes the merged segment replace its inputs, which the next steps remove.
func (x *Indexer) endMerge(ctx context.Context, st *store.SearchState, p *progress) error {
	m := p.merge
	p.merge = nil
	return x.change(ctx, st, true, func(tx Tx, _ *store.SearchState) error {
		now, err := tx.SearchSegments(ctx, st.OrgID)
		if err != nil {
			return err
		}
		target := m.target
		target.Live = true
		for _, s := range now {
			i := slices.IndexFunc(m.from, func(f store.SearchSegment) bool { return f.Segment == s.Segment })
			if i < 0 {
				continue
			}
			target.Dead += s.Dead - m.from[i].Dead // removed since the merge began
			s.Live = false
			if err := tx.PutSearchSegment(ctx, &s); err != nil {
				return err
			}
		}
		return tx.PutSearchSegment(ctx, &target)
	})
}

// drop removes pages of a segment that is not read any more, or never was, and then the segment.
func (x *Indexer) drop(ctx context.Context, st *store.SearchState, segment int64) error {
	return x.change(ctx, st, true, func(tx Tx, _ *store.SearchState) error {
		n, err := tx.DeleteSearchPages(ctx, segment, dropPages)
		if err != nil || n == dropPages {
			return err
		}
		return tx.DeleteSearchSegment(ctx, segment)
	})
}

// sweep removes documents of which there is nothing left. Their tokens leave the index when their
// segment is merged, or has more of them than others.
func (x *Indexer) sweep(ctx context.Context, st *store.SearchState, p *progress) error {
	docs, err := x.Store.SearchDocsAfter(ctx, st.OrgID, p.swept, scopesAtOnce)
	if err != nil {
		return fmt.Errorf("list documents: %w", err)
	}
	if len(docs) < scopesAtOnce {
		p.sweep = false
	}
	if len(docs) == 0 {
		return nil
	}
	ids := map[store.SearchKind][]string{}
	for _, d := range docs {
		ids[d.Kind] = append(ids[d.Kind], d.ID)
	}
	missing := map[store.SearchKind]map[string]bool{}
	for kind, of := range ids {
		found, err := x.Store.SearchMissing(ctx, kind, of)
		if err != nil {
			return fmt.Errorf("look for what was removed: %w", err)
		}
		missing[kind] = make(map[string]bool, len(found))
		for _, id := range found {
			missing[kind][id] = true
		}
	}
	var gone []int64
	for _, d := range docs {
		if missing[d.Kind][d.ID] {
			gone = append(gone, d.Doc)
		}
	}
	p.swept = docs[len(docs)-1].Doc
	if len(gone) == 0 {
		return nil
	}
	return x.change(ctx, st, true, func(tx Tx, _ *store.SearchState) error { return tx.DeleteSearchDocs(ctx, st.OrgID, gone) })
}
