package sqlstore

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectWebhookStatus = read(onWebhookStatus, "SELECT "+columns[store.WebhookStatus]("")+" FROM webhook_status WHERE bot_id = ?")
	putWebhookStatus    = insertRow[store.WebhookStatus](onWebhookStatus, ` ON CONFLICT (bot_id) DO UPDATE SET last_success = excluded.last_success,
		last_failure = excluded.last_failure, consecutive_failures = excluded.consecutive_failures, degraded = excluded.degraded`)
)

func (r reader) WebhookStatus(ctx context.Context, bot string) (*store.WebhookStatus, error) {
	s, err := one[store.WebhookStatus](ctx, r, selectWebhookStatus, bot)
	if errors.Is(err, store.ErrNotFound) {
		return &store.WebhookStatus{BotID: bot}, nil
	}
	return s, err
}

func (t *tx) PutWebhookStatus(ctx context.Context, s *store.WebhookStatus) error {
	return put(ctx, t, putWebhookStatus, s)
}

var selectWebhookPosition = read(onWebhookCursors, "SELECT seq FROM webhook_cursors WHERE bot_id = ?")

func (r reader) WebhookPosition(ctx context.Context, bot string) (int64, error) {
	seq, err := scanner[int64](func(rows rowSet, seq *int64) error { return rows.Scan(seq) }).one(ctx, r,
		selectWebhookPosition, bot)
	if err != nil {
		return 0, err
	}
	return *seq, nil
}

// oldestWait selects the oldest event of an org that is still to be delivered: after the
// position of an active bot, or waiting for another attempt. 0: none.
var oldestWait = read(onBots|onWebhookCursors|onWebhookDeliveries, `SELECT coalesce(min(seq), 0) FROM (
	SELECT c.seq + 1 AS seq FROM webhook_cursors c JOIN bots b ON b.id = c.bot_id
		WHERE c.org_id = ? AND b.join_status = 'active' AND b.sealed_url IS NOT NULL
	UNION ALL SELECT d.seq FROM webhook_deliveries d WHERE d.org_id = ? AND d.next_at IS NOT NULL) w`)

// servable selects the active bots with a webhook, of active orgs; servablePushes the push configs of
// such bots.
const (
	servable = ` FROM bots b JOIN orgs o ON o.id = b.org_id
	WHERE b.sealed_url IS NOT NULL AND b.join_status = 'active' AND o.status = 'active'`
	servablePushes = ` FROM push_configs p JOIN bots b ON b.id = p.bot_id JOIN orgs o ON o.id = p.org_id
	WHERE b.join_status = 'active' AND o.status = 'active'`
)

const onHooks = onOrgs | onBots | onPushConfigs | onWebhookLeases | onPushLeases

var selectWebhookShare = read(onHooks|onNodes, "SELECT (SELECT count(*)"+servable+") + (SELECT count(*)"+servablePushes+`),
		(SELECT count(*) FROM nodes WHERE expires_at > ? AND expires_at <= ?),
		(SELECT count(*)`+servable+" AND EXISTS (SELECT 1 FROM webhook_leases l WHERE l.bot_id = b.id AND l.node_id = ?))"+`
		+ (SELECT count(*)`+servablePushes+" AND EXISTS (SELECT 1 FROM push_leases l WHERE l.push_id = p.id AND l.node_id = ?))")

func (r reader) WebhookShare(ctx context.Context, node string, live store.Live) (s store.WebhookShare, err error) {
	err = each(ctx, r, func(rows rowSet) error { return rows.Scan(&s.Webhooks, &s.Nodes, &s.Held) },
		selectWebhookShare, live.Now, live.Latest, node, node)
	return s, err
}

// Webhooks come first, so that push configs, of which there can be more, do not delay them.
var selectFreeWebhooks = read(onHooks|onNodes, "SELECT org_id, bot_id, push_id FROM (SELECT b.org_id AS org_id, b.id AS bot_id, '' AS push_id"+servable+`
		AND NOT EXISTS (SELECT 1 FROM webhook_leases l WHERE l.bot_id = b.id AND `+onLiveNode("l.node_id")+`)
		UNION ALL SELECT p.org_id, p.bot_id, p.id`+servablePushes+`
		AND NOT EXISTS (SELECT 1 FROM push_leases l WHERE l.push_id = p.id AND `+onLiveNode("l.node_id")+`)) h
		ORDER BY push_id, bot_id LIMIT ? + 0`)

