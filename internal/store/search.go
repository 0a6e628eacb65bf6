package store

import "context"

// The tables of the search index (package searchindex). What it has of an org is changed only inside
// Update(ctx, SearchOf(org), …), which takes its turn beside the changes of the org itself: so no
// change of the org waits for the index.

// SearchOf returns the name under which the search index of an org is changed.
func SearchOf(org string) string { return "search of " + org }

// SearchKind is the kind of what can be found.
type SearchKind int

// The kinds. Their numbers are stored.
const (
	SearchThreadMessage  SearchKind = 1
	SearchChannelMessage SearchKind = 2
	SearchThread         SearchKind = 3
	SearchArtifact       SearchKind = 4 // a version
	SearchBot            SearchKind = 5
	SearchFile           SearchKind = 6
)

// Replaced reports whether what has this kind changes, so that its last document counts alone.
func (k SearchKind) Replaced() bool { return k == SearchThread || k == SearchBot }

// SearchState is how far the index of an org is.
type SearchState struct {
	OrgID string `bun:"org_id,pk"`
	Seq   int64  `bun:"seq"`   // the events up to this one are in the index
	Docs  int64  `bun:"docs"`  // the number of the last document
	Epoch int64  `bun:"epoch"` // rises when the index is made anew, and documents get other numbers
	Stage string `bun:"stage"` // of making it anew; empty: it follows the log
	Place string `bun:"place"` // where the stage is
	Node  string `bun:"node"`  // the node that works on it; empty: none. It counts while that is live
}

// SearchDoc is a document of the index of an org. Documents are numbered from 1, in the order in
// which they came.
type SearchDoc struct {
	OrgID   string     `bun:"org_id,pk"`
	Doc     int64      `bun:"doc,pk"`
	Kind    SearchKind `bun:"kind"`
	ID      string     `bun:"id"`
	ScopeID string     `bun:"scope_id"` // the thread or channel; empty: it is in none
	At      int64      `bun:"at"`
}

// SearchSegment is a part of the index: the pages of the documents of a range.
type SearchSegment struct {
	Segment int64  `bun:"segment,pk"` // unique in the database
	OrgID   string `bun:"org_id"`
	First   int64  `bun:"first_doc"`
	Last    int64  `bun:"last_doc"`
	Dead    int64  `bun:"dead"` // documents of the range that were removed since it was made
	MinAt   int64  `bun:"min_at"`
	MaxAt   int64  `bun:"max_at"`
	Live    bool   `bun:"live"` // false: it is being made
}

// SearchPage is tokens of a segment that follow each other, with their documents (searchindex.Page).
type SearchPage struct {
	Segment int64  `bun:"segment,pk"`
	First   string `bun:"first_token,pk"`
	Data    []byte `bun:"data"`
}

// SearchRef reports that something in a thread or channel refers to a file.
type SearchRef struct {
	OrgID   string `bun:"org_id,pk"`
	FileID  string `bun:"file_id,pk"`
	ScopeID string `bun:"scope_id,pk"`
}

// SearchEntry names what is, or is to be, in the index, in the order of time.
type SearchEntry struct {
	OrgID string     `bun:"org_id,pk"`
	At    int64      `bun:"at,pk"`
	Kind  SearchKind `bun:"kind,pk"`
	ID    string     `bun:"id,pk"`
	// Order is what lists of SearchEntries are ordered by, before the id.
	Order int64 `bun:"-"`
}

// SearchParts is between the parts of the other lines of a profile.
const SearchParts = "\x1f"

// SearchSource is what the database has of a document. Long texts are cut.
type SearchSource struct {
	Kind       SearchKind `bun:"-"`
	ID         string     `bun:"id"`
	ScopeID    string     `bun:"scope_id"`
	Topic      string     `bun:"topic"` // of the thread
	AuthorID   *string    `bun:"author_id"`
	AuthorName *string    `bun:"author_name"` // nil: the bot was deleted
	At         int64      `bun:"at"`
	Name       string     `bun:"name"`  // of a bot or file; the key of an artifact
	Title      *string    `bun:"title"` // of an artifact; the topic of a thread; the role of a bot; the type of a file
	Body       *string    `bun:"body"`
	More       *string    `bun:"more"`   // parts, tags, a URL, other lines of a profile
	Number     int64      `bun:"number"` // the version of an artifact, the bytes of a file
	State      string     `bun:"state"`  // "current" for the last version of an artifact, the visibility of a thread, the join status of a bot
}

