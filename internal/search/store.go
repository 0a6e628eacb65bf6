package search

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// Reader is what reads the index.
type Reader interface {
	SearchSegments(ctx context.Context, org string) ([]store.SearchSegment, error)
	SearchPages(ctx context.Context, segments []int64, tokens []string) ([]store.SearchPage, error)
	SearchDocs(ctx context.Context, org string, docs []int64) ([]store.SearchDoc, error)
}

// Store is what an Indexer needs of the store.
type Store interface {
	Reader
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	ReadLog(ctx context.Context, org string, afterSeq int64, limit int) ([]store.Event, error)
	SearchState(ctx context.Context, org string) (*store.SearchState, error)
	SearchBehind(ctx context.Context, after string, limit int) ([]string, error)
	SearchPagesAfter(ctx context.Context, segment int64, first string, limit int) ([]store.SearchPage, error)
	SearchDocsAfter(ctx context.Context, org string, doc int64, limit int) ([]store.SearchDoc, error)
	SearchSources(ctx context.Context, org string, kind store.SearchKind, ids []string) ([]store.SearchSource, error)
	SearchMissing(ctx context.Context, kind store.SearchKind, ids []string) ([]string, error)
	SearchEntries(ctx context.Context, org string, kind store.SearchKind, scope string, after store.SearchEntry, limit int) ([]store.SearchEntry, error)
	SearchChannels(ctx context.Context, org, after string, limit int) ([]string, error)
	SearchTodo(ctx context.Context, org string, limit int) ([]store.SearchEntry, error)
	OnCommit(fn func(org string, events []store.Event)) (remove func())
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Tx is what the changes of an Indexer need.
type Tx interface {
	Org(ctx context.Context, id string) (*store.Org, error)
	SearchState(ctx context.Context, org string) (*store.SearchState, error)
	SearchSegments(ctx context.Context, org string) ([]store.SearchSegment, error)
	PutSearchState(ctx context.Context, s *store.SearchState) error
	ClaimSearch(ctx context.Context, org, node string, live store.Live) (bool, error)
	NextSearchSegment(ctx context.Context) (int64, error)
	PutSearchSegment(ctx context.Context, s *store.SearchSegment) error
	PutSearchDocs(ctx context.Context, docs []store.SearchDoc) error
	PutSearchPages(ctx context.Context, pages []store.SearchPage) error
	PutSearchRefs(ctx context.Context, refs []store.SearchRef) error
	PutSearchTodo(ctx context.Context, entries []store.SearchEntry) error
	DeleteSearchTodo(ctx context.Context, last store.SearchEntry) error
	ForgetSearch(ctx context.Context, org string, ids []string) error
	DeleteSearchDocs(ctx context.Context, org string, docs []int64) error
	DeleteSearchPages(ctx context.Context, segment int64, limit int) (int64, error)
	DeleteSearchSegment(ctx context.Context, segment int64) error
	ClearSearch(ctx context.Context, org string, limit int) (int64, error)
}
