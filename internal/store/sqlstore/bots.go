package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
)

const botColumns = `id, org_id, name, token_hash, auth_role, metadata, sealed_url, sealed_secret, bio, role, function, team,
	tags, languages, protocols, status_text, timezone, active_hours, version, runtime, online, last_seen_at, created_at,
	join_status, join_status_changed_by, join_status_changed_at, join_status_reason`

var bots scanner[store.Bot] = func(rows rowSet, b *store.Bot) error {
	return rows.Scan(&b.ID, &b.OrgID, &b.Name, &b.TokenHash, &b.AuthRole, &b.Metadata, &b.SealedURL, &b.SealedSecret,
		&b.Bio, &b.Role, &b.Function, &b.Team, &b.Tags, &b.Languages, &b.Protocols, &b.StatusText, &b.Timezone,
		&b.ActiveHours, &b.Version, &b.Runtime, &b.Online, &b.LastSeenAt, &b.CreatedAt, &b.JoinStatus,
		&b.JoinStatusChangedBy, &b.JoinStatusChangedAt, &b.JoinStatusReason)
}

const selectBots = "SELECT " + botColumns + " FROM bots"

var selectBot = read(onBots, selectBots+" WHERE id = ? AND org_id = ?")

func (r reader) Bot(ctx context.Context, org, id string) (*store.Bot, error) {
	return bots.one(ctx, r, selectBot, id, org)
}

var selectBotByID = read(onBots, selectBots+" WHERE id = ?")

func (r reader) BotByID(ctx context.Context, id string) (*store.Bot, error) {
	return bots.one(ctx, r, selectBotByID, id)
}

var selectBotByName = read(onBots, selectBots+" WHERE org_id = ? AND name = ?")

func (r reader) BotByName(ctx context.Context, org, name string) (*store.Bot, error) {
	return bots.one(ctx, r, selectBotByName, org, name)
}

var selectBotByTokenHash = read(onBots, selectBots+" WHERE token_hash = ?")

func (r reader) BotByTokenHash(ctx context.Context, hash string) (*store.Bot, error) {
	return bots.one(ctx, r, selectBotByTokenHash, hash)
}

var selectBotIDByID = read(onBots, "SELECT id FROM bots WHERE id = ? AND org_id = ?")

var selectBotIDByRef = read(onBots, "SELECT id FROM bots WHERE org_id = ? AND (id = ? OR name = ?) ORDER BY CASE id WHEN ? THEN 0 ELSE 1 END LIMIT 1")

func (r reader) BotID(ctx context.Context, org, ref string) (id string, err error) {
	if limits.LikeID(ref) {
		id, err = value[string](ctx, r, selectBotIDByID, ref, org)
	} else {
		id, err = value[string](ctx, r, selectBotIDByRef,
			org, ref, ref, ref)
	}
	if err == nil && id == "" {
		err = store.ErrNotFound
	}
	return id, err
}

func (r reader) ResolveBot(ctx context.Context, org, ref string) (*store.Bot, error) {
	b, err := r.Bot(ctx, org, ref)
	if errors.Is(err, store.ErrNotFound) && !limits.LikeID(ref) {
		return r.BotByName(ctx, org, ref)
	}
	return b, err
}

var selectBotsByID = read(onBots, selectBots+" WHERE org_id = ? AND "+anyOf("id"))

func (r reader) BotsByID(ctx context.Context, org string, ids []string) ([]store.Bot, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	return bots.list(ctx, r, selectBotsByID, org, arg)
}

// Bots compares tags in Go, because they are stored as JSON.
func (r reader) Bots(ctx context.Context, q store.BotQuery) ([]store.Bot, error) {
	if q.Tag != "" {
		return r.tagged(ctx, q)
	}
	return r.untagged(ctx, q)
}

// botsBy lists bots by a column.
func botsBy(order string) listing {
	return listing{
		columns: botColumns, long: "metadata, sealed_url, bio, tags, languages, protocols, status_text",
		from: " FROM bots", order: order,
	}
}

// botsByName lists the bots of an org.
var botsByName = botsBy("name").of(onBots, "org_id = ?", []string{
	botsActive:  "join_status = 'active'",
	botsExcept:  "id <> ?",
	botsRole:    "lower(role) = ?",
	botsOnline:  "online",
	botsOffline: "NOT online",
	botsStatus:  "lower(status_text) = ?",
	botsText:    "(" + contains("bio") + " OR " + contains("role") + " OR " + contains("function") + ")",
	botsAfter:   "name > ?",
	botsTagged:  "tags IS NOT NULL",
}...).only(botsOnline, botsOffline, botsStatus)

