package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/search"
	"github.com/b2b-protocol/b2b/internal/searchtext"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// searching is one search on a snapshot.
type searching struct {
	r      searchView
	words  *searchtext.Query
	q      search.Query
	viewer *searchViewer
}

// collect returns the newest results, at most most. end is the document that was looked at last if
// there may be further ones below it, else 0.
func (x *searching) collect(ctx context.Context, most int) (hits []searchHit, end int64, err error) {
	examined, text := 0, 0
	for docs, err := range search.Find(ctx, x.r, x.q) {
		if err != nil {
			return nil, 0, err
		}
		sources, err := x.visible(ctx, docs)
		if err != nil {
			return nil, 0, err
		}
		for i := range docs {
			if len(hits) == most {
				return hits, end, nil
			}
			end = docs[i].Doc
			s := sources[docs[i]]
			if s == nil {
				continue
			}
			fields := search.Fields(s)
			for _, f := range fields {
				text += len(f.Text)
			}
			m := x.words.Match(fields)
			if m == nil {
				continue
			}
			hits = append(hits, searchHit{doc: docs[i].Doc, score: m.Score, out: hitOut(s, fields, m)})
		}
		if examined += len(docs); examined >= mostExamined || text >= mostText {
			return hits, end, nil
		}
	}
	if len(hits) < most {
		return hits, 0, nil
	}
	return hits, end, nil
}

// visible returns what the database has of those documents that the caller may see.
func (x *searching) visible(ctx context.Context, docs []store.SearchDoc) (map[store.SearchDoc]*store.SearchSource, error) {
	docs, err := x.viewer.candidates(ctx, docs)
	if err != nil {
		return nil, err
	}
	type key struct {
		kind store.SearchKind
		id   string
	}
	ids := map[store.SearchKind][]string{}
	for _, d := range docs {
		ids[d.Kind] = append(ids[d.Kind], d.ID)
	}
	found := map[key]*store.SearchSource{}
	for kind, of := range ids {
		rows, err := x.r.SearchSources(ctx, x.q.OrgID, kind, of)
		if err != nil {
			return nil, fmt.Errorf("read what was found: %w", err)
		}
		for i := range rows {
			found[key{kind, rows[i].ID}] = &rows[i]
		}
	}
	out := make(map[store.SearchDoc]*store.SearchSource, len(docs))
	for _, d := range docs {
		if s := found[key{d.Kind, d.ID}]; s != nil && x.viewer.mayRead(s) {
			out[d] = s
		}
	}
	return out, nil
}

// hitOut returns a result.
func hitOut(s *store.SearchSource, fields []searchtext.Field, m *searchtext.Match) *b2bv1.SearchHit {
	h := &b2bv1.SearchHit{Id: s.ID, At: stamp(s.At)}
	if s.AuthorID != nil && s.AuthorName != nil {
		h.AuthorId, h.AuthorName = s.AuthorID, s.AuthorName
	}
	switch s.Kind {
	case store.SearchChannelMessage:
		h.Kind, h.ChannelId = b2bv1.SearchKind_SEARCH_KIND_MESSAGE, &s.ScopeID
	case store.SearchThreadMessage:
		h.Kind = b2bv1.SearchKind_SEARCH_KIND_MESSAGE
	case store.SearchThread:
		h.Kind = b2bv1.SearchKind_SEARCH_KIND_THREAD
	case store.SearchArtifact:
		current := s.State == "current"
		h.Kind, h.Name, h.Title, h.Version, h.Current = b2bv1.SearchKind_SEARCH_KIND_ARTIFACT, &s.Name, s.Title, &s.Number, &current
	case store.SearchBot:
		h.Kind, h.Name = b2bv1.SearchKind_SEARCH_KIND_BOT, &s.Name
	case store.SearchFile:
		h.Kind, h.Name = b2bv1.SearchKind_SEARCH_KIND_FILE, &s.Name
	}
	if s.ScopeID != "" && s.Kind != store.SearchChannelMessage {
		h.ThreadId, h.ThreadTopic = &s.ScopeID, &s.Topic
	}
	for i, spans := range m.Spans {
		if len(spans) == 0 || len(h.Highlights) == limits.MaxSearchHighlights {
			continue
		}
		light := &b2bv1.SearchHighlight{Field: fields[i].Name}
		for _, f := range searchtext.Snippet(fields[i].Text, spans) {
			light.Fragments = append(light.Fragments, &b2bv1.SearchFragment{Text: f.Text, Hit: f.Hit})
		}
		h.Highlights = append(h.Highlights, light)
	}
	return h
}