func (r reader) FreeWebhooks(ctx context.Context, live store.Live, limit int) ([]store.HookRef, error) {
	return list[store.HookRef](ctx, r, selectFreeWebhooks, live.Now, live.Latest, live.Now, live.Latest, max(limit, 0))
}

var selectWebhookLease = read(onWebhookLeases, "SELECT count(*) FROM webhook_leases WHERE bot_id = ? AND node_id = ?")

func (r reader) WebhookHeld(ctx context.Context, bot, node string) (bool, error) {
	n, err := value[int64](ctx, r, selectWebhookLease, bot, node)
	return n > 0, err
}

var selectHeldWebhooks = read(onWebhookLeases|onPushLeases, `SELECT id FROM (SELECT bot_id AS id FROM webhook_leases WHERE node_id = ?
	UNION ALL SELECT push_id FROM push_leases WHERE node_id = ?) h ORDER BY id`)

func (r reader) HeldWebhooks(ctx context.Context, node string) ([]string, error) {
	return r.ids(ctx, selectHeldWebhooks, node, node)
}

var selectWaitingDeliveries = read(onWebhookDeliveries, "SELECT "+columns[store.WebhookDelivery]("")+` FROM webhook_deliveries
	WHERE bot_id = ? AND next_at IS NOT NULL ORDER BY next_at, seq LIMIT ? + 0`)

func (r reader) WaitingDeliveries(ctx context.Context, bot string, limit int) ([]store.WebhookDelivery, error) {
	return list[store.WebhookDelivery](ctx, r, selectWaitingDeliveries, bot, max(limit, 0))
}

var deadLetters = readBetween(onWebhookDeliveries, "SELECT "+columns[store.WebhookDelivery]("")+" FROM webhook_deliveries",
	" ORDER BY updated_at DESC, id DESC LIMIT ? + 0", "org_id = ? AND next_at IS NULL", []string{
		deadLettersOfBot: "bot_id = ?",
		deadLettersAfter: "(updated_at < ? OR updated_at = ? AND id < ?)",
	}...)

// The conditions of deadLetters.
const (
	deadLettersOfBot = iota
	deadLettersAfter
)

func (r reader) DeadLetters(ctx context.Context, org, bot string, after *store.PageKey, limit int) ([]store.WebhookDelivery, error) {
	c := deadLetters.choose(org)
	if bot != "" {
		c.and(deadLettersOfBot, bot)
	}
	if after != nil {
		c.and(deadLettersAfter, after.At, after.At, after.ID)
	}
	return paged[store.WebhookDelivery](ctx, r, c, limit)
}

var startWebhook = insert(onWebhookCursors, "INSERT INTO webhook_cursors (bot_id, org_id, seq) VALUES (?, ?, ?) ON CONFLICT (bot_id) DO NOTHING")

func (t *tx) StartWebhook(ctx context.Context, bot string) error {
	top, err := t.LogTop(ctx, t.org)
	if err != nil {
		return err
	}
	return t.c.exec(ctx, startWebhook,
		bot, t.org, top.Seq)
}

var moveWebhook = update(onWebhookCursors, "UPDATE webhook_cursors SET seq = ? WHERE bot_id = ? AND seq < ?")

func (t *tx) MoveWebhook(ctx context.Context, bot string, seq int64) error {
	return t.c.exec(ctx, moveWebhook, seq, bot, seq)
}

var takeWebhookLease = insert(onWebhookLeases, `INSERT INTO webhook_leases (bot_id, node_id)
		SELECT b.id, o.node_id FROM bots b, nodes o WHERE b.id = ? AND o.node_id = ? AND `+onLiveNode("o.node_id")+`
		ON CONFLICT (bot_id) DO UPDATE SET node_id = excluded.node_id
		WHERE webhook_leases.node_id = excluded.node_id OR NOT `+onLiveNode("webhook_leases.node_id")).reading(onBots | onNodes)

