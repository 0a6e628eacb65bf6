package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// terminal is the condition that the thread of a row of a table is resolved or closed.
// It is a correlated query, because with IN each statement would list such threads of all
// orgs.
func terminal(table string) string {
	return " AND EXISTS (SELECT 1 FROM threads t WHERE t.id = " + table + ".thread_id AND t.status IN ('resolved', 'closed'))"
}

var selectEndedOrgs = read(onOrgs, "SELECT id FROM orgs WHERE status = 'destroyed' ORDER BY id LIMIT ? + 0")

func (r reader) EndedOrgs(ctx context.Context, limit int) ([]string, error) {
	return r.ids(ctx, selectEndedOrgs, max(limit, 0))
}

var selectIdleThreads = read(onThreads, "SELECT "+threadColumns("")+` FROM threads
		WHERE org_id = ? AND last_activity_at < ? AND status IN ('active', 'blocked', 'reviewing')
		ORDER BY last_activity_at, id LIMIT ? + 0`)

func (r reader) IdleThreads(ctx context.Context, org string, before int64, limit int) ([]store.Thread, error) {
	return threads.list(long(ctx), r, selectIdleThreads, org, before, max(limit, 0))
}

var selectOldChannelMessages = read(onChannels|onChannelMessages, `SELECT m.id FROM channels c JOIN channel_messages m ON m.channel_id = c.id
		WHERE c.org_id = ? AND m.created_at < ? LIMIT ? + 0`)

func (r reader) OldChannelMessages(ctx context.Context, org string, before int64, limit int) ([]string, error) {
	return r.ids(long(ctx), selectOldChannelMessages, org, before, max(limit, 0))
}

var selectOldThreadMessages = read(onThreads|onThreadMessages, `SELECT m.id FROM threads t JOIN thread_messages m ON m.thread_id = t.id
		WHERE t.org_id = ? AND t.status IN ('resolved', 'closed') AND m.created_at < ? LIMIT ? + 0`)

func (r reader) OldThreadMessages(ctx context.Context, org string, before int64, limit int) ([]string, error) {
	return r.ids(long(ctx), selectOldThreadMessages, org, before, max(limit, 0))
}

var selectOldArtifacts = read(onThreads|onArtifacts, `SELECT a.id FROM threads t JOIN artifacts a ON a.thread_id = t.id
		WHERE t.org_id = ? AND t.status IN ('resolved', 'closed') AND a.created_at < ? LIMIT ? + 0`)

func (r reader) OldArtifacts(ctx context.Context, org string, before int64, limit int) ([]string, error) {
	return r.ids(long(ctx), selectOldArtifacts, org, before, max(limit, 0))
}

var selectOldAudit = read(onAuditLog, "SELECT id FROM audit_log WHERE org_id = ? AND created_at < ? ORDER BY created_at, id LIMIT 1")

func (r reader) OldAudit(ctx context.Context, org string, before int64) (bool, error) {
	id, err := value[string](ctx, r, selectOldAudit, org, before)
	return id != "", err
}

var selectOldRates = read(onRateSlots, "SELECT DISTINCT bot_id FROM rate_slots WHERE bot_id > ? AND last_at < ? ORDER BY bot_id LIMIT ? + 0")

func (r reader) OldRates(ctx context.Context, before int64, afterBot string, limit int) ([]string, error) {
	return r.ids(long(ctx), selectOldRates,
		afterBot, before, max(limit, 0))
}

// ids reads one column of texts.
func (r reader) ids(ctx context.Context, q *statement, args ...any) ([]string, error) {
	return scanner[string](func(rows rowSet, id *string) error { return rows.Scan(id) }).list(ctx, r, q, args...)
}

// keepBodies copies the content of messages that are about to be deleted into the events that name
// them, as far as the log has these.
func keepBodies(of tables) *statement {
	return update(onEventLog, "UPDATE event_log SET body = m.content FROM "+of.name()+" m WHERE "+anyOf("m.id")+
		" AND event_log.org_id = ? AND event_log.seq = m.event_seq AND event_log.message_id IS NOT NULL").reading(of)
}

