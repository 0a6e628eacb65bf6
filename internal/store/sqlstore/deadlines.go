package sqlstore

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/store"
)

var deadlineColumns = columns[store.Deadline]("")

// overdue lists the deadlines of an org, or of a sender in it, that are overdue.
func overdue(of string) *statement {
	return read(onAckDeadlines, "SELECT "+deadlineColumns+" FROM ack_deadlines WHERE org_id = ? AND "+of+` (overdue_at, message_id) > (?, ?)
		ORDER BY overdue_at, message_id LIMIT ? + 0`)
}

var (
	overdueOfOrg    = overdue("overdue_at IS NOT NULL AND")
	overdueOfSender = overdue("sender_id = ? AND overdue_at IS NOT NULL AND")
)

func (r reader) Overdue(ctx context.Context, q store.OverdueQuery) ([]store.Deadline, error) {
	after := store.PageKey{At: -1}
	if q.After != nil {
		after = *q.After
	}
	if q.SenderID != "" {
		return list[store.Deadline](ctx, r, overdueOfSender, q.OrgID, q.SenderID, after.At, after.ID, max(q.Limit, 0))
	}
	return list[store.Deadline](ctx, r, overdueOfOrg, q.OrgID, after.At, after.ID, max(q.Limit, 0))
}

var selectDeadlinesDue = read(onAckDeadlines, "SELECT DISTINCT org_id FROM ack_deadlines WHERE check_at <= ? AND org_id > ? ORDER BY org_id LIMIT ? + 0")

func (r reader) DeadlinesDue(ctx context.Context, now int64, after string, limit int) ([]string, error) {
	return r.ids(ctx, selectDeadlinesDue, now, after, max(limit, 0))
}

// wroteAfter lists who of some bots sent one of the first messages after one.
func wroteAfter(t tables, table, scope string) *statement {
	return read(t, "SELECT DISTINCT sender_id FROM (SELECT sender_id FROM "+table+" WHERE "+scope+` = ? AND id > ? ORDER BY id LIMIT ? + 0) m
		WHERE `+anyOf("sender_id"))
}

var (
	wroteInThread  = wroteAfter(onThreadMessages, "thread_messages", "thread_id")
	wroteInChannel = wroteAfter(onChannelMessages, "channel_messages", "channel_id")
)

func (r reader) WroteAfter(ctx context.Context, kind store.MembershipKind, scope, message string, bots []string, look int) ([]string, error) {
	ids, err := jsonList(bots)
	if err != nil || len(bots) == 0 {
		return nil, err
	}
	q := wroteInThread
	if kind == store.MemberOfChannel {
		q = wroteInChannel
	}
	wrote, err := r.ids(ctx, q, scope, message, max(look, 0), ids)
	if err != nil {
		return nil, fmt.Errorf("store: who sent messages after one: %w", err)
	}
	return wrote, nil
}

var countDeadlines = read(onAckDeadlines, "SELECT count(*) FROM ack_deadlines WHERE sender_id = ? AND overdue_at IS NULL")

func (t *tx) CountDeadlines(ctx context.Context, sender string) (int64, error) {
	return value[int64](ctx, t.reader, countDeadlines, sender)
}

var putDeadline = insertRow[store.Deadline](onAckDeadlines, "")

func (t *tx) PutDeadline(ctx context.Context, d *store.Deadline) error {
	return put(ctx, t, putDeadline, d)
}

var selectDueDeadlines = read(onAckDeadlines, "SELECT "+deadlineColumns+` FROM ack_deadlines WHERE check_at <= ? AND org_id = ?
	ORDER BY check_at, message_id LIMIT ? + 0`)

func (t *tx) DueDeadlines(ctx context.Context, now int64, limit int) ([]store.Deadline, error) {
	return list[store.Deadline](ctx, t.reader, selectDueDeadlines, now, t.org, max(limit, 0))
}

var setDeadline = update(onAckDeadlines, "UPDATE ack_deadlines SET escalate_to = ?, overdue_at = ?, check_at = ? WHERE message_id = ?")

func (t *tx) SetDeadline(ctx context.Context, d *store.Deadline) error {
	return t.c.exec(ctx, setDeadline, d.EscalateTo, d.OverdueAt, d.CheckAt, d.MessageID)
}

var endDeadline = remove(onAckDeadlines, "DELETE FROM ack_deadlines WHERE message_id = ?")

func (t *tx) EndDeadline(ctx context.Context, message string) error {
	return t.c.exec(ctx, endDeadline, message)
}
