package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectSentMessage = read(onThreads|onThreadMessages|onChannels|onChannelMessages, `SELECT m.id, 'thread', m.thread_id, coalesce(m.event_seq, 0)
			FROM thread_messages m JOIN threads t ON t.id = m.thread_id WHERE m.id = ? AND t.org_id = ?
		UNION ALL SELECT m.id, 'channel', m.channel_id, coalesce(m.event_seq, 0)
			FROM channel_messages m JOIN channels c ON c.id = m.channel_id WHERE m.id = ? AND c.org_id = ?`)
	selectInboxesOf    = read(onInboxes, "SELECT "+columns[store.Inbox]("")+" FROM inboxes WHERE "+anyOf("bot_id"))
	selectDeliveriesAt = read(onDeliveries, deliveryColumns+selectDeliveries+" WHERE seq = ? AND "+anyOf("bot_id"))
)

func (r reader) SentMessage(ctx context.Context, org, id string) (*store.SentMessage, error) {
	return scanner[store.SentMessage](func(rows rowSet, m *store.SentMessage) error {
		return rows.Scan(&m.ID, &m.Kind, &m.ScopeID, &m.Seq)
	}).one(ctx, r, selectSentMessage, id, org, id, org)
}

func (r reader) InboxesOf(ctx context.Context, bots []string) ([]store.Inbox, error) {
	ids, err := jsonList(bots)
	if err != nil || len(bots) == 0 {
		return nil, err
	}
	return list[store.Inbox](ctx, r, selectInboxesOf, ids)
}

func (r reader) DeliveriesAt(ctx context.Context, seq int64, bots []string) ([]store.Delivery, error) {
	ids, err := jsonList(bots)
	if err != nil || len(bots) == 0 {
		return nil, err
	}
	return list[store.Delivery](ctx, r, selectDeliveriesAt, seq, ids)
}
