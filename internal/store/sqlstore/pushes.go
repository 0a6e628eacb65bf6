package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var selectPushConfigsBy = "SELECT " + columns[store.PushConfig]("") + " FROM push_configs"

var selectPushConfig = read(onPushConfigs, selectPushConfigsBy+" WHERE id = ?")

func (r reader) PushConfig(ctx context.Context, id string) (*store.PushConfig, error) {
	return one[store.PushConfig](ctx, r, selectPushConfig, id)
}

var selectPushConfigs = read(onPushConfigs, selectPushConfigsBy+" WHERE thread_id = ? AND bot_id = ? ORDER BY created_at, id LIMIT ? + 0")

func (r reader) PushConfigs(ctx context.Context, bot, thread string, limit int) ([]store.PushConfig, error) {
	return list[store.PushConfig](ctx, r, selectPushConfigs, thread, bot, max(limit, 0))
}

var countPushConfigs = read(onPushConfigs, "SELECT count(*) FROM push_configs WHERE bot_id = ?")

func (r reader) CountPushConfigs(ctx context.Context, bot string) (int64, error) {
	return value[int64](ctx, r, countPushConfigs, bot)
}

var putPushConfig = insertRow[store.PushConfig](onPushConfigs, "")

func (t *tx) PutPushConfig(ctx context.Context, p *store.PushConfig) error {
	return put(ctx, t, putPushConfig, p)
}

var deletePushConfig = remove(onPushConfigs|onPushLeases, "DELETE FROM push_configs WHERE id = ?")

func (t *tx) DeletePushConfig(ctx context.Context, id string) error {
	return t.c.exec(ctx, deletePushConfig, id)
}

var endPushConfigs = remove(onPushConfigs|onPushLeases, `DELETE FROM push_configs WHERE bot_id = ?
	AND NOT EXISTS (SELECT 1 FROM bots b WHERE b.id = push_configs.bot_id AND b.token_hash = push_configs.token_hash)
	AND NOT EXISTS (SELECT 1 FROM bot_tokens k WHERE k.token_hash = push_configs.token_hash AND (k.expires_at IS NULL OR k.expires_at >= ?))`).
	reading(onBots | onBotTokens)

func (t *tx) EndPushConfigs(ctx context.Context, bot string, now int64) error {
	return t.c.exec(ctx, endPushConfigs, bot, now)
}

var savePush = update(onPushConfigs, `UPDATE push_configs SET seq = ?, attempts = ?, next_at = ?, failures = ? WHERE id = ?
	AND EXISTS (SELECT 1 FROM push_leases l WHERE l.push_id = push_configs.id AND l.node_id = ?)`).reading(onPushLeases)

func (t *tx) SavePush(ctx context.Context, id, node string, s store.PushState) (bool, error) {
	n, err := t.c.execNow(ctx, savePush, s.Seq, s.Attempts, s.NextAt, s.Failures, id, node)
	return n > 0, err
}