// The conditions of botsByName.
const (
	botsActive = iota
	botsExcept
	botsRole
	botsOnline
	botsOffline
	botsStatus
	botsText
	botsAfter
	botsTagged
)

// untagged lists the bots of a query without comparing tags; with q.Tag set, only bots that
// have tags.
func (r reader) untagged(ctx context.Context, q store.BotQuery) ([]store.Bot, error) {
	c := botsByName.choose(q.OrgID)
	if q.ActiveOnly {
		c.and(botsActive)
	}
	if q.ExceptID != "" {
		c.and(botsExcept, q.ExceptID)
	}
	if q.Role != "" {
		c.and(botsRole, fold(q.Role))
	}
	switch status := fold(q.Status); status {
	case "":
	case "online":
		c.and(botsOnline)
	case "offline":
		c.and(botsOffline)
	default:
		c.and(botsStatus, status)
	}
	if q.Text != "" {
		text := fold(q.Text)
		c.and(botsText, text, text, text)
	}
	if q.AfterName != "" {
		c.and(botsAfter, q.AfterName)
	}
	if q.Tag != "" {
		c.and(botsTagged)
	}
	return bots.listed(long(ctx), r, c, q.Limit, 0)
}

// tagged reads the bots of a query page by page and returns those with its tag.
func (r reader) tagged(ctx context.Context, q store.BotQuery) (out []store.Bot, err error) {
	tag := fold(q.Tag)
	for bytes := 0; ; {
		next := q
		next.Limit = tagPage
		rows, err := r.untagged(ctx, next)
		if err != nil || len(rows) == 0 {
			return out, err
		}
		for i := range rows {
			if !hasTag(*rows[i].Tags, tag) {
				continue
			}
			if len(out) >= q.Limit || bytes > store.PageBytes {
				return out, nil
			}
			out = append(out, rows[i])
			bytes += texts(reflect.ValueOf(rows[i]))
		}
		q.AfterName = rows[len(rows)-1].Name
	}
}

// tagPage is the number of bots that tagged reads with one query.
const tagPage = 500

// hasTag reports whether a JSON array of texts holds the folded tag. Anything else
// than an array of texts (imported rows) holds none.
func hasTag(tags, tag string) bool {
	var all []string
	if err := json.Unmarshal([]byte(tags), &all); err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(t string) bool { return fold(t) == tag })
}

// botsByID lists the bots of an org.
var botsByID = botsBy("id").of(onBots, "org_id = ?", []string{
	botsNamed:   contains("name"),
	botsAfterID: "id > ?",
}...)

// The conditions of botsByID.
const (
	botsNamed = iota
	botsAfterID
)

func (r reader) BotsPage(ctx context.Context, org, search, afterID string, limit int) ([]store.Bot, error) {
	c := botsByID.choose(org)
	if search != "" {
		c.and(botsNamed, fold(search))
	}
	if afterID != "" {
		c.and(botsAfterID, afterID)
	}
	return bots.listed(ctx, r, c, limit, 0)
}

var selectBotCount = read(onBots, "SELECT count(*) FROM bots WHERE org_id = ?")

func (r reader) CountBots(ctx context.Context, org string) (int64, error) {
	return value[int64](ctx, r, selectBotCount, org)
}

var selectTombstone = read(onTombstones, "SELECT "+columns[store.Tombstone]("")+" FROM tombstones WHERE org_id = ? AND name = ?")

func (r reader) Tombstone(ctx context.Context, org, name string) (*store.Tombstone, error) {
	return one[store.Tombstone](ctx, r, selectTombstone, org, name)
}

func (t *tx) CreateBot(ctx context.Context, b *store.Bot) error {
	return putNow(ctx, t, insertBots.one, b)
}

// botField is a field of the profile: its value, and the statement that writes it.
type botField struct {
	value  func(*store.Bot) *string
	update *statement
}

func profileField(f store.BotField, value func(*store.Bot) *string) botField {
	return botField{value, update(onBots, "UPDATE bots SET "+string(f)+" = ? WHERE id = ?").byID(2)}
}

