package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/server/store"
)

const tokenColumns = "id, bot_id, token_hash, scopes, label, expires_at, created_at, last_used_at"

var tokens scanner[store.Token] = func(rows cursor, t *store.Token) error {
	return rows.Scan(&t.ID, &t.BotID, &t.TokenHash, &t.Scopes, &t.Label, &t.ExpiresAt, &t.CreatedAt, &t.LastUsedAt)
}

func (r reader) TokenByHash(ctx context.Context, hash string) (*store.Token, error) {
	return tokens.one(ctx, r, "SELECT "+tokenColumns+" FROM bot_tokens WHERE token_hash = ?", hash)
}

func (r reader) Tokens(ctx context.Context, bot string, before *store.TimeCursor, limit int) ([]store.Token, error) {
	var w where
	w.and("bot_id = ?", bot)
	if before != nil {
		w.and("(created_at, id) < (?, ?)", before.At, before.ID)
	}
	return tokens.list(ctx, r, "SELECT "+tokenColumns+" FROM bot_tokens"+w.text.String()+" ORDER BY created_at DESC, id DESC LIMIT ? + 0",
		append(w.args, max(limit, 0))...)
}

func (t *tx) CreateToken(ctx context.Context, k *store.Token) error {
	return insert(ctx, t.reader, "bot_tokens", k)
}

func (t *tx) DeleteToken(ctx context.Context, bot, id string) (*store.Token, error) {
	return tokens.one(ctx, t.reader, "DELETE FROM bot_tokens WHERE id = ? AND bot_id = ? RETURNING "+tokenColumns, id, bot)
}

func (t *tx) TouchTokens(ctx context.Context, used map[string]int64) error {
	return t.touch(ctx, "UPDATE bot_tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)", used)
}

func (t *tx) PurgeTokens(ctx context.Context, now int64, limit int) (int64, error) {
	return t.c.execNow(ctx, "DELETE FROM bot_tokens WHERE id IN (SELECT id FROM bot_tokens WHERE expires_at <= ? LIMIT ? + 0)", now, max(limit, 0))
}
