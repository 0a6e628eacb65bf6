package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

var (
	selectJoinRequest = read(onThreadJoinRequests,
		"SELECT "+columns[store.JoinRequest]("")+" FROM thread_join_requests WHERE id = ? AND thread_id = ?")
	selectPendingJoinRequest = read(onThreadJoinRequests,
		"SELECT "+columns[store.JoinRequest]("")+" FROM thread_join_requests WHERE thread_id = ? AND bot_id = ? AND status = 'pending'")
	selectPendingJoinRequests = read(onBots|onThreadJoinRequests, "SELECT "+columns[store.JoinRequest]("q.")+`, b.name AS bot_name
		FROM thread_join_requests q LEFT JOIN bots b ON b.id = q.bot_id
		WHERE q.thread_id = ? AND q.status = 'pending' ORDER BY q.requested_at, q.id LIMIT ? + 0`)
)

func (r reader) JoinRequest(ctx context.Context, thread, id string) (*store.JoinRequest, error) {
	return one[store.JoinRequest](ctx, r, selectJoinRequest, id, thread)
}

func (r reader) PendingJoinRequest(ctx context.Context, thread, bot string) (*store.JoinRequest, error) {
	return one[store.JoinRequest](ctx, r, selectPendingJoinRequest, thread, bot)
}

func (r reader) PendingJoinRequests(ctx context.Context, thread string, limit int) ([]store.JoinRequestRow, error) {
	return list[store.JoinRequestRow](ctx, r, selectPendingJoinRequests, thread, max(limit, 0))
}

func (t *tx) CreateJoinRequest(ctx context.Context, q *store.JoinRequest) error {
	return putNow(ctx, t, insertThreadJoinRequests.one, q)
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
