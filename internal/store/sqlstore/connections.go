package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

func (r reader) WsTicket(ctx context.Context, hash string) (*store.WsTicket, error) {
	return one[store.WsTicket](ctx, r, "SELECT "+columns[store.WsTicket](r, "")+" FROM ws_tickets WHERE hash = ?", hash)
}

func (t *tx) CreateWsTicket(ctx context.Context, k *store.WsTicket) error {
	return insert(ctx, t.reader, "ws_tickets", k)
}

func (t *tx) TakeWsTicket(ctx context.Context, hash string) (*store.WsTicket, error) {
	return one[store.WsTicket](ctx, t.reader, "DELETE FROM ws_tickets WHERE hash = ? RETURNING "+columns[store.WsTicket](t.reader, ""), hash)
}

func (t *tx) PurgeWsTickets(ctx context.Context, now int64, limit int) (int64, error) {
	return t.c.execNow(ctx, "DELETE FROM ws_tickets WHERE hash IN (SELECT hash FROM ws_tickets WHERE expires_at <= ? LIMIT ? + 0)", now, max(limit, 0))
}

func (r reader) Leased(ctx context.Context, bot string, now, until int64) (bool, error) {
	n, err := value[int64](ctx, r, "SELECT count(*) FROM presence WHERE bot_id = ? AND expires_at > ? AND expires_at <= ?", bot, now, until)
	return n > 0, err
}

func (r reader) LeasedBy(ctx context.Context, node, afterBot string, limit int) ([]store.BotRef, error) {
	return list[store.BotRef](ctx, r, `SELECT b.org_id, b.id AS bot_id FROM presence AS p JOIN bots AS b ON b.id = p.bot_id
		WHERE p.node_id = ? AND b.id > ? ORDER BY b.id LIMIT ? + 0`, node, afterBot, max(limit, 0))
}

func (r reader) OnlineUnleased(ctx context.Context, now, until int64, afterBot string, limit int) ([]store.BotRef, error) {
	return list[store.BotRef](ctx, r, `SELECT org_id, id AS bot_id FROM bots WHERE online AND id > ? AND NOT EXISTS
		(SELECT 1 FROM presence AS p WHERE p.bot_id = bots.id AND p.expires_at > ? AND p.expires_at <= ?) ORDER BY id LIMIT ? + 0`,
		afterBot, now, until, max(limit, 0))
}

func (t *tx) PutLease(ctx context.Context, bot, node string, expiresAt int64) error {
	return t.c.exec(ctx, `INSERT INTO presence (bot_id, node_id, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (bot_id, node_id) DO UPDATE SET expires_at = excluded.expires_at`, bot, node, expiresAt)
}

func (t *tx) DropLease(ctx context.Context, bot, node string) error {
	return t.c.exec(ctx, "DELETE FROM presence WHERE bot_id = ? AND node_id = ?", bot, node)
}

func (t *tx) RenewLeases(ctx context.Context, node string, expiresAt int64) (int64, error) {
	return t.c.execNow(ctx, "UPDATE presence SET expires_at = ? WHERE node_id = ?", expiresAt, node)
}

func (t *tx) PurgeLeases(ctx context.Context, now int64) (int64, error) {
	return t.c.execNow(ctx, "DELETE FROM presence WHERE expires_at <= ?", now)
}