// SearchReader reads the search index and its sources.
type SearchReader interface {
	// SearchState fails with ErrNotFound for an org without an index.
	SearchState(ctx context.Context, org string) (*SearchState, error)
	// SearchBehind lists orgs by id after one, with an index that is behind the log, is being made, or
	// is missing.
	SearchBehind(ctx context.Context, after string, limit int) ([]string, error)
	// SearchLag returns how many events are not in the search index of their org yet: of all orgs, and
	// the most of one.
	SearchLag(ctx context.Context) (all, most int64, err error)
	// SearchSegments lists the segments of an org, by their first document, also those that are being
	// made.
	SearchSegments(ctx context.Context, org string) ([]SearchSegment, error)
	// SearchPages lists the pages of segments in which the tokens are, if they are in the segments.
	SearchPages(ctx context.Context, segments []int64, tokens []string) ([]SearchPage, error)
	// SearchPagesAfter lists the pages of a segment after the one with a first token.
	SearchPagesAfter(ctx context.Context, segment int64, first string, limit int) ([]SearchPage, error)
	// SearchDocs finds documents, which are in descending order. Those that were removed are left out.
	SearchDocs(ctx context.Context, org string, docs []int64) ([]SearchDoc, error)
	// SearchDocsAfter lists documents by number, after one.
	SearchDocsAfter(ctx context.Context, org string, doc int64, limit int) ([]SearchDoc, error)
	// SearchSources finds what the database has of documents of one kind, by id. What was deleted is
	// left out.
	SearchSources(ctx context.Context, org string, kind SearchKind, ids []string) ([]SearchSource, error)
	// SearchMissing returns those of the ids of a kind that do not exist.
	SearchMissing(ctx context.Context, kind SearchKind, ids []string) ([]string, error)
	// SearchEntries lists, by Order and id and after an entry, what there is of a kind: of messages and
	// artifacts, that of the thread or channel scope, of others, that of the org.
	SearchEntries(ctx context.Context, org string, kind SearchKind, scope string, after SearchEntry, limit int) ([]SearchEntry, error)
	// SearchChannels lists the channels of an org by id, after one.
	SearchChannels(ctx context.Context, org, after string, limit int) ([]string, error)
	// SearchTodo lists what is to be indexed of an org that is being made anew, by time.
	SearchTodo(ctx context.Context, org string, limit int) ([]SearchEntry, error)
	// SearchScopesOf lists threads and channels that a bot is in.
	SearchScopesOf(ctx context.Context, bot string, limit int) ([]string, error)
	// SearchScopesIn returns those of the threads and channels that a bot is in.
	SearchScopesIn(ctx context.Context, bot string, scopes []string) ([]string, error)
	// SearchFilesFor returns those of the files that something refers to in a thread or channel that a
	// bot is in.
	SearchFilesFor(ctx context.Context, org, bot string, files []string) ([]string, error)
}

// SearchWriter changes the search index.
type SearchWriter interface {
	PutSearchState(ctx context.Context, s *SearchState) error
	// ClaimSearch sets the node that works on the index of an org. It returns false if another live
	// node does.
	ClaimSearch(ctx context.Context, org, node string, live Live) (bool, error)
	// NextSearchSegment returns the number for a new segment.
	NextSearchSegment(ctx context.Context) (int64, error)
	PutSearchSegment(ctx context.Context, s *SearchSegment) error
	// PutSearchDocs adds documents. For what is replaced, it first removes the document with its id.
	PutSearchDocs(ctx context.Context, docs []SearchDoc) error
	PutSearchPages(ctx context.Context, pages []SearchPage) error
	PutSearchRefs(ctx context.Context, refs []SearchRef) error
	PutSearchTodo(ctx context.Context, entries []SearchEntry) error
	// DeleteSearchTodo removes the entries up to one.
	DeleteSearchTodo(ctx context.Context, last SearchEntry) error
	// ForgetSearch removes the document of what is replaced and does not exist any more.
	ForgetSearch(ctx context.Context, org string, ids []string) error
	// DeleteSearchDocs removes documents.
	DeleteSearchDocs(ctx context.Context, org string, docs []int64) error
	// DeleteSearchPages removes at most limit pages of a segment, and returns how many.
	DeleteSearchPages(ctx context.Context, segment int64, limit int) (int64, error)
	DeleteSearchSegment(ctx context.Context, segment int64) error
	// ClearSearch removes at most limit rows of the index of an org, without its state, and returns how
	// many.
	ClearSearch(ctx context.Context, org string, limit int) (int64, error)
}