var takeWebhookPosition = insert(onWebhookCursors, `INSERT INTO webhook_cursors (bot_id, org_id, seq)
		SELECT b.id, b.org_id, l.last_seq FROM bots b JOIN org_logs l ON l.org_id = b.org_id WHERE b.id = ?
		ON CONFLICT (bot_id) DO NOTHING`).reading(onOrgLogs | onBots)

var takePushLease = insert(onPushLeases, `INSERT INTO push_leases (push_id, node_id)
		SELECT p.id, o.node_id FROM push_configs p, nodes o WHERE p.id = ? AND o.node_id = ? AND `+onLiveNode("o.node_id")+`
		ON CONFLICT (push_id) DO UPDATE SET node_id = excluded.node_id
		WHERE push_leases.node_id = excluded.node_id OR NOT `+onLiveNode("push_leases.node_id")).reading(onPushConfigs | onNodes)

// TakeWebhook is one conditional upsert: exactly one of several nodes gets the webhook, and
// none waits for the lock of the org.
func (t *tx) TakeWebhook(ctx context.Context, ref store.HookRef, node string, live store.Live) (bool, error) {
	take := takeWebhookLease
	if ref.PushID != "" {
		take = takePushLease
	}
	n, err := t.c.execNow(ctx, take, ref.ID(), node, live.Now, live.Latest, live.Now, live.Latest)
	if err != nil || n == 0 {
		return false, err
	}
	if ref.PushID != "" {
		return true, nil
	}
	return true, t.c.exec(ctx, takeWebhookPosition, ref.BotID)
}

// releaseWebhook are the leases of webhooks and of push configs.
var releaseWebhook = []*statement{
	remove(onWebhookLeases, "DELETE FROM webhook_leases WHERE node_id = ? AND (? = '' OR bot_id = ?)"),
	remove(onPushLeases, "DELETE FROM push_leases WHERE node_id = ? AND (? = '' OR push_id = ?)"),
}

func (t *tx) ReleaseWebhook(ctx context.Context, id, node string) error {
	for _, q := range releaseWebhook {
		if err := t.c.exec(ctx, q, node, id, id); err != nil {
			return err
		}
	}
	return nil
}

var putDelivery = insertRow[store.WebhookDelivery](onWebhookDeliveries, ` ON CONFLICT (bot_id, seq) DO UPDATE SET
	attempts = excluded.attempts, next_at = excluded.next_at, updated_at = excluded.updated_at, status = excluded.status, reason = excluded.reason`)

func (t *tx) PutDelivery(ctx context.Context, d *store.WebhookDelivery) error {
	return put(ctx, t, putDelivery, d)
}

var deleteDelivery = remove(onWebhookDeliveries, "DELETE FROM webhook_deliveries WHERE bot_id = ? AND seq = ?")

func (t *tx) DeleteDelivery(ctx context.Context, bot string, seq int64) error {
	return t.c.exec(ctx, deleteDelivery, bot, seq)
}

var trimDeadLetters = remove(onWebhookDeliveries, `DELETE FROM webhook_deliveries WHERE bot_id = ? AND next_at IS NULL AND seq IN
		(SELECT seq FROM webhook_deliveries WHERE bot_id = ? AND next_at IS NULL ORDER BY updated_at DESC, seq DESC LIMIT ? + 0 OFFSET ? + 0)`)

func (t *tx) TrimDeadLetters(ctx context.Context, bot string, keep int) error {
	return t.c.exec(ctx, trimDeadLetters,
		bot, bot, trimMax, keep)
}

// trimMax bounds the rows that one call of TrimDeadLetters removes. It is more than can be
// added between two calls.
const trimMax = 10000

var redeliver = update(onWebhookDeliveries, `UPDATE webhook_deliveries SET next_at = ?, attempts = 0 WHERE bot_id = ? AND next_at IS NULL AND (? = '' OR id = ?)`)

func (t *tx) Redeliver(ctx context.Context, bot, id string, at int64) (int64, error) {
	return t.c.execNow(ctx, redeliver,
		at, bot, id, id)
}
