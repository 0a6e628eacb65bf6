package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/searchtext"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// searchService finds what a caller may see by its words (B2B-SRCH).
type searchService struct {
	*core
	reads searchReads
}

// searchReads is what searchService reads of the store.
type searchReads interface {
	BotID(ctx context.Context, org, ref string) (string, error)
}

// searchView is what it reads on one snapshot.
type searchView interface {
	search.Reader
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	SearchState(ctx context.Context, org string) (*store.SearchState, error)
	SearchSources(ctx context.Context, org string, kind store.SearchKind, ids []string) ([]store.SearchSource, error)
	SearchScopesOf(ctx context.Context, bot string, limit int) ([]string, error)
	SearchScopesIn(ctx context.Context, bot string, scopes []string) ([]string, error)
	SearchFilesFor(ctx context.Context, org, bot string, files []string) ([]string, error)
}

const (
	// bestAmong is how many results are put in order by how well they match (B2B-SRCH-012).
	bestAmong = 200
	// mostExamined is how many documents of the index a call looks up, and mostText how many bytes of
	// their texts it reads. A page ends when it has used them up.
	mostExamined = 4096
	mostText     = 16 << 20
	// scopesInIndex is up to how many threads and channels of a caller the index is asked for them.
	scopesInIndex = 64
)

// searchKinds are the kinds of documents by their names in requests.
var searchKinds = map[string][]store.SearchKind{
	"message":  {store.SearchThreadMessage, store.SearchChannelMessage},
	"thread":   {store.SearchThread},
	"artifact": {store.SearchArtifact},
	"bot":      {store.SearchBot},
	"file":     {store.SearchFile},
}

// searchHit is a result.
type searchHit struct {
	doc   int64
	score int
	out   *b2bv1.SearchHit
}

// Search finds what has all words of a query (B2B-SRCH-001).
func (s *searchService) Search(ctx context.Context, req *b2bv1.SearchRequest) (*b2bv1.SearchResponse, error) {
	words, err := searchtext.ParseQuery(req.GetQ())
	if err != nil {
		return nil, call.Invalid("q: %v", err)
	}
	mark, err := searchMark(call.CallerOf(ctx).OrgID, req)
	if err != nil {
		return nil, err
	}
	cursor, err := parseSearchCursor(req.GetCursor(), mark, req.GetSort() == b2bv1.SearchSort_SEARCH_SORT_BEST)
	if err != nil {
		return nil, err
	}
	q, err := s.searchQuery(ctx, req, words)
	if err != nil {
		return nil, err
	}
	size := smallPage(req.Limit)
	return view(ctx, s.core, func(r searchView) (*b2bv1.SearchResponse, error) {
		res := &b2bv1.SearchResponse{}
		state, err := s.indexOut(ctx, r, q.OrgID, res)
		if err != nil || state == nil {
			return res, err
		}
		if cursor.epoch != 0 && cursor.epoch != state.Epoch {
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CURSOR_EXPIRED, "cursor: the index was made anew since the previous page").
				WithHint("Search again without a cursor.")
		}
		cursor.epoch = state.Epoch
		x := &searching{r: r, words: words, q: q, viewer: newSearchViewer(call.CallerOf(ctx), r)}
		if err := x.viewer.restrict(ctx, &x.q); err != nil {
			return nil, err
		}
		return res, s.searchPage(ctx, x, cursor, size, res)
	})
}

// kindsClause selects documents of some kinds.
func kindsClause(kinds ...store.SearchKind) (c searchindex.Clause) {
	for _, k := range kinds {
		c = append(c, []string{searchindex.Kind(int(k))})
	}
	return c
}

