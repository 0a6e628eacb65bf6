package sqlstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/store"
)

const orgColumns = "id, name, secret_hash, persist_messages, status, join_approval_required, created_at"

func scanOrg(rows rowSet, o *store.Org) error {
	return rows.Scan(&o.ID, &o.Name, &o.SecretHash, &o.PersistMessages, &o.Status, &o.JoinApprovalRequired, &o.CreatedAt)
}

var selectOrg = read(onOrgs, "SELECT "+orgColumns+" FROM orgs WHERE id = ? AND status <> 'destroyed'")

func (r reader) Org(ctx context.Context, id string) (*store.Org, error) {
	return scanner[store.Org](scanOrg).one(ctx, r, selectOrg, id)
}

var orgSummaries = readBetween(onOrgs, "SELECT "+columns[store.Org]("o.")+" FROM orgs o", " ORDER BY o.created_at, o.id LIMIT ? + 0",
	"o.status <> 'destroyed'", "(o.created_at, o.id) > (?, ?)")

var countBotsOfOrgs = read(onBots, "SELECT org_id, count(*) FROM bots WHERE "+anyOf("org_id")+" GROUP BY org_id")

// Orgs counts the bots of all orgs of the page together: PostgreSQL would read all bots for each.
func (r reader) Orgs(ctx context.Context, after *store.PageKey, limit int) ([]store.OrgSummary, error) {
	rows, err := paged[store.Org](ctx, r, orgSummaries.choose().page(after), limit)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	out := make([]store.OrgSummary, len(rows))
	ids, at := make([]string, len(rows)), make(map[string]int, len(rows))
	for i := range rows {
		out[i].Org, ids[i], at[rows[i].ID] = rows[i], rows[i].ID, i
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	return out, each(ctx, r, func(rows rowSet) error {
		var org string
		var bots int64
		err := rows.Scan(&org, &bots)
		out[at[org]].BotCount = bots
		return err
	}, countBotsOfOrgs, arg)
}

var selectPlatformStats = read(onOrgs|onBots|onChannelMessages|onThreads|onThreadMessages, `SELECT (SELECT count(*) FROM orgs WHERE status <> 'destroyed'),
		(SELECT count(*) FROM bots WHERE org_id NOT IN (SELECT id FROM orgs WHERE status = 'destroyed')),
		(SELECT count(*) FROM bots WHERE online AND org_id NOT IN (SELECT id FROM orgs WHERE status = 'destroyed')),
		(SELECT count(*) FROM threads),
		(SELECT count(*) FROM channel_messages) + (SELECT count(*) FROM thread_messages),
		(SELECT count(*) FROM threads WHERE last_activity_at >= ?)`)

func (r reader) PlatformStats(ctx context.Context, activeSince int64) (store.PlatformStats, error) {
	var s store.PlatformStats
	err := each(long(ctx), r, func(rows rowSet) error {
		return rows.Scan(&s.OrgCount, &s.BotCount, &s.OnlineBotCount, &s.ThreadCount, &s.MessageCount, &s.ActiveThreadCount)
	}, selectPlatformStats, activeSince)
	return s, err
}

func (t *tx) CreateOrg(ctx context.Context, org *store.Org) error {
	_, err := t.createOrg(ctx, org)
	return err
}

var insertOrg = insertRow[store.Org](onOrgs, "")

var createLog = insert(onOrgLogs, "INSERT INTO org_logs (org_id, epoch, last_seq) VALUES (?, ?, 0)")

// createOrg returns the epoch of the new log.
func (t *tx) createOrg(ctx context.Context, org *store.Org) (epoch string, err error) {
	if err := put(ctx, t, insertOrg, org); err != nil {
		return "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", t.fail(err)
	}
	epoch = id.String()
	return epoch, t.c.exec(ctx, createLog, org.ID, epoch)
}

var updateOrg = update(onOrgs, "UPDATE orgs SET name = ?, status = ?, join_approval_required = ?, persist_messages = ? WHERE id = ?")

func (t *tx) UpdateOrg(ctx context.Context, o *store.Org) error {
	return t.must(ctx, updateOrg,
		o.Name, o.Status, o.JoinApprovalRequired, o.PersistMessages, o.ID)
}

var setOrgSecret = update(onOrgs, "UPDATE orgs SET secret_hash = ? WHERE id = ?")

func (t *tx) SetOrgSecret(ctx context.Context, id, secretHash string) error {
	return t.must(ctx, setOrgSecret, secretHash, id)
}

// emptyOrg remove what belongs to an org without a foreign key.
var emptyOrg = []*statement{
	remove(onRateSlots, "DELETE FROM rate_slots WHERE bot_id IN (SELECT id FROM bots WHERE org_id = ?)").reading(onBots),
	remove(onSessions, "DELETE FROM sessions WHERE bot_id IN (SELECT id FROM bots WHERE org_id = ?)").reading(onBots),
	remove(onSessions, "DELETE FROM sessions WHERE org_id = ?"),
	remove(onAuditLog, "DELETE FROM audit_log WHERE org_id = ?"),
	remove(onIdempotency, "DELETE FROM idempotency WHERE org_id = ?"),
	remove(onEventLog, "DELETE FROM event_log WHERE org_id = ?"),
	remove(onLogIndex, "DELETE FROM log_index WHERE org_id = ?"),
	remove(onLogStreams, "DELETE FROM log_streams WHERE org_id = ?"),
	remove(onLogHeads, "DELETE FROM log_heads WHERE org_id = ?"),
	remove(onLogRuns, "DELETE FROM log_runs WHERE org_id = ?"),
	remove(onImports, "DELETE FROM imports WHERE scope = ?"),
}

var deleteOrg = remove(withOrgs, "DELETE FROM orgs WHERE id = ?")

// DeleteOrg empties the tables without a foreign key first; the rest cascades.
func (t *tx) DeleteOrg(ctx context.Context, id string) error {
	for _, q := range emptyOrg {
		if err := t.c.exec(ctx, q, id); err != nil {
			return err
		}
	}
	if err := t.must(ctx, deleteOrg, id); err != nil {
		return err
	}
	if id == t.org {
		t.log.loaded, t.log.exists = true, false
	}
	return nil
}
