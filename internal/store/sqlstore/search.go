package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

// The tables of the search index are changed under a lock of their own (store.SearchOf), and no row of
// them is cached.

var selectSearchState = read(onSearchState, "SELECT "+columns[store.SearchState]("")+" FROM search_state WHERE org_id = ?")

func (r reader) SearchState(ctx context.Context, org string) (*store.SearchState, error) {
	return one[store.SearchState](ctx, r, selectSearchState, org)
}

const searchedOrgs = " FROM org_logs l JOIN orgs o ON o.id = l.org_id LEFT JOIN search_state s ON s.org_id = l.org_id WHERE o.status <> 'destroyed'"

var (
	selectSearchBehind = read(onOrgLogs|onOrgs|onSearchState, "SELECT l.org_id"+searchedOrgs+
		" AND l.org_id > ? AND (s.org_id IS NULL OR s.seq < l.last_seq OR s.stage <> '') ORDER BY l.org_id LIMIT ? + 0")
	selectSearchLag = read(onOrgLogs|onOrgs|onSearchState, `SELECT CAST(coalesce(sum(l.last_seq - coalesce(s.seq, 0)), 0) AS BIGINT),
		CAST(coalesce(max(l.last_seq - coalesce(s.seq, 0)), 0) AS BIGINT)`+searchedOrgs)
)

func (r reader) SearchBehind(ctx context.Context, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectSearchBehind, after, max(limit, 0))
}

func (r reader) SearchLag(ctx context.Context) (all, most int64, err error) {
	err = each(ctx, r, func(rows rowSet) error { return rows.Scan(&all, &most) }, selectSearchLag)
	return all, most, err
}

var selectSearchSegments = read(onSearchSegments, "SELECT "+columns[store.SearchSegment]("")+
	" FROM search_segments WHERE org_id = ? ORDER BY first_doc, segment")

func (r reader) SearchSegments(ctx context.Context, org string) ([]store.SearchSegment, error) {
	return list[store.SearchSegment](ctx, r, selectSearchSegments, org)
}

const (
	// pagesOfTokens selects the pages in which each token is, if it is in a segment; the tables of segments
	// and of tokens are inserted.
	pagesOfTokens = `SELECT p.segment, p.first_token, p.data FROM (SELECT DISTINCT s.value AS segment, (SELECT x.first_token FROM search_pages x
		WHERE x.segment = s.value AND x.first_token <= t.value ORDER BY x.first_token DESC LIMIT 1) AS first_token FROM %s CROSS JOIN %s) k
		CROSS JOIN search_pages p WHERE p.segment = k.segment AND p.first_token = k.first_token`
)

var (
	selectSearchPages = read(onSearchPages, fmt.Sprintf(pagesOfTokens, "json_each(?) s", "json_each(?) t")).
				inPostgres(fmt.Sprintf(pagesOfTokens, "(SELECT v::bigint AS value FROM json_array_elements_text(?::json) AS e(v)) s",
			`(SELECT v COLLATE "C" AS value FROM json_array_elements_text(?::json) AS e(v)) t`))
	selectSearchPagesAfter = read(onSearchPages, `SELECT segment, first_token, data FROM search_pages WHERE segment = ? AND first_token > ?
		ORDER BY first_token LIMIT ? + 0`)
)

var searchPages scanner[store.SearchPage] = func(rows rowSet, p *store.SearchPage) error {
	return rows.Scan(&p.Segment, &p.First, &p.Data)
}

func (r reader) SearchPages(ctx context.Context, segments []int64, tokens []string) ([]store.SearchPage, error) {
	if len(segments) == 0 || len(tokens) == 0 {
		return nil, nil
	}
	in, err := numberList(segments)
	if err != nil {
		return nil, err
	}
	with, err := jsonList(tokens)
	if err != nil {
		return nil, err
	}
	return searchPages.list(ctx, r, selectSearchPages, in, with)
}

func (r reader) SearchPagesAfter(ctx context.Context, segment int64, first string, limit int) ([]store.SearchPage, error) {
	return searchPages.list(ctx, r, selectSearchPagesAfter, segment, first, max(limit, 0))
}

// numberList is the argument of anyNumberOf.
func numberList(numbers []int64) (string, error) {
	b, err := json.Marshal(numbers)
	if err != nil {
		return "", fmt.Errorf("store: list of numbers: %w", err)
	}
	return string(b), nil
}

