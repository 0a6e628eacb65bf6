package sqlstore

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

// searchSource selects documents of a kind by id; its arguments are the ids and the org.
func searchSource(t tables, id, rest string) *statement {
	return read(t, "SELECT "+rest+" AND "+anyOf(id)+" AND "+withinOrg("o.org_id"))
}

// withinOrg is the condition that a row is of an org, for rows that are found by their ids.
func withinOrg(column string) string { return column + " || '' = ?" }

// searchSources are by kind. Texts are cut to more than is searched of them (searchtext.MaxText).
var searchSources = map[store.SearchKind]*statement{
	store.SearchThreadMessage: searchSource(onThreadMessages|onThreads|onBots, "m.id", `m.id, m.thread_id, o.topic, m.sender_id, b.name, m.created_at,
		'', NULL, substr(m.content, 1, 65536), substr(m.parts, 1, 262144), 0, ''
		FROM thread_messages m JOIN threads o ON o.id = m.thread_id LEFT JOIN bots b ON b.id = m.sender_id WHERE TRUE`),
	store.SearchChannelMessage: searchSource(onChannelMessages|onChannels|onBots, "m.id", `m.id, m.channel_id, '', m.sender_id, b.name, m.created_at,
		'', NULL, substr(m.content, 1, 65536), substr(m.parts, 1, 262144), 0, ''
		FROM channel_messages m JOIN channels o ON o.id = m.channel_id LEFT JOIN bots b ON b.id = m.sender_id WHERE TRUE`),
	store.SearchThread: searchSource(onThreads|onBots, "o.id", `o.id, o.id, o.topic, o.initiator_id, b.name, o.created_at,
		'', o.topic, substr(o.context, 1, 65536), o.tags, 0, o.visibility
		FROM threads o LEFT JOIN bots b ON b.id = o.initiator_id WHERE TRUE`),
	store.SearchArtifact: searchSource(onArtifacts|onThreads|onBots, "a.id", `a.id, a.thread_id, o.topic, a.contributor_id, b.name, a.created_at,
		a.artifact_key, a.title, substr(a.content, 1, 65536), a.url, a.version, CASE WHEN EXISTS (SELECT 1 FROM artifacts n
		WHERE n.thread_id = a.thread_id AND n.artifact_key = a.artifact_key AND n.version > a.version) THEN '' ELSE 'current' END
		FROM artifacts a JOIN threads o ON o.id = a.thread_id LEFT JOIN bots b ON b.id = a.contributor_id WHERE TRUE`),
	store.SearchBot: searchSource(onBots, "o.id", `o.id, '', '', NULL, NULL, o.created_at,
		o.name, o.role, o.bio, coalesce(o.function, '') || '`+store.SearchParts+`' || coalesce(o.team, '') || '`+store.SearchParts+`' || coalesce(o.tags, '') || '`+store.SearchParts+`' || coalesce(o.status_text, ''),
		0, o.join_status FROM bots o WHERE TRUE`),
	store.SearchFile: searchSource(onFiles|onBots, "o.id", `o.id, '', '', o.uploader_id, b.name, o.created_at,
		o.name, o.mime_type, NULL, NULL, o.size, ''
		FROM files o LEFT JOIN bots b ON b.id = o.uploader_id WHERE TRUE`),
}

var searchSourceRows scanner[store.SearchSource] = func(rows rowSet, s *store.SearchSource) error {
	return rows.Scan(&s.ID, &s.ScopeID, &s.Topic, text{&s.AuthorID}, text{&s.AuthorName}, &s.At,
		&s.Name, text{&s.Title}, text{&s.Body}, text{&s.More}, &s.Number, &s.State)
}

