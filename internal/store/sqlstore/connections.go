package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectWsTicket = read(onWsTickets, "SELECT "+columns[store.WsTicket]("")+" FROM ws_tickets WHERE hash = ?")
	insertWsTicket = insertRow[store.WsTicket](onWsTickets, "")
	takeWsTicket   = remove(onWsTickets, "DELETE FROM ws_tickets WHERE hash = ? RETURNING "+columns[store.WsTicket](""))
)

func (r reader) WsTicket(ctx context.Context, hash string) (*store.WsTicket, error) {
	return one[store.WsTicket](ctx, r, selectWsTicket, hash)
}

func (t *tx) CreateWsTicket(ctx context.Context, k *store.WsTicket) error {
	return put(ctx, t, insertWsTicket, k)
}

func (t *tx) TakeWsTicket(ctx context.Context, hash string) (*store.WsTicket, error) {
	return one[store.WsTicket](ctx, t.reader, takeWsTicket, hash)
}

var purgeWsTickets = remove(onWsTickets, "DELETE FROM ws_tickets WHERE hash IN (SELECT hash FROM ws_tickets WHERE expires_at <= ? LIMIT ? + 0)")

func (t *tx) PurgeWsTickets(ctx context.Context, now int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeWsTickets, now, max(limit, 0))
}

// onLiveNode is the condition that the node of a row has a live lease. Its arguments are
// those of a store.Live.
func onLiveNode(node string) string {
	return "EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = " + node + " AND n.expires_at > ? AND n.expires_at <= ?)"
}

var selectPresent = read(onPresence|onNodes, "SELECT count(*) FROM presence p WHERE p.bot_id = ? AND "+onLiveNode("p.node_id"))

func (r reader) Present(ctx context.Context, bot string, live store.Live) (bool, error) {
	n, err := value[int64](ctx, r, selectPresent, bot, live.Now, live.Latest)
	return n > 0, err
}

var selectOnlineAbsent = read(onBots|onPresence|onNodes, `SELECT org_id, id AS bot_id FROM bots WHERE online AND id > ? AND NOT EXISTS
		(SELECT 1 FROM presence p WHERE p.bot_id = bots.id AND `+onLiveNode("p.node_id")+`) ORDER BY id LIMIT ? + 0`)

func (r reader) OnlineAbsent(ctx context.Context, live store.Live, afterBot string, limit int) ([]store.BotRef, error) {
	return list[store.BotRef](ctx, r, selectOnlineAbsent,
		afterBot, live.Now, live.Latest, max(limit, 0))
}

var addPresence = insert(onPresence, "INSERT INTO presence (bot_id, node_id) VALUES (?, ?) ON CONFLICT (bot_id, node_id) DO NOTHING")

func (t *tx) AddPresence(ctx context.Context, bot, node string) error {
	return t.c.exec(ctx, addPresence, bot, node)
}

var removePresence = remove(onPresence, "DELETE FROM presence WHERE bot_id = ? AND node_id = ?")

func (t *tx) RemovePresence(ctx context.Context, bot, node string) error {
	return t.c.exec(ctx, removePresence, bot, node)
}
