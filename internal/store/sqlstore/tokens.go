package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

const tokenColumns = "id, bot_id, token_hash, scopes, label, expires_at, created_at, last_used_at, parent_id"

var tokens scanner[store.Token] = func(rows rowSet, t *store.Token) error {
	return rows.Scan(&t.ID, &t.BotID, &t.TokenHash, &t.Scopes, &t.Label, &t.ExpiresAt, &t.CreatedAt, &t.LastUsedAt, &t.ParentID)
}

var selectTokenByHash = read(onBotTokens, "SELECT "+tokenColumns+" FROM bot_tokens WHERE token_hash = ?")

func (r reader) TokenByHash(ctx context.Context, hash string) (*store.Token, error) {
	return tokens.one(ctx, r, selectTokenByHash, hash)
}

var selectTokenByID = read(onBotTokens, "SELECT "+tokenColumns+" FROM bot_tokens WHERE id = ? AND bot_id = ?")

func (r reader) TokenByID(ctx context.Context, bot, id string) (*store.Token, error) {
	return tokens.one(ctx, r, selectTokenByID, id, bot)
}

var tokensOf = readBetween(onBotTokens, "SELECT "+tokenColumns+" FROM bot_tokens", " ORDER BY created_at DESC, id DESC LIMIT ? + 0",
	"bot_id = ?", "(created_at, id) < (?, ?)")

func (r reader) Tokens(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.Token, error) {
	return tokens.paged(ctx, r, tokensOf.choose(bot).page(before), limit)
}

func (t *tx) CreateToken(ctx context.Context, k *store.Token) error {
	return put(ctx, t, insertBotTokens.one, k)
}

// tokenFamily selects a token of a bot and all tokens that were made with it, directly or not.
const tokenFamily = `WITH RECURSIVE family (id) AS (SELECT id FROM bot_tokens WHERE id = ? AND bot_id = ?
	UNION SELECT t.id FROM bot_tokens t JOIN family f ON t.parent_id = f.id) `

var deleteTokenSessions = remove(onSessions, tokenFamily+"DELETE FROM sessions WHERE token_id IN (SELECT id FROM family)").reading(onBotTokens)

var deleteTokens = remove(onBotTokens, tokenFamily+"DELETE FROM bot_tokens WHERE id IN (SELECT id FROM family)")

func (t *tx) DeleteToken(ctx context.Context, bot, id string) (gone store.Descendants, err error) {
	gone.Sessions, err = t.c.execNow(ctx, deleteTokenSessions, id, bot)
	if err != nil {
		return gone, err
	}
	n, err := t.c.execNow(ctx, deleteTokens, id, bot)
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	gone.Tokens = n - 1
	return gone, err
}

var touchTokens = update(onBotTokens, "UPDATE bot_tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)")

func (t *tx) TouchTokens(ctx context.Context, used map[string]int64) error {
	return t.touch(ctx, touchTokens, used)
}

var purgeTokens = remove(onBotTokens, "DELETE FROM bot_tokens WHERE id IN (SELECT id FROM bot_tokens WHERE expires_at <= ? LIMIT ? + 0)")

func (t *tx) PurgeTokens(ctx context.Context, now int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeTokens, now, max(limit, 0))
}