var (
	keepChannelBodies     = keepBodies(onChannelMessages)
	keepThreadBodies      = keepBodies(onThreadMessages)
	deleteChannelMessages = remove(onChannelMessages, "DELETE FROM channel_messages WHERE "+anyOf("id"))
	deleteThreadMessages  = remove(onThreadMessages, "DELETE FROM thread_messages WHERE "+anyOf("id")+terminal("thread_messages")).reading(onThreads)
	purgeRates            = remove(onRateSlots, "DELETE FROM rate_slots WHERE "+anyOf("bot_id")+" AND last_at < ?")
)

func (t *tx) DeleteChannelMessages(ctx context.Context, ids []string) (int64, error) {
	if _, err := t.changeListed(ctx, keepChannelBodies, ids, t.org); err != nil {
		return 0, err
	}
	return t.changeListed(ctx, deleteChannelMessages, ids)
}

func (t *tx) DeleteThreadMessages(ctx context.Context, ids []string) (int64, error) {
	if _, err := t.changeListed(ctx, keepThreadBodies, ids, t.org); err != nil {
		return 0, err
	}
	return t.changeListed(ctx, deleteThreadMessages, ids)
}

// changeListed runs a statement whose first argument is a list of ids.
func (t *tx) changeListed(ctx context.Context, q *statement, ids []string, args ...any) (int64, error) {
	arg, err := jsonList(ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return t.c.execNow(ctx, q, append([]any{arg}, args...)...)
}

var pruneAudit = remove(onAuditLog, `DELETE FROM audit_log WHERE org_id = ? AND (created_at, id) IN (SELECT created_at, id FROM audit_log
		WHERE org_id = ? AND created_at < ? ORDER BY created_at, id LIMIT ? + 0)`)

func (t *tx) PruneAudit(ctx context.Context, org string, before int64, limit int) (int64, error) {
	return t.c.execNow(ctx, pruneAudit, org, org, before, max(limit, 0))
}

func (t *tx) PurgeRates(ctx context.Context, bots []string, before int64) (int64, error) {
	return t.changeListed(ctx, purgeRates, bots, before)
}

var purgeTickets = remove(onOrgTickets, `DELETE FROM org_tickets WHERE id IN
		(SELECT id FROM org_tickets WHERE expires_at > 0 AND expires_at < ? LIMIT ? + 0)`)

func (t *tx) PurgeTickets(ctx context.Context, before int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeTickets, before, max(limit, 0))
}

var purgeInvites = remove(onInviteCodes, `DELETE FROM invite_codes WHERE id IN
		(SELECT id FROM invite_codes WHERE expires_at > 0 AND expires_at < ? LIMIT ? + 0)`)

func (t *tx) PurgeInvites(ctx context.Context, before int64, limit int) (int64, error) {
	return t.c.execNow(ctx, purgeInvites, before, max(limit, 0))
}

var takeJob = insert(onUpkeepJobs, `INSERT INTO upkeep_jobs (name, holder, done_at)
		SELECT CAST(? AS TEXT), o.node_id, 0 FROM nodes o WHERE o.node_id = ? AND `+onLiveNode("o.node_id")+`
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder
		WHERE (upkeep_jobs.holder = excluded.holder OR NOT `+onLiveNode("upkeep_jobs.holder")+`)
			AND (upkeep_jobs.done_at <= ? OR upkeep_jobs.done_at > ?)`).reading(onNodes)

func (t *tx) TakeJob(ctx context.Context, job, node string, live store.Live, doneBefore int64) (bool, error) {
	n, err := t.c.execNow(ctx, takeJob,
		job, node, live.Now, live.Latest, live.Now, live.Latest, doneBefore, live.Latest)
	return n == 1, err
}

var finishJob = update(onUpkeepJobs, "UPDATE upkeep_jobs SET holder = '', done_at = ? WHERE name = ? AND holder = ?")

func (t *tx) FinishJob(ctx context.Context, job, node string, now int64) error {
	return t.c.exec(ctx, finishJob, now, job, node)
}

var releaseJob = update(onUpkeepJobs, "UPDATE upkeep_jobs SET holder = '' WHERE name = ? AND holder = ?")

func (t *tx) ReleaseJob(ctx context.Context, job, node string) error {
	return t.c.exec(ctx, releaseJob, job, node)
}