var botFields = map[store.BotField]botField{
	store.BotBio:         profileField(store.BotBio, func(b *store.Bot) *string { return b.Bio }),
	store.BotRole:        profileField(store.BotRole, func(b *store.Bot) *string { return b.Role }),
	store.BotFunction:    profileField(store.BotFunction, func(b *store.Bot) *string { return b.Function }),
	store.BotTeam:        profileField(store.BotTeam, func(b *store.Bot) *string { return b.Team }),
	store.BotTags:        profileField(store.BotTags, func(b *store.Bot) *string { return b.Tags }),
	store.BotLanguages:   profileField(store.BotLanguages, func(b *store.Bot) *string { return b.Languages }),
	store.BotProtocols:   profileField(store.BotProtocols, func(b *store.Bot) *string { return b.Protocols }),
	store.BotStatusText:  profileField(store.BotStatusText, func(b *store.Bot) *string { return b.StatusText }),
	store.BotTimezone:    profileField(store.BotTimezone, func(b *store.Bot) *string { return b.Timezone }),
	store.BotActiveHours: profileField(store.BotActiveHours, func(b *store.Bot) *string { return b.ActiveHours }),
	store.BotVersion:     profileField(store.BotVersion, func(b *store.Bot) *string { return b.Version }),
	store.BotRuntime:     profileField(store.BotRuntime, func(b *store.Bot) *string { return b.Runtime }),
}

var selectBotExists = read(onBots, "SELECT count(*) FROM bots WHERE id = ?")

// UpdateBotProfile writes each field with its own statement: one statement for each set of
// fields would make 4,096 prepared statements instead of twelve.
func (t *tx) UpdateBotProfile(ctx context.Context, b *store.Bot, fields ...store.BotField) error {
	n, err := value[int64](ctx, t.reader, selectBotExists, b.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return store.ErrNotFound
	}
	for _, f := range fields {
		field, ok := botFields[f]
		if !ok {
			return t.fail(errors.New("store: no profile field " + string(f)))
		}
		if err := t.c.exec(ctx, field.update, field.value(b), b.ID); err != nil {
			return err
		}
	}
	return nil
}

var renameBot = update(onBots, "UPDATE bots SET name = ? WHERE id = ?").byID(2)

func (t *tx) RenameBot(ctx context.Context, id, name string) error {
	return t.must(ctx, renameBot, name, id)
}

var setBotRole = update(onBots, "UPDATE bots SET auth_role = ? WHERE id = ?").byID(2)

func (t *tx) SetBotRole(ctx context.Context, id, authRole string) error {
	return t.must(ctx, setBotRole, authRole, id)
}

var setBotJoinStatus = update(onBots, `UPDATE bots SET join_status = ?, join_status_changed_by = ?, join_status_changed_at = ?,
		join_status_reason = ? WHERE id = ?`).byID(5)

func (t *tx) SetBotJoinStatus(ctx context.Context, id, status string, by *string, at int64, reason *string) error {
	return t.must(ctx, setBotJoinStatus, status, by, at, reason, id)
}

var touchBots = update(onBots, "UPDATE bots SET last_seen_at = ? WHERE id = ? AND (last_seen_at IS NULL OR last_seen_at < ?)").byID(2)

func (t *tx) TouchBots(ctx context.Context, seen map[string]int64) error {
	return t.touch(ctx, touchBots, seen)
}

// touch runs a statement for each id, in order, so that two nodes do not deadlock.
func (t *tx) touch(ctx context.Context, q *statement, at map[string]int64) error {
	ids := make([]string, 0, len(at))
	for id := range at {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := t.c.exec(ctx, q, at[id], id, at[id]); err != nil {
			return err
		}
	}
	return nil
}

var setBotOnline = update(onBots, "UPDATE bots SET online = ? WHERE id = ?").byID(2)

func (t *tx) SetBotOnline(ctx context.Context, id string, online bool) error {
	return t.must(ctx, setBotOnline, online, id)
}

var resetOnline = update(onBots, "UPDATE bots SET online = FALSE WHERE online")

func (t *tx) ResetOnline(ctx context.Context) error {
	return t.c.exec(ctx, resetOnline)
}

var putTombstone = insertRow[store.Tombstone](onTombstones,
	" ON CONFLICT (org_id, name) DO UPDATE SET deleted_at = excluded.deleted_at, deleted_by = excluded.deleted_by")

func (t *tx) PutTombstone(ctx context.Context, s *store.Tombstone) error {
	return put(ctx, t, putTombstone, s)
}

var deleteTombstone = remove(onTombstones, "DELETE FROM tombstones WHERE org_id = ? AND name = ?")

func (t *tx) DeleteTombstone(ctx context.Context, org, name string) error {
	return t.must(ctx, deleteTombstone, org, name)
}
