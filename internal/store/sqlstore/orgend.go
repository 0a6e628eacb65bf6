package sqlstore

import (
	"context"
	"slices"
)

var endOrg = update(onOrgs, "UPDATE orgs SET status = 'destroyed' WHERE id = ? AND status <> 'destroyed'")

// endOfOrg remove what gives access to an org.
var endOfOrg = []*statement{
	remove(onSessions, "DELETE FROM sessions WHERE org_id = ?"),
	remove(onWsTickets, "DELETE FROM ws_tickets WHERE org_id = ?"),
	remove(onOrgTickets, "DELETE FROM org_tickets WHERE org_id = ?"),
}

func (t *tx) EndOrg(ctx context.Context, id string) error {
	if err := t.must(ctx, endOrg, id); err != nil {
		return err
	}
	for _, q := range endOfOrg {
		if err := t.c.exec(ctx, q, id); err != nil {
			return err
		}
	}
	return nil
}

// emptyScope removes the scopes (threads, channels, bots) of an org one after the other.
type emptyScope struct {
	next  *statement   // returns a scope of the org
	below []*statement // each removes at most ? rows of a scope, the last one the scope itself
}

// scopesOf declares what removes the scopes of a table; with the row of one, with changes, too.
func scopesOf(table, with tables, below ...*statement) emptyScope {
	name := table.name()
	return emptyScope{
		next:  read(table, "SELECT id FROM "+name+" WHERE org_id = ? LIMIT 1"),
		below: append(below, remove(with, "DELETE FROM "+name+" WHERE id IN (SELECT id FROM "+name+" WHERE id = ? LIMIT ? + 0)")),
	}
}

var emptyScopes = []emptyScope{
	scopesOf(onChannels, withChannels,
		remove(onChannelMessages, "DELETE FROM channel_messages WHERE id IN (SELECT id FROM channel_messages WHERE channel_id = ? LIMIT ? + 0)"),
		remove(onDecisions|onDecisionBots, "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE channel_id = ? LIMIT ? + 0)"),
		remove(onAckDeadlines, "DELETE FROM ack_deadlines WHERE message_id IN (SELECT message_id FROM ack_deadlines WHERE channel_id = ? LIMIT ? + 0)"),
	),
	scopesOf(onThreads, withThreads,
		remove(onThreadMessages, "DELETE FROM thread_messages WHERE id IN (SELECT id FROM thread_messages WHERE thread_id = ? LIMIT ? + 0)"),
		remove(onArtifacts, "DELETE FROM artifacts WHERE id IN (SELECT id FROM artifacts WHERE thread_id = ? LIMIT ? + 0)"),
		remove(onThreadParticipants, "DELETE FROM thread_participants WHERE (thread_id, bot_id) IN (SELECT thread_id, bot_id FROM thread_participants WHERE thread_id = ? LIMIT ? + 0)"),
		remove(onThreadJoinRequests, "DELETE FROM thread_join_requests WHERE id IN (SELECT id FROM thread_join_requests WHERE thread_id = ? LIMIT ? + 0)"),
		remove(onDecisions|onDecisionBots, "DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE thread_id = ? LIMIT ? + 0)"),
		remove(onAckDeadlines, "DELETE FROM ack_deadlines WHERE message_id IN (SELECT message_id FROM ack_deadlines WHERE thread_id = ? LIMIT ? + 0)"),
		remove(onPushConfigs|onPushLeases, "DELETE FROM push_configs WHERE id IN (SELECT id FROM push_configs WHERE thread_id = ? LIMIT ? + 0)"),
	),
	scopesOf(onBots, withBots,
		remove(onFiles, "DELETE FROM files WHERE id IN (SELECT id FROM files WHERE uploader_id = ? LIMIT ? + 0)"),
		remove(onWebhookDeliveries, "DELETE FROM webhook_deliveries WHERE (bot_id, seq) IN (SELECT bot_id, seq FROM webhook_deliveries WHERE bot_id = ? LIMIT ? + 0)"),
		remove(onDeliveries, "DELETE FROM deliveries WHERE (bot_id, seq) IN (SELECT bot_id, seq FROM deliveries WHERE bot_id = ? LIMIT ? + 0)"),
		remove(onInboxScopes, "DELETE FROM inbox_scopes WHERE (bot_id, scope_id) IN (SELECT bot_id, scope_id FROM inbox_scopes WHERE bot_id = ? LIMIT ? + 0)"),
		remove(onRateSlots, "DELETE FROM rate_slots WHERE (bot_id, bucket, slot) IN (SELECT bot_id, bucket, slot FROM rate_slots WHERE bot_id = ? LIMIT ? + 0)"),
		remove(onSessions, "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE bot_id = ? LIMIT ? + 0)"),
		remove(onBotTokens, "DELETE FROM bot_tokens WHERE id IN (SELECT id FROM bot_tokens WHERE bot_id = ? LIMIT ? + 0)"),
		remove(onMembershipHistory, "DELETE FROM membership_history WHERE (bot_id, joined_seq) IN (SELECT bot_id, joined_seq FROM membership_history WHERE bot_id = ? ORDER BY joined_seq LIMIT ? + 0)"),
	),
}

