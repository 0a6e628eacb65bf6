package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

func (r reader) JoinRequest(ctx context.Context, thread, id string) (*store.JoinRequest, error) {
	return one[store.JoinRequest](ctx, r, r.d.composed("SELECT "+columns[store.JoinRequest](r, "")+
		" FROM thread_join_requests WHERE id = ? AND thread_id = ?"), id, thread)
}

func (r reader) PendingJoinRequest(ctx context.Context, thread, bot string) (*store.JoinRequest, error) {
	return one[store.JoinRequest](ctx, r, r.d.composed("SELECT "+columns[store.JoinRequest](r, "")+
		" FROM thread_join_requests WHERE thread_id = ? AND bot_id = ? AND status = 'pending'"), thread, bot)
}

func (r reader) PendingJoinRequests(ctx context.Context, thread string, limit int) ([]store.JoinRequestRow, error) {
	return list[store.JoinRequestRow](ctx, r, r.d.composed("SELECT "+columns[store.JoinRequest](r, "q.")+`, b.name AS bot_name
		FROM thread_join_requests q LEFT JOIN bots b ON b.id = q.bot_id
		WHERE q.thread_id = ? AND q.status = 'pending' ORDER BY q.requested_at, q.id LIMIT ? + 0`), thread, max(limit, 0))
}

func (t *tx) CreateJoinRequest(ctx context.Context, q *store.JoinRequest) error {
	text, args := insertion(t.reader, "thread_join_requests", q)
	_, err := t.c.execNow(ctx, t.d.composed(text), args...)
	return err
}

var resolveJoinRequest = update(onThreadJoinRequests, "UPDATE thread_join_requests SET status = ?, resolved_at = ?, resolved_by = ? WHERE id = ? AND status = 'pending'")

func (t *tx) ResolveJoinRequest(ctx context.Context, id, status string, at int64, by *string) error {
	return t.must(ctx, resolveJoinRequest,
		status, at, by, id)
}

var rejectJoinRequests = update(onThreadJoinRequests, `UPDATE thread_join_requests SET status = 'rejected', resolved_at = ?, resolved_by = ?
		WHERE thread_id = ? AND status = 'pending'`)

func (t *tx) RejectJoinRequests(ctx context.Context, thread string, at int64, by *string) (int64, error) {
	return t.c.execNow(ctx, rejectJoinRequests, at, by, thread)
}
