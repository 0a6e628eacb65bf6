package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// threadColumns lists the columns that threadFields scans.
func threadColumns(p string) string {
	return p + "id, " + p + "org_id, " + p + "topic, " + p + "tags, " + p + "status, " + p + "initiator_id, " + p + "channel_id, " +
		p + "context, " + p + "close_reason, " + p + "permission_policy, " + p + "visibility, " + p + "join_policy, " +
		p + "revision, " + p + "created_at, " + p + "updated_at, " + p + "last_activity_at, " + p + "resolved_at"
}

func threadFields(t *store.Thread) []any {
	return []any{&t.ID, &t.OrgID, &t.Topic, &t.Tags, &t.Status, &t.InitiatorID, &t.ChannelID, &t.Context, &t.CloseReason,
		&t.PermissionPolicy, &t.Visibility, &t.JoinPolicy, &t.Revision, &t.CreatedAt, &t.UpdatedAt, &t.LastActivityAt, &t.ResolvedAt}
}

var threads scanner[store.Thread] = func(rows rowSet, t *store.Thread) error { return rows.Scan(threadFields(t)...) }

// selectThread names no activity, although it reads it: cache.touch sets it in the kept result.
var selectThread = read(onThreadRows, "SELECT "+threadColumns("")+" FROM threads WHERE id = ? AND org_id = ?")

func (r reader) Thread(ctx context.Context, org, id string) (*store.Thread, error) {
	return threads.one(ctx, r, selectThread, id, org)
}

// touchThread changes nothing of a thread but its last activity.
var touchThread = update(onActivity, "UPDATE threads SET last_activity_at = ? WHERE id = ? AND last_activity_at < ?")

// activityColumn is the place of last_activity_at in threadColumns. A column that is inserted
// before it moves it.
const activityColumn = 15

var threadRows scanner[store.ThreadRow] = func(rows rowSet, t *store.ThreadRow) error {
	return rows.Scan(append(threadFields(&t.Thread), &t.ParticipantCount, &t.IsParticipant)...)
}

func (r reader) Threads(ctx context.Context, q store.ThreadQuery) ([]store.ThreadRow, error) {
	const joined = "EXISTS (SELECT 1 FROM thread_participants p WHERE p.thread_id = t.id AND p.bot_id = ?)"
	from := " FROM threads t"
	var w where
	w.args = append(w.args, q.BotID) // of is_participant
	switch q.Scope {
	case store.ThreadsJoined:
		from = " FROM thread_participants k JOIN threads t ON t.id = k.thread_id"
		w.and("k.bot_id = ?", q.BotID)
	case store.ThreadsDiscovered:
		w.and("(t.visibility = 'public' OR "+joined+")", q.BotID)
	case store.ThreadsAll:
	}
	w.and("t.org_id = ?", q.OrgID)
	if q.Status != "" {
		w.and("t.status = ?", q.Status)
	}
	if q.Search != "" {
		w.and(r.d.contains("t.topic"), fold(q.Search))
	}
	if q.Before != nil {
		w.and("(t.last_activity_at, t.id) < (?, ?)", q.Before.At, q.Before.ID)
	}
	return threadRows.listed(long(ctx), r, listing{
		columns: threadColumns("t.") + ", (SELECT count(*) FROM thread_participants n WHERE n.thread_id = t.id) AS participants, " +
			joined + " AS joined",
		long: "t.context, t.permission_policy, t.tags", from: from + w.text.String(),
		order: "t.last_activity_at DESC, t.id DESC", limit: q.Limit, offset: q.Offset,
		key: "t.id", rejoin: "threads t ON t.id = k.key",
	}, w.args...)
}

func (t *tx) CreateThread(ctx context.Context, th *store.Thread, participants []store.Participant) error {
	if err := put(ctx, t.reader, "threads", th); err != nil {
		return err
	}
	for i := range participants {
		p := participants[i]
		p.ThreadID = th.ID
		if err := t.AddParticipant(ctx, &p); err != nil {
			return err
		}
		participants[i] = p
	}
	return nil
}

var updateThread = update(onThreads, `UPDATE threads SET topic = ?, status = ?, context = ?, close_reason = ?, permission_policy = ?,
		visibility = ?, join_policy = ?, revision = ?, updated_at = ?, last_activity_at = ?, resolved_at = ?
		WHERE id = ? AND revision = ?`)

func (t *tx) UpdateThread(ctx context.Context, th *store.Thread, was int64) error {
	n, err := t.c.execNow(ctx, updateThread,
		th.Topic, th.Status, th.Context, th.CloseReason, th.PermissionPolicy, th.Visibility, th.JoinPolicy, th.Revision,
		th.UpdatedAt, th.LastActivityAt, th.ResolvedAt, th.ID, was)
	if err == nil && n == 0 {
		return t.fail(store.ErrStale)
	}
	return err
}

func (t *tx) TouchThread(ctx context.Context, id string, at int64) error {
	return t.c.exec(ctx, touchThread, at, id, at)
}
