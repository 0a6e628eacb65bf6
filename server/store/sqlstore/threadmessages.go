package sqlstore

import (
	"context"
	"maps"
	"slices"

	"github.com/b2b-protocol/b2b/server/store"
)

const threadMessageColumns = `m.id, m.sender_id, m.content, m.content_type, m.parts, m.metadata, m.mentions,
	m.mention_all, m.reply_to_id, m.created_at`

var threadMessages scanner[store.ThreadMessageRow] = func(rows cursor, m *store.ThreadMessageRow) error {
	return rows.Scan(&m.ID, text{&m.SenderID}, &m.Content, &m.ContentType, text{&m.Parts}, text{&m.Metadata},
		text{&m.Mentions}, &m.MentionAll, text{&m.ReplyToID}, &m.CreatedAt)
}

// threadMessagesOf reads messages of a thread, then once for all of them the messages they
// answer and the names of the senders. What was deleted becomes null here: the
// columns keep its ids.
func (r reader) threadMessagesOf(ctx context.Context, thread string, w *where, limit int) ([]store.ThreadMessageRow, error) {
	page, err := threadMessages.listed(ctx, r, listing{
		columns: threadMessageColumns, long: "m.content, m.parts, m.metadata, m.mentions",
		from: " FROM thread_messages m" + w.text.String(), order: byAge, limit: limit,
	}, w.args...)
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
	replied, whole, err := r.replied(ctx, parents, &senders)
	if err != nil {
		return nil, err
	}
	if !whole {
		if page, err = r.repliedInTurn(ctx, page, replied, &senders); err != nil {
			return nil, err
		}
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

// replied reads the messages that others answer and adds their senders. Up to the bound
// of lists: whole reports that it was not passed.
func (r reader) replied(ctx context.Context, ids idSet, senders *idSet) (out map[string]store.RepliedMessage, whole bool, err error) {
	if len(ids) == 0 {
		return nil, true, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, false, err
	}
	out = make(map[string]store.RepliedMessage, len(ids))
	rows, err := scanner[store.RepliedMessage](func(rows cursor, p *store.RepliedMessage) error {
		return rows.Scan(&p.ID, &p.SenderID, &p.Content, &p.CreatedAt)
	}).listed(ctx, r, listing{
		columns: "m.id, m.sender_id, m.content, m.created_at", long: "m.content",
		from: " FROM thread_messages m WHERE " + r.d.anyOf("m.id"), order: "m.id", limit: len(ids),
		key: "m.id", rejoin: "thread_messages m ON m.id = k.key",
	}, arg)
	bytes := 0
	for _, p := range rows {
		if p.SenderID != nil {
			senders.add(*p.SenderID)
		}
		out[p.ID] = p
		bytes += len(p.Content)
	}
	return out, bytes <= store.PageBytes-repliedRest, err
}

// repliedRest is more than the other columns of messages that are answered can have:
// their content alone decides whether all of them were read.
const repliedRest = 256 << 10

// repliedInTurn reads the messages that those of a page answer one by one, where they are
// too long together: the page ends with the message whose own takes them past the bound.
func (r reader) repliedInTurn(ctx context.Context, page []store.ThreadMessageRow, replied map[string]store.RepliedMessage, senders *idSet) ([]store.ThreadMessageRow, error) {
	clear(replied)
	bytes := 0
	for i := range page {
		id := page[i].ReplyToID
		if id == nil {
			continue
		}
		if _, there := replied[*id]; !there {
			one, _, err := r.replied(ctx, idSet{*id}, senders)
			if err != nil {
				return nil, err
			}
			maps.Copy(replied, one)
		}
		if bytes += len(replied[*id].Content); bytes > store.PageBytes {
			return page[:i+1], nil
		}
	}
	return page, nil
}

func (r reader) ThreadMessage(ctx context.Context, thread, id string) (*store.ThreadMessageRow, error) {
	var w where
	w.and("m.id = ?", id)
	w.and("m.thread_id = ?", thread)
	rows, err := r.threadMessagesOf(ctx, thread, &w, 1)
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
	out, err := r.threadMessagesOf(ctx, thread, &w, g.Limit)
	slices.Reverse(out)
	return out, err
}

func (r reader) ThreadHistory(ctx context.Context, thread, beforeID string, limit int) ([]store.ThreadMessageRow, error) {
	var w where
	w.and("m.thread_id = ?", thread)
	if err := r.below(ctx, &w, "thread_messages WHERE thread_id = ?", thread, beforeID); err != nil {
		return nil, err
	}
	return r.threadMessagesOf(ctx, thread, &w, limit)
}

func (r reader) SearchMessages(ctx context.Context, org, text string, after *store.TimeCursor, limit int) ([]store.MessageHit, error) {
	var w where
	w.and("t.org_id = ?", org)
	w.and(r.d.contains("m.content"), fold(text))
	if after != nil {
		w.and("(m.created_at, m.id) < (?, ?)", after.At, after.ID)
	}
	return scanner[store.MessageHit](func(rows cursor, h *store.MessageHit) error {
		return rows.Scan(&h.MessageID, &h.ThreadID, &h.ThreadTopic, &h.SenderName, &h.Content, &h.CreatedAt)
	}).listed(long(ctx), r, listing{
		columns: "m.id, m.thread_id, t.topic, b.name, m.content, m.created_at", long: "m.content",
		from:  " FROM threads t JOIN thread_messages m ON m.thread_id = t.id LEFT JOIN bots b ON b.id = m.sender_id" + w.text.String(),
		order: byAge, limit: limit,
	}, w.args...)
}

func (t *tx) InsertThreadMessage(ctx context.Context, m *store.ThreadMessage) error {
	return t.c.exec(ctx, `INSERT INTO thread_messages (id, thread_id, sender_id, content, content_type, parts, metadata, mentions,
		mention_all, reply_to_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.ThreadID, m.SenderID, m.Content, m.ContentType, m.Parts, m.Metadata, m.Mentions, m.MentionAll, m.ReplyToID, m.CreatedAt)
}
