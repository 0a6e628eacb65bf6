package sqlstore

import (
	"context"
	"slices"

	"github.com/b2b-protocol/b2b/server/store"
)

const selectThreadMessages = `SELECT m.id, m.sender_id, m.content, m.content_type, m.parts, m.metadata, m.mentions,
	m.mention_all, m.reply_to_id, m.created_at FROM thread_messages m`

var threadMessages scanner[store.ThreadMessageRow] = func(rows cursor, m *store.ThreadMessageRow) error {
	return rows.Scan(&m.ID, text{&m.SenderID}, &m.Content, &m.ContentType, text{&m.Parts}, text{&m.Metadata},
		text{&m.Mentions}, &m.MentionAll, text{&m.ReplyToID}, &m.CreatedAt)
}

// threadMessagesOf reads messages of a thread, then once for all of them the messages they
// answer and the names of the senders. What was deleted becomes null here: the
// columns keep its ids.
func (r reader) threadMessagesOf(ctx context.Context, thread, q string, args ...any) ([]store.ThreadMessageRow, error) {
	page, err := threadMessages.list(ctx, r, q, args...)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	var senders, parents idSet
	for i := range page {
		if id := page[i].SenderID; id != nil {
			senders.add(*id)
		}
		if id := page[i].ReplyToID; id != nil {
			parents.add(*id)
		}
	}
	replied, err := r.replied(ctx, parents, &senders)
	if err != nil {
		return nil, err
	}
	names, err := r.names(ctx, senders)
	if err != nil {
		return nil, err
	}
	for i := range page {
		m := &page[i]
		m.ThreadID = thread
		m.SenderID, m.SenderName = author(names, m.SenderID)
		if m.ReplyToID == nil {
			continue
		}
		if parent, ok := replied[*m.ReplyToID]; ok {
			parent.SenderID, parent.SenderName = author(names, parent.SenderID)
			m.ReplyTo = &parent
		} else {
			m.ReplyToID = nil
		}
	}
	return page, nil
}

// author gives the id and name of a sender, or nothing when it is gone.
func author(names map[string]*string, id *string) (*string, *string) {
	if id == nil || names[*id] == nil {
		return nil, nil
	}
	return id, names[*id]
}

// replied reads the messages that others answer and adds their senders.
func (r reader) replied(ctx context.Context, ids idSet, senders *idSet) (map[string]store.RepliedMessage, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	out := make(map[string]store.RepliedMessage, len(ids))
	return out, each(ctx, r, func(rows cursor) error {
		var p store.RepliedMessage
		if err := rows.Scan(&p.ID, &p.SenderID, &p.Content, &p.CreatedAt); err != nil {
			return err
		}
		if p.SenderID != nil {
			senders.add(*p.SenderID)
		}
		out[p.ID] = p
		return nil
	}, "SELECT id, sender_id, content, created_at FROM thread_messages WHERE "+r.d.anyOf("id"), arg)
}

func (r reader) ThreadMessage(ctx context.Context, thread, id string) (*store.ThreadMessageRow, error) {
	rows, err := r.threadMessagesOf(ctx, thread, selectThreadMessages+" WHERE m.id = ? AND m.thread_id = ?", id, thread)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, store.ErrNotFound
	}
	return &rows[0], nil
}

func (r reader) ThreadMessages(ctx context.Context, thread string, g store.MessageRange) ([]store.ThreadMessageRow, error) {
	var w where
	w.and("m.thread_id = ?", thread)
	within(&w, g)
	out, err := r.threadMessagesOf(ctx, thread, selectThreadMessages+w.text.String()+newestFirst, append(w.args, max(g.Limit, 0))...)
	slices.Reverse(out)
	return out, err
}

func (r reader) ThreadHistory(ctx context.Context, thread, beforeID string, limit int) ([]store.ThreadMessageRow, error) {
	var w where
	w.and("m.thread_id = ?", thread)
	if err := r.below(ctx, &w, "thread_messages WHERE thread_id = ?", thread, beforeID); err != nil {
		return nil, err
	}
	return r.threadMessagesOf(ctx, thread, selectThreadMessages+w.text.String()+newestFirst, append(w.args, max(limit, 0))...)
}

func (r reader) SearchMessages(ctx context.Context, org, text string, limit int) ([]store.MessageHit, error) {
	return scanner[store.MessageHit](func(rows cursor, h *store.MessageHit) error {
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
