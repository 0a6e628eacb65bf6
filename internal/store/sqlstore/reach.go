package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
)

var addressees scanner[store.Addressee] = func(rows rowSet, a *store.Addressee) error {
	return rows.Scan(&a.ID, &a.Name, &a.JoinStatus, &a.Online, &a.Streaming, &a.Webhook, &a.ClaimedAt, &a.LastSeenAt, &a.CreatedAt)
}

const selectAddressees = `SELECT b.id, b.name, b.join_status, b.online, EXISTS (SELECT 1 FROM streaming s WHERE s.bot_id = b.id),
	b.sealed_url IS NOT NULL, coalesce((SELECT i.claimed_at FROM inboxes i WHERE i.bot_id = b.id), 0), b.last_seen_at, b.created_at FROM bots b`

var (
	selectAddresseeByID  = read(onBots|onStreaming|onInboxes, selectAddressees+" WHERE b.id = ? AND b.org_id = ?")
	selectAddresseeByRef = read(onBots|onStreaming|onInboxes, selectAddressees+
		" WHERE b.org_id = ? AND (b.id = ? OR b.name = ?) ORDER BY CASE b.id WHEN ? THEN 0 ELSE 1 END LIMIT 1")
	selectAddresseesByID = read(onBots|onStreaming|onInboxes, selectAddressees+" WHERE b.org_id = ? AND "+anyOf("b.id"))
	selectChannelPeer    = read(onBots|onStreaming|onInboxes|onChannelMembers, selectAddressees+
		" JOIN channel_members m ON m.bot_id = b.id WHERE m.channel_id = ? AND m.bot_id <> ? LIMIT 1")
)

func (r reader) Addressee(ctx context.Context, org, ref string) (*store.Addressee, error) {
	if limits.LikeID(ref) {
		return addressees.one(ctx, r, selectAddresseeByID, ref, org)
	}
	return addressees.one(ctx, r, selectAddresseeByRef, org, ref, ref, ref)
}

func (r reader) Addressees(ctx context.Context, org string, ids []string) ([]store.Addressee, error) {
	switch len(ids) {
	case 0:
		return nil, nil
	case 1: // the statement of a direct message, which may have its result in the cache
		return addressees.list(ctx, r, selectAddresseeByID, ids[0], org)
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	return addressees.list(ctx, r, selectAddresseesByID, org, arg)
}

func (r reader) ChannelPeer(ctx context.Context, channel, bot string) (*store.Addressee, error) {
	return addressees.one(ctx, r, selectChannelPeer, channel, bot)
}

var selectInactiveParticipants = read(onBots|onThreadParticipants, `SELECT p.bot_id FROM thread_participants p JOIN bots b ON b.id = p.bot_id
	WHERE p.thread_id = ? AND b.join_status <> 'active' ORDER BY p.joined_at, p.bot_id LIMIT ? + 0`)

func (r reader) InactiveParticipants(ctx context.Context, thread string, limit int) ([]string, error) {
	return r.ids(ctx, selectInactiveParticipants, thread, max(limit, 0))
}

var selectDegradedWebhooks = read(onWebhookStatus, "SELECT bot_id FROM webhook_status WHERE degraded AND "+anyOf("bot_id"))

func (r reader) DegradedWebhooks(ctx context.Context, bots []string) ([]string, error) {
	if len(bots) == 0 {
		return nil, nil
	}
	arg, err := jsonList(bots)
	if err != nil {
		return nil, err
	}
	return r.ids(ctx, selectDegradedWebhooks, arg)
}

var namedBots scanner[store.NamedBot] = func(rows rowSet, b *store.NamedBot) error {
	return rows.Scan(&b.ID, &b.Name, &b.JoinStatus, &b.Left)
}

var selectNamedBots = read(onBots|onTombstones|onMembershipHistory, `SELECT b.id, b.name, b.join_status, EXISTS (
		SELECT 1 FROM membership_history h WHERE h.scope_id = ? AND h.kind = 'thread' AND h.bot_id = b.id)
	FROM bots b WHERE b.org_id = ? AND `+anyOf("b.name")+`
	UNION ALL SELECT '', t.name, '', FALSE FROM tombstones t WHERE t.org_id = ? AND `+anyOf("t.name"))

func (r reader) NamedBots(ctx context.Context, org, thread string, names []string) ([]store.NamedBot, error) {
	if len(names) == 0 {
		return nil, nil
	}
	arg, err := jsonList(names)
	if err != nil {
		return nil, err
	}
	return namedBots.list(ctx, r, selectNamedBots, thread, org, arg, org, arg)
}

var (
	addStreaming    = insert(onStreaming, "INSERT INTO streaming (bot_id, node_id) VALUES (?, ?) ON CONFLICT (bot_id, node_id) DO NOTHING")
	removeStreaming = remove(onStreaming, "DELETE FROM streaming WHERE bot_id = ? AND node_id = ?")
)

func (t *tx) AddStreaming(ctx context.Context, bot, node string) error {
	return t.c.exec(ctx, addStreaming, bot, node)
}

func (t *tx) RemoveStreaming(ctx context.Context, bot, node string) error {
	return t.c.exec(ctx, removeStreaming, bot, node)
}