const selectDocs = "SELECT org_id, doc, kind, id, scope_id, at FROM search_docs WHERE org_id = ? AND "

var (
	selectSearchDocs      = read(onSearchDocs, selectDocs+anyNumberOf("doc")+" ORDER BY doc DESC")
	selectSearchDocsAfter = read(onSearchDocs, selectDocs+"doc > ? ORDER BY doc LIMIT ? + 0")
)

var searchDocs scanner[store.SearchDoc] = func(rows rowSet, d *store.SearchDoc) error {
	return rows.Scan(&d.OrgID, &d.Doc, &d.Kind, &d.ID, &d.ScopeID, &d.At)
}

func (r reader) SearchDocs(ctx context.Context, org string, docs []int64) ([]store.SearchDoc, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	in, err := numberList(docs)
	if err != nil {
		return nil, err
	}
	return searchDocs.list(ctx, r, selectSearchDocs, org, in)
}

func (r reader) SearchDocsAfter(ctx context.Context, org string, doc int64, limit int) ([]store.SearchDoc, error) {
	return searchDocs.list(ctx, r, selectSearchDocsAfter, org, doc, max(limit, 0))
}

var putSearchState = insert(onSearchState, insertion(onSearchState, columnsOf[store.SearchState](), 1)+` ON CONFLICT (org_id) DO UPDATE SET
	seq = excluded.seq, docs = excluded.docs, epoch = excluded.epoch, stage = excluded.stage, place = excluded.place, node = excluded.node`)

func (t *tx) PutSearchState(ctx context.Context, s *store.SearchState) error {
	return t.c.exec(ctx, putSearchState, s.OrgID, s.Seq, s.Docs, s.Epoch, s.Stage, s.Place, s.Node)
}

var claimSearch = update(onSearchState, "UPDATE search_state SET node = ? WHERE org_id = ? AND (node IN ('', ?) OR NOT "+
	onLiveNode("search_state.node")+")").reading(onNodes)

func (t *tx) ClaimSearch(ctx context.Context, org, node string, live store.Live) (bool, error) {
	n, err := t.c.execNow(ctx, claimSearch, node, org, node, live.Now, live.Latest)
	return n > 0, err
}

var (
	selectNextSegment = read(onSearchSegments, "SELECT coalesce(max(segment), 0) + 1 FROM search_segments")
	nextSegmentNumber = controlOf(forPostgres, "SELECT nextval('search_segment_numbers')")
)

func (t *tx) NextSearchSegment(ctx context.Context) (int64, error) {
	if t.d.database == forPostgres {
		return value[int64](ctx, t.reader, nextSegmentNumber)
	}
	return value[int64](ctx, t.reader, selectNextSegment)
}

var putSearchSegment = insertRow[store.SearchSegment](onSearchSegments, ` ON CONFLICT (segment) DO UPDATE SET
	min_at = excluded.min_at, max_at = excluded.max_at, dead = excluded.dead, live = excluded.live`)

func (t *tx) PutSearchSegment(ctx context.Context, s *store.SearchSegment) error {
	return put(ctx, t, putSearchSegment, s)
}

var (
	insertSearchDocs  = insertRows[store.SearchDoc](onSearchDocs)
	insertSearchPages = insertRows[store.SearchPage](onSearchPages)

	selectReplacedDocs = read(onSearchDocs, "SELECT org_id, doc, kind, id, scope_id, at FROM search_docs WHERE kind IN (3, 5) AND "+anyOf("id")+" AND "+withinOrg("org_id"))
	deleteSearchDocs   = remove(onSearchDocs, "DELETE FROM search_docs WHERE org_id = ? AND "+anyNumberOf("doc"))
	countDeadDoc       = update(onSearchSegments, "UPDATE search_segments SET dead = dead + 1 WHERE org_id = ? AND first_doc <= ? AND last_doc >= ?")
)

func (t *tx) PutSearchDocs(ctx context.Context, docs []store.SearchDoc) error {
	var replaced []string
	for i := range docs {
		if docs[i].Kind.Replaced() {
			replaced = append(replaced, docs[i].ID)
		}
	}
	if len(replaced) > 0 {
		if err := t.ForgetSearch(ctx, docs[0].OrgID, replaced); err != nil {
			return err
		}
	}
	return insertAll(ctx, t, insertSearchDocs, docs)
}

func (t *tx) PutSearchPages(ctx context.Context, pages []store.SearchPage) error {
	return insertAll(ctx, t, insertSearchPages, pages)
}