// emptyRest remove what belongs to an org and to no scope, each at most ? rows.
var emptyRest = []*statement{
	remove(onFiles, "DELETE FROM files WHERE id IN (SELECT id FROM files WHERE org_id = ? LIMIT ? + 0)"), // of bots that were deleted before
	remove(onUploadDays, "DELETE FROM upload_days WHERE (org_id, day, uploader_id) IN (SELECT org_id, day, uploader_id FROM upload_days WHERE org_id = ? LIMIT ? + 0)"),
	remove(onArtifactDays, "DELETE FROM artifact_days WHERE (org_id, day) IN (SELECT org_id, day FROM artifact_days WHERE org_id = ? LIMIT ? + 0)"),
	remove(onArtifactTotals, "DELETE FROM artifact_totals WHERE org_id IN (SELECT org_id FROM artifact_totals WHERE org_id = ? LIMIT ? + 0)"),
	remove(onIdempotency, "DELETE FROM idempotency WHERE (org_id, caller, request_id) IN (SELECT org_id, caller, request_id FROM idempotency WHERE org_id = ? LIMIT ? + 0)"),
	remove(onTombstones, "DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE org_id = ? LIMIT ? + 0)"),
	remove(onAuditLog, "DELETE FROM audit_log WHERE (org_id, created_at, id) IN (SELECT org_id, created_at, id FROM audit_log WHERE org_id = ? ORDER BY created_at, id LIMIT ? + 0)"),
	remove(onSearchState, "DELETE FROM search_state WHERE org_id IN (SELECT org_id FROM search_state WHERE org_id = ? LIMIT ? + 0)"),
	remove(onLogIndex, "DELETE FROM log_index WHERE (org_id, stream, seq) IN (SELECT org_id, stream, seq FROM log_index WHERE org_id = ? LIMIT ? + 0)"),
	remove(onLogStreams, "DELETE FROM log_streams WHERE (org_id, scope_id, type, party) IN (SELECT org_id, scope_id, type, party FROM log_streams WHERE org_id = ? LIMIT ? + 0)"),
	remove(onLogHeads, "DELETE FROM log_heads WHERE (org_id, scope_id, type) IN (SELECT org_id, scope_id, type FROM log_heads WHERE org_id = ? LIMIT ? + 0)"),
	remove(onLogRuns, "DELETE FROM log_runs WHERE (org_id, first_seq) IN (SELECT org_id, first_seq FROM log_runs WHERE org_id = ? LIMIT ? + 0)"),
	remove(onEventLog, "DELETE FROM event_log WHERE (org_id, seq) IN (SELECT org_id, seq FROM event_log WHERE org_id = ? ORDER BY seq LIMIT ? + 0)"),
}

// EmptyOrg removes one scope after the other, with its row, so that later calls do not search it
// again. The log is removed last, because other nodes read in it that the org has ended.
func (t *tx) EmptyOrg(ctx context.Context, id string, limit int) (int64, error) {
	e := &emptying{t: t, left: int64(max(limit, 0))}
	for _, scope := range emptyScopes {
		if err := e.scopes(ctx, scope, id); err != nil {
			return e.gone, err
		}
	}
	for _, q := range slices.Concat(clearSearch, emptyRest) {
		if err := e.rows(ctx, q, id); err != nil {
			return e.gone, err
		}
	}
	return e.gone, nil
}

// emptying is one call of EmptyOrg.
type emptying struct {
	t          *tx
	left, gone int64
}

func (e *emptying) rows(ctx context.Context, q *statement, scope string) error {
	if e.left <= 0 {
		return nil
	}
	n, err := e.t.c.execNow(ctx, q, scope, e.left)
	e.left -= n
	e.gone += n
	return err
}

// scopes removes the rows that belong to each scope of an org, then the scope's own row.
func (e *emptying) scopes(ctx context.Context, of emptyScope, org string) error {
	for e.left > 0 {
		scope, err := value[string](ctx, e.t.reader, of.next, org)
		if err != nil || scope == "" {
			return err
		}
		for _, q := range of.below {
			if err := e.rows(ctx, q, scope); err != nil {
				return err
			}
		}
	}
	return nil
}