func (r reader) SearchSources(ctx context.Context, org string, kind store.SearchKind, ids []string) ([]store.SearchSource, error) {
	if searchSources[kind] == nil {
		return nil, fmt.Errorf("store: nothing of kind %d is searched", kind)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	rows, err := searchSourceRows.list(ctx, r, searchSources[kind], arg, org)
	for i := range rows {
		rows[i].Kind = kind
	}
	return rows, err
}

// searchMissing select, by kind, ids of which there is no row.
var searchMissing = map[store.SearchKind]*statement{
	store.SearchThreadMessage:  idsWithout(onThreadMessages),
	store.SearchChannelMessage: idsWithout(onChannelMessages),
	store.SearchThread:         idsWithout(onThreads),
	store.SearchArtifact:       idsWithout(onArtifacts),
	store.SearchBot:            idsWithout(onBots),
	store.SearchFile:           idsWithout(onFiles),
}

func idsWithout(t tables) *statement {
	missing := " WHERE NOT EXISTS (SELECT 1 FROM " + t.name() + " x WHERE x.id = e.value)"
	return read(t, "SELECT e.value FROM json_each(?) e"+missing).
		inPostgres("SELECT e.value FROM json_array_elements_text(?::json) AS e(value)" + missing)
}

func (r reader) SearchMissing(ctx context.Context, kind store.SearchKind, ids []string) ([]string, error) {
	if searchMissing[kind] == nil {
		return nil, fmt.Errorf("store: nothing of kind %d is searched", kind)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	return r.ids(ctx, searchMissing[kind], arg)
}

// searchEntries list, by kind, what there is after an entry. Threads are in the order of their last
// activity, which only rises, so that none is left out while they change.
var searchEntries = map[store.SearchKind]*statement{
	store.SearchThreadMessage: read(onThreadMessages, `SELECT created_at, created_at, id FROM thread_messages
		WHERE thread_id = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ? + 0`),
	store.SearchChannelMessage: read(onChannelMessages, `SELECT created_at, created_at, id FROM channel_messages
		WHERE channel_id = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ? + 0`),
	store.SearchArtifact: read(onArtifacts, `SELECT created_at, created_at, id FROM artifacts
		WHERE thread_id = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ? + 0`),
	store.SearchThread: read(onThreads, `SELECT created_at, last_activity_at, id FROM threads
		WHERE org_id = ? AND (last_activity_at, id) > (?, ?) ORDER BY last_activity_at, id LIMIT ? + 0`),
	store.SearchBot: read(onBots, `SELECT created_at, CAST(0 AS BIGINT), id FROM bots
		WHERE org_id = ? AND (CAST(0 AS BIGINT), id) > (?, ?) ORDER BY id LIMIT ? + 0`),
	store.SearchFile: read(onFiles, `SELECT created_at, created_at, id FROM files
		WHERE org_id = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ? + 0`),
}

func (r reader) SearchEntries(ctx context.Context, org string, kind store.SearchKind, scope string, after store.SearchEntry, limit int) ([]store.SearchEntry, error) {
	if searchEntries[kind] == nil {
		return nil, fmt.Errorf("store: nothing of kind %d is searched", kind)
	}
	within := org
	if scope != "" {
		within = scope
	}
	return scanner[store.SearchEntry](func(rows rowSet, e *store.SearchEntry) error {
		e.OrgID, e.Kind = org, kind
		return rows.Scan(&e.At, &e.Order, &e.ID)
	}).list(ctx, r, searchEntries[kind], within, after.Order, after.ID, max(limit, 0))
}

var selectSearchChannels = read(onChannels, "SELECT id FROM channels WHERE org_id = ? AND id > ? ORDER BY id LIMIT ? + 0")

func (r reader) SearchChannels(ctx context.Context, org, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectSearchChannels, org, after, max(limit, 0))
}

var selectSearchTodo = read(onSearchTodo, "SELECT org_id, at, kind, id FROM search_todo WHERE org_id = ? ORDER BY at, kind, id LIMIT ? + 0")

func (r reader) SearchTodo(ctx context.Context, org string, limit int) ([]store.SearchEntry, error) {
	return scanner[store.SearchEntry](func(rows rowSet, e *store.SearchEntry) error {
		return rows.Scan(&e.OrgID, &e.At, &e.Kind, &e.ID)
	}).list(ctx, r, selectSearchTodo, org, max(limit, 0))
}

var (
	selectScopesOf = read(onThreadParticipants|onChannelMembers, `SELECT id FROM (SELECT thread_id AS id FROM thread_participants WHERE bot_id = ?
		UNION ALL SELECT channel_id FROM channel_members WHERE bot_id = ?) s LIMIT ? + 0`)
	selectScopesIn = read(onThreadParticipants|onChannelMembers, "SELECT thread_id FROM thread_participants WHERE bot_id = ? AND "+anyOf("thread_id")+
		" UNION ALL SELECT channel_id FROM channel_members WHERE bot_id = ? AND "+anyOf("channel_id"))
	selectFilesFor = read(onSearchRefs|onThreadParticipants|onChannelMembers, `SELECT DISTINCT r.file_id FROM search_refs r WHERE r.org_id = ?
		AND (EXISTS (SELECT 1 FROM thread_participants p WHERE p.thread_id = r.scope_id AND p.bot_id = ?)
			OR EXISTS (SELECT 1 FROM channel_members m WHERE m.channel_id = r.scope_id AND m.bot_id = ?)) AND `+anyOf("r.file_id"))
)

func (r reader) SearchScopesOf(ctx context.Context, bot string, limit int) ([]string, error) {
	return r.ids(ctx, selectScopesOf, bot, bot, max(limit, 0))
}

func (r reader) SearchScopesIn(ctx context.Context, bot string, scopes []string) ([]string, error) {
	arg, err := jsonList(scopes)
	if err != nil || len(scopes) == 0 {
		return nil, err
	}
	return r.ids(ctx, selectScopesIn, bot, arg, bot, arg)
}

func (r reader) SearchFilesFor(ctx context.Context, org, bot string, files []string) ([]string, error) {
	arg, err := jsonList(files)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	return r.ids(ctx, selectFilesFor, org, bot, bot, arg)
}
