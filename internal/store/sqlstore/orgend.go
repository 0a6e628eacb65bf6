package sqlstore

import "context"

var endOrg = update(onOrgs, "UPDATE orgs SET status = 'destroyed' WHERE id = ? AND status <> 'destroyed'")

func (t *tx) EndOrg(ctx context.Context, id string) error {
	if err := t.must(ctx, endOrg, id); err != nil {
		return err
	}
	for _, q := range []string{
		"DELETE FROM sessions WHERE org_id = ?",
		"DELETE FROM ws_tickets WHERE org_id = ?",
		"DELETE FROM org_tickets WHERE org_id = ?",
	} {
		if err := t.c.exec(ctx, t.d.composed(q), id); err != nil {
			return err
		}
	}
	return nil
}

// EmptyOrg removes one scope (thread, channel, bot) after the other, with its row, so that
// later calls do not search it again. The log is removed last, because other nodes read in it
// that the org has ended.
func (t *tx) EmptyOrg(ctx context.Context, id string, limit int) (int64, error) {
	e := &emptying{t: t, left: int64(max(limit, 0))}
	for _, scope := range []struct {
		table string
		below []string // each removes at most ? rows of a scope
	}{
		{"channels", []string{
			"DELETE FROM channel_messages WHERE id IN (SELECT id FROM channel_messages WHERE channel_id = ? LIMIT ? + 0)",
		}},
		{"threads", []string{
			"DELETE FROM thread_messages WHERE id IN (SELECT id FROM thread_messages WHERE thread_id = ? LIMIT ? + 0)",
			"DELETE FROM artifacts WHERE id IN (SELECT id FROM artifacts WHERE thread_id = ? LIMIT ? + 0)",
			"DELETE FROM thread_participants WHERE (thread_id, bot_id) IN (SELECT thread_id, bot_id FROM thread_participants WHERE thread_id = ? LIMIT ? + 0)",
			"DELETE FROM thread_join_requests WHERE id IN (SELECT id FROM thread_join_requests WHERE thread_id = ? LIMIT ? + 0)",
		}},
		{"bots", []string{
			"DELETE FROM files WHERE id IN (SELECT id FROM files WHERE uploader_id = ? LIMIT ? + 0)",
			"DELETE FROM webhook_deliveries WHERE (bot_id, seq) IN (SELECT bot_id, seq FROM webhook_deliveries WHERE bot_id = ? LIMIT ? + 0)",
			"DELETE FROM rate_slots WHERE (bot_id, bucket, slot) IN (SELECT bot_id, bucket, slot FROM rate_slots WHERE bot_id = ? LIMIT ? + 0)",
			"DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE bot_id = ? LIMIT ? + 0)",
			"DELETE FROM bot_tokens WHERE id IN (SELECT id FROM bot_tokens WHERE bot_id = ? LIMIT ? + 0)",
			"DELETE FROM membership_history WHERE (bot_id, joined_seq) IN (SELECT bot_id, joined_seq FROM membership_history WHERE bot_id = ? ORDER BY joined_seq LIMIT ? + 0)",
		}},
	} {
		if err := e.scopes(ctx, scope.table, id, scope.below); err != nil {
			return e.gone, err
		}
	}
	for _, q := range []string{
		"DELETE FROM files WHERE id IN (SELECT id FROM files WHERE org_id = ? LIMIT ? + 0)", // of bots that were deleted before
		"DELETE FROM upload_days WHERE (org_id, day, uploader_id) IN (SELECT org_id, day, uploader_id FROM upload_days WHERE org_id = ? LIMIT ? + 0)",
		"DELETE FROM artifact_days WHERE (org_id, day) IN (SELECT org_id, day FROM artifact_days WHERE org_id = ? LIMIT ? + 0)",
		"DELETE FROM artifact_totals WHERE org_id IN (SELECT org_id FROM artifact_totals WHERE org_id = ? LIMIT ? + 0)",
		"DELETE FROM idempotency WHERE (org_id, caller, request_id) IN (SELECT org_id, caller, request_id FROM idempotency WHERE org_id = ? LIMIT ? + 0)",
		"DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE org_id = ? LIMIT ? + 0)",
		"DELETE FROM audit_log WHERE (org_id, created_at, id) IN (SELECT org_id, created_at, id FROM audit_log WHERE org_id = ? ORDER BY created_at, id LIMIT ? + 0)",
		"DELETE FROM event_log WHERE (org_id, seq) IN (SELECT org_id, seq FROM event_log WHERE org_id = ? ORDER BY seq LIMIT ? + 0)",
	} {
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

func (e *emptying) rows(ctx context.Context, q, scope string) error {
	if e.left <= 0 {
		return nil
	}
	n, err := e.t.c.execNow(ctx, e.t.d.composed(q), scope, e.left)
	e.left -= n
	e.gone += n
	return err
}

// scopes removes the rows that belong to each scope of a table, then the scope's own row.
func (e *emptying) scopes(ctx context.Context, table, org string, below []string) error {
	for e.left > 0 {
		scope, err := value[string](ctx, e.t.reader, e.t.d.composed("SELECT id FROM "+table+" WHERE org_id = ? LIMIT 1"), org)
		if err != nil || scope == "" {
			return err
		}
		for _, q := range below {
			if err := e.rows(ctx, q, scope); err != nil {
				return err
			}
		}
		if e.left > 0 {
			if err := e.rows(ctx, "DELETE FROM "+table+" WHERE id IN (SELECT id FROM "+table+" WHERE id = ? LIMIT ? + 0)", scope); err != nil {
				return err
			}
		}
	}
	return nil
}