// searchQuery returns the query of the index. The index does not know who calls.
func (s *searchService) searchQuery(ctx context.Context, req *b2bv1.SearchRequest, words *searchtext.Query) (search.Query, error) {
	q := search.Query{OrgID: call.CallerOf(ctx).OrgID}
	for _, c := range words.Clauses() {
		of := make(searchindex.Clause, len(c))
		for i, all := range c {
			for _, word := range all {
				of[i] = append(of[i], searchindex.Word(word))
			}
		}
		q.Clauses = append(q.Clauses, of)
	}
	var kinds searchindex.Clause
	for _, name := range req.GetKinds() {
		if searchKinds[name] == nil {
			return q, call.Invalid("kinds: %q is none of message, thread, artifact, bot, file", name)
		}
		kinds = append(kinds, kindsClause(searchKinds[name]...)...)
	}
	if len(kinds) > 0 {
		q.Clauses = append(q.Clauses, kinds)
	}
	if id := req.GetThreadId(); id != "" {
		q.Clauses = append(q.Clauses, searchindex.Clause{{searchindex.Scope(id)}},
			kindsClause(store.SearchThreadMessage, store.SearchThread, store.SearchArtifact))
	}
	if id := req.GetChannelId(); id != "" {
		q.Clauses = append(q.Clauses, searchindex.Clause{{searchindex.Scope(id)}}, kindsClause(store.SearchChannelMessage))
	}
	if req.GetAuthor() != "" {
		bot, err := s.reads.BotID(ctx, q.OrgID, req.GetAuthor())
		if err != nil {
			return q, notFound(err, "Bot")
		}
		q.Clauses = append(q.Clauses, searchindex.Clause{{searchindex.Author(bot)}})
	}
	if req.Since != nil {
		at := millis(req.Since)
		q.Since = &at
	}
	if req.Until != nil {
		at := millis(req.Until)
		q.Until = &at
	}
	return q, nil
}

// indexOut sets how far the index is. It returns nil for an org that has none yet.
func (s *searchService) indexOut(ctx context.Context, r searchView, org string, res *b2bv1.SearchResponse) (*store.SearchState, error) {
	top, err := r.LogTop(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	state, err := r.SearchState(ctx, org)
	if errors.Is(err, store.ErrNotFound) {
		res.Index = &b2bv1.SearchIndex{Behind: top.Seq}
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the state of the index: %w", err)
	}
	res.Index = &b2bv1.SearchIndex{Complete: state.Stage == "", Behind: max(top.Seq-state.Seq, 0)}
	return state, nil
}

// searchPage sets the results of a page.
func (s *searchService) searchPage(ctx context.Context, x *searching, at searchCursor, size int, res *b2bv1.SearchResponse) error {
	most := size + 1
	if at.best {
		x.q.Below, x.q.From = at.top, at.bottom
		most = bestAmong
	} else {
		x.q.Below = at.below
	}
	hits, end, err := x.collect(ctx, most)
	if err != nil {
		return err
	}
	if !at.best {
		n := fits(outputs(hits[:min(size, len(hits))]), s.pageBytesLeft())
		if n < len(hits) {
			end = hits[n-1].doc
		}
		res.Items = outputs(hits[:n])
		if end > 1 {
			next := searchCursor{mark: at.mark, epoch: at.epoch, below: end}.String()
			res.HasMore, res.Cursor = true, &next
		}
		return nil
	}
	// The window is what was searched, from its first document to end. The next page sorts it again,
	// without what came since.
	next := searchCursor{mark: at.mark, epoch: at.epoch, best: true, top: at.top, bottom: max(end, at.bottom)}
	if next.top == 0 && len(hits) > 0 {
		next.top = hits[0].doc + 1
	}
	slices.SortFunc(hits, func(a, b searchHit) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.doc, a.doc)) })
	if at.below != 0 {
		hits = slices.DeleteFunc(hits, func(h searchHit) bool {
			return h.score > at.score || h.score == at.score && h.doc >= at.below
		})
	}
	n := min(size, len(hits))
	n = fits(outputs(hits[:n]), s.pageBytesLeft())
	res.Items = outputs(hits[:n])
	switch {
	case n < len(hits):
		next.score, next.below = hits[n-1].score, hits[n-1].doc
	case next.bottom > 1: // the next window
		next.top, next.bottom = next.bottom, 0
	default:
		return nil
	}
	text := next.String()
	res.HasMore, res.Cursor = true, &text
	return nil
}

func outputs(hits []searchHit) []*b2bv1.SearchHit {
	out := make([]*b2bv1.SearchHit, len(hits))
	for i := range hits {
		out[i] = hits[i].out
	}
	return out
}
