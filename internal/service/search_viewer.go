package service

import (
	"context"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/searchindex"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
)

// searchViewer decides what a caller may see of what was found (B2B-SRCH-003):
//
//	                    bot                              admin bot, scope admin   org admin
//	message, artifact   in its threads                   all threads              all
//	direct message      in its channels                  in its channels          all
//	thread              its threads, and public ones     all                      all
//	bot                 active ones; an admin bot: all   all                      all
//	file                its own, and those that are      its own, likewise        all
//	                    referred to in its threads and
//	                    channels
//
// That is what the routes for each kind answer, except for files, which have no list.
type searchViewer struct {
	caller     *call.Caller
	r          searchView
	allThreads bool
	in         map[string]bool // threads and channels that were looked up, and whether the bot is in them
	files      map[string]bool // likewise files, and whether something refers to them
}

func newSearchViewer(c *call.Caller, r searchView) *searchViewer {
	v := &searchViewer{caller: c, r: r, in: map[string]bool{}, files: map[string]bool{}}
	v.allThreads = v.person() || c.Admin && c.Scopes&(call.ScopeFull|call.ScopeAdmin) != 0
	return v
}

func (v *searchViewer) person() bool { return v.caller.Kind == call.OrgAdmin }

// restrict adds the threads and channels of the caller to a query, if they are few. It saves looking
// at what the caller may not see.
func (v *searchViewer) restrict(ctx context.Context, q *search.Query) error {
	if v.allThreads {
		return nil
	}
	scopes, err := v.r.SearchScopesOf(ctx, v.caller.BotID, scopesInIndex+1)
	if err != nil {
		return fmt.Errorf("list the threads and channels of the caller: %w", err)
	}
	if len(scopes) > scopesInIndex {
		return nil
	}
	var c searchindex.Clause
	for _, kind := range []store.SearchKind{store.SearchThread, store.SearchBot, store.SearchFile} {
		c = append(c, []string{searchindex.Kind(int(kind))})
	}
	for _, id := range scopes {
		c = append(c, []string{searchindex.Scope(id)})
	}
	q.Clauses = append(slices.Clip(q.Clauses), c)
	return nil
}

// candidates returns the documents that the caller may see, as far as the index tells.
func (v *searchViewer) candidates(ctx context.Context, docs []store.SearchDoc) ([]store.SearchDoc, error) {
	if v.person() {
		return docs, nil
	}
	var scopes, files []string
	for _, d := range docs {
		if _, known := v.in[d.ScopeID]; d.ScopeID != "" && !known {
			v.in[d.ScopeID] = false
			scopes = append(scopes, d.ScopeID)
		}
		if _, known := v.files[d.ID]; d.Kind == store.SearchFile && !known {
			v.files[d.ID] = false
			files = append(files, d.ID)
		}
	}
	in, err := v.r.SearchScopesIn(ctx, v.caller.BotID, scopes)
	if err != nil {
		return nil, fmt.Errorf("look up the threads and channels of the caller: %w", err)
	}
	for _, id := range in {
		v.in[id] = true
	}
	seen, err := v.r.SearchFilesFor(ctx, v.caller.OrgID, v.caller.BotID, files)
	if err != nil {
		return nil, fmt.Errorf("look up what refers to files: %w", err)
	}
	for _, id := range seen {
		v.files[id] = true
	}
	return slices.DeleteFunc(slices.Clone(docs), func(d store.SearchDoc) bool {
		switch d.Kind {
		case store.SearchThreadMessage, store.SearchArtifact:
			return !v.allThreads && !v.in[d.ScopeID]
		case store.SearchChannelMessage:
			return !v.in[d.ScopeID]
		case store.SearchThread, store.SearchBot, store.SearchFile: // mayRead decides
		}
		return false
	}), nil
}

// mayRead reports whether the caller may see one of the candidates.
func (v *searchViewer) mayRead(s *store.SearchSource) bool {
	if v.person() {
		return true
	}
	switch s.Kind {
	case store.SearchThread:
		return v.allThreads || v.in[s.ID] || s.State == string(thread.Public)
	case store.SearchBot:
		return v.caller.Admin || s.State == store.BotActive
	case store.SearchFile:
		return v.files[s.ID] || s.AuthorID != nil && *s.AuthorID == v.caller.BotID
	case store.SearchThreadMessage, store.SearchChannelMessage, store.SearchArtifact: // candidates has decided
	}
	return true
}
