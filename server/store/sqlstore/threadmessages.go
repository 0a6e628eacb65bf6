package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/b2b-protocol/b2b/server/store"
)

// Deleted senders and parents are null: the ids come from the joined rows.
const selectThreadMessages = `SELECT m.id, m.thread_id, b.id, b.name, m.content, m.content_type, m.parts, m.metadata, m.mentions,
	m.mention_all, m.created_at, p.id, p.content, p.created_at, pb.id, pb.name
	FROM thread_messages m LEFT JOIN bots b ON b.id = m.sender_id
	LEFT JOIN thread_messages p ON p.id = m.reply_to_id LEFT JOIN bots pb ON pb.id = p.sender_id`

var threadMessages scanner[store.ThreadMessageRow] = func(rows *sql.Rows, m *store.ThreadMessageRow) error {
	var content *string
	var at *int64
	var parent store.RepliedMessage
	err := rows.Scan(&m.ID, &m.ThreadID, &m.SenderID, &m.SenderName, &m.Content, &m.ContentType, &m.Parts, &m.Metadata, &m.Mentions,
		&m.MentionAll, &m.CreatedAt, &m.ReplyToID, &content, &at, &parent.SenderID, &parent.SenderName)
	if err != nil || m.ReplyToID == nil {
		return err
	}
	parent.ID, parent.Content, parent.CreatedAt = *m.ReplyToID, *content, *at
	m.ReplyTo = &parent
	return nil
}

func (r reader) ThreadMessage(ctx context.Context, thread, id string) (*store.ThreadMessageRow, error) {
	return threadMessages.one(ctx, r, selectThreadMessages+" WHERE m.id = ? AND m.thread_id = ?", id, thread)
}

func (r reader) ThreadMessages(ctx context.Context, thread string, g store.MessageRange) ([]store.ThreadMessageRow, error) {
	var w where
	w.and("m.thread_id = ?", thread)
	within(&w, g)
	out, err := threadMessages.list(ctx, r, selectThreadMessages+w.text.String()+newestFirst, append(w.args, max(g.Limit, 0))...)
	slices.Reverse(out)
	return out, err
}

func (r reader) ThreadHistory(ctx context.Context, thread, beforeID string, limit int) ([]store.ThreadMessageRow, error) {
	var w where
	w.and("m.thread_id = ?", thread)
	if err := r.below(ctx, &w, "thread_messages", beforeID); err != nil {
		return nil, err
	}
	return threadMessages.list(ctx, r, selectThreadMessages+w.text.String()+newestFirst, append(w.args, max(limit, 0))...)
}

func (r reader) SearchMessages(ctx context.Context, org, text string, limit int) ([]store.MessageHit, error) {
	return scanner[store.MessageHit](func(rows *sql.Rows, h *store.MessageHit) error {
		return rows.Scan(&h.MessageID, &h.ThreadID, &h.ThreadTopic, &h.SenderName, &h.Content, &h.CreatedAt)
	}).list(long(ctx), r, `SELECT m.id, m.thread_id, t.topic, b.name, m.content, m.created_at
		FROM threads t JOIN thread_messages m ON m.thread_id = t.id LEFT JOIN bots b ON b.id = m.sender_id
		WHERE t.org_id = ? AND `+r.d.contains("m.content")+newestFirst, org, fold(text), max(limit, 0))
}

func (t *tx) InsertThreadMessage(ctx context.Context, m *store.ThreadMessage) error {
	return t.c.exec(ctx, `INSERT INTO thread_messages (id, thread_id, sender_id, content, content_type, parts, metadata, mentions,
		mention_all, reply_to_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.ThreadID, m.SenderID, m.Content, m.ContentType, m.Parts, m.Metadata, m.Mentions, m.MentionAll, m.ReplyToID, m.CreatedAt)
}