func (t *tx) ForgetSearch(ctx context.Context, org string, ids []string) error {
	arg, err := jsonList(ids)
	if err != nil {
		return err
	}
	found, err := searchDocs.list(ctx, t.reader, selectReplacedDocs, arg, org)
	if err != nil || len(found) == 0 {
		return err
	}
	docs := make([]int64, len(found))
	for i := range found {
		docs[i] = found[i].Doc
	}
	return t.DeleteSearchDocs(ctx, org, docs)
}

func (t *tx) DeleteSearchDocs(ctx context.Context, org string, docs []int64) error {
	arg, err := numberList(docs)
	if err != nil {
		return err
	}
	if err := t.c.exec(ctx, deleteSearchDocs, org, arg); err != nil {
		return err
	}
	for _, doc := range docs {
		if err := t.c.exec(ctx, countDeadDoc, org, doc, doc); err != nil {
			return err
		}
	}
	return nil
}

var (
	putSearchRef  = insert(onSearchRefs, insertion(onSearchRefs, columnsOf[store.SearchRef](), 1)+" ON CONFLICT DO NOTHING")
	putSearchTodo = insert(onSearchTodo, insertion(onSearchTodo, columnsOf[store.SearchEntry](), 1)+" ON CONFLICT DO NOTHING")
	deleteTodo    = remove(onSearchTodo, "DELETE FROM search_todo WHERE org_id = ? AND (at, kind, id) <= (?, ?, ?)")
)

func (t *tx) PutSearchRefs(ctx context.Context, refs []store.SearchRef) error {
	for _, r := range refs {
		if err := t.c.exec(ctx, putSearchRef, r.OrgID, r.FileID, r.ScopeID); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) PutSearchTodo(ctx context.Context, entries []store.SearchEntry) error {
	for _, e := range entries {
		if err := t.c.exec(ctx, putSearchTodo, e.OrgID, e.At, e.Kind, e.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) DeleteSearchTodo(ctx context.Context, last store.SearchEntry) error {
	return t.c.exec(ctx, deleteTodo, last.OrgID, last.At, last.Kind, last.ID)
}

var deleteSearchPages = remove(onSearchPages, `DELETE FROM search_pages WHERE (segment, first_token) IN
	(SELECT segment, first_token FROM search_pages WHERE segment = ? ORDER BY first_token LIMIT ? + 0)`)

func (t *tx) DeleteSearchPages(ctx context.Context, segment int64, limit int) (int64, error) {
	return t.c.execNow(ctx, deleteSearchPages, segment, max(limit, 0))
}

var deleteSearchSegment = remove(onSearchSegments, "DELETE FROM search_segments WHERE segment = ?")

func (t *tx) DeleteSearchSegment(ctx context.Context, segment int64) error {
	return t.c.exec(ctx, deleteSearchSegment, segment)
}

// clearSearch remove the index of an org, each at most ? rows. Pages are found by their segments, so
// they are removed first.
var clearSearch = []*statement{
	remove(onSearchPages, `DELETE FROM search_pages WHERE (segment, first_token) IN (SELECT p.segment, p.first_token FROM search_segments s
		JOIN search_pages p ON p.segment = s.segment WHERE s.org_id = ? LIMIT ? + 0)`).reading(onSearchSegments),
	remove(onSearchSegments, "DELETE FROM search_segments WHERE segment IN (SELECT segment FROM search_segments WHERE org_id = ? LIMIT ? + 0)"),
	remove(onSearchDocs, "DELETE FROM search_docs WHERE (org_id, doc) IN (SELECT org_id, doc FROM search_docs WHERE org_id = ? LIMIT ? + 0)"),
	remove(onSearchRefs, "DELETE FROM search_refs WHERE (org_id, file_id, scope_id) IN (SELECT org_id, file_id, scope_id FROM search_refs WHERE org_id = ? LIMIT ? + 0)"),
	remove(onSearchTodo, "DELETE FROM search_todo WHERE (org_id, at, kind, id) IN (SELECT org_id, at, kind, id FROM search_todo WHERE org_id = ? LIMIT ? + 0)"),
}

func (t *tx) ClearSearch(ctx context.Context, org string, limit int) (int64, error) {
	e := &emptying{t: t, left: int64(max(limit, 0))}
	for _, q := range clearSearch {
		if err := e.rows(ctx, q, org); err != nil {
			return e.gone, err
		}
	}
	return e.gone, nil
}
