package sqlstore

import (
	"context"
	"maps"
	"slices"

	"github.com/b2b-protocol/b2b/internal/store"
)

const threadMessageColumns = `m.id, m.sender_id, m.content, m.content_type, m.parts, m.metadata, m.mentions,
	m.mention_all, m.reply_to_id, m.created_at, m.automatic, m.no_reply`

var threadMessages scanner[store.ThreadMessageRow] = func(rows rowSet, m *store.ThreadMessageRow) error {
	return rows.Scan(&m.ID, text{&m.SenderID}, content{&m.Content}, &m.ContentType, parts{text{&m.Parts}}, text{&m.Metadata},
		text{&m.Mentions}, &m.MentionAll, text{&m.ReplyToID}, &m.CreatedAt, &m.Automatic, &m.NoReply)
}

// messagesOfThread lists messages of a thread, the newest first.
var messagesOfThread = threadMessagesBy("m.thread_id = ?", ranges...)

func threadMessagesBy(given string, may ...string) *family {
	return listing{
		columns: threadMessageColumns, long: "m.content, m.parts, m.metadata, m.mentions", message: true,
		from: " FROM thread_messages m", order: byAge,
	}.of(onThreadMessages, given, may...)
}

// threadMessagesOf returns messages of a thread. It reads the messages that they reply to, and
// the names of the senders, with one query each. References to deleted bots and messages become
// nil here; the columns keep their ids.
func (r reader) threadMessagesOf(ctx context.Context, thread string, c *choice, limit int) ([]store.ThreadMessageRow, error) {
	page, err := threadMessages.listed(ctx, r, c, limit, 0)
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

// author returns the id and name of a sender, or nil when it is deleted.
func author(names map[string]*string, id *string) (*string, *string) {
	if id == nil || names[*id] == nil {
		return nil, nil
	}
	return id, names[*id]
}

var repliedMessages scanner[store.RepliedMessage] = func(rows rowSet, p *store.RepliedMessage) error {
	return rows.Scan(&p.ID, &p.SenderID, &p.Content, &p.CreatedAt)
}

var messagesByID = listing{
	columns: "m.id, m.sender_id, m.content, m.created_at", long: "m.content", from: " FROM thread_messages m", order: "m.id",
	key: "m.id", rejoin: "thread_messages m ON m.id = k.key",
}.of(onThreadMessages, anyOf("m.id"))

// replied returns the replied messages with these ids, up to the bound of lists, and adds
// their senders to senders. whole reports that the bound was not reached.
func (r reader) replied(ctx context.Context, ids idSet, senders *idSet) (out map[string]store.RepliedMessage, whole bool, err error) {
	if len(ids) == 0 {
		return nil, true, nil
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, false, err
	}
	out = make(map[string]store.RepliedMessage, len(ids))
	rows, err := repliedMessages.listed(ctx, r, messagesByID.choose(arg), len(ids), 0)
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

// repliedRest exceeds the bytes of all columns of the replied messages other than content, so
// that the content alone decides whether the bound was reached.
const repliedRest = 256 << 10

// repliedInTurn reads the replied messages of a page one by one, for pages on which they
// exceed the bound together. The page then ends with the message at which they exceed it.
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

var messageOfThread = threadMessagesBy("m.id = ? AND m.thread_id = ?")

func (r reader) ThreadMessage(ctx context.Context, thread, id string) (*store.ThreadMessageRow, error) {
	rows, err := r.threadMessagesOf(ctx, thread, messageOfThread.choose(id, thread), 1)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, store.ErrNotFound
	}
	return &rows[0], nil
}

func (r reader) ThreadMessages(ctx context.Context, thread string, g store.MessageRange) ([]store.ThreadMessageRow, error) {
	out, err := r.threadMessagesOf(ctx, thread, messagesOfThread.choose(thread).within(g), g.Limit)
	slices.Reverse(out)
	return out, err
}

var selectThreadMessageTime = read(onThreadMessages, "SELECT created_at FROM thread_messages WHERE thread_id = ? AND id = ?")

func (r reader) ThreadHistory(ctx context.Context, thread, beforeID string, limit int) ([]store.ThreadMessageRow, error) {
	c := messagesOfThread.choose(thread)
	if err := r.below(ctx, c, selectThreadMessageTime, thread, beforeID); err != nil {
		return nil, err
	}
	return r.threadMessagesOf(ctx, thread, c, limit)
}

var foundMessages = listing{
	columns: "m.id AS message_id, m.thread_id, t.topic AS thread_topic, b.name AS sender_name, m.content, m.created_at", long: "m.content",
	from:  " FROM threads t JOIN thread_messages m ON m.thread_id = t.id LEFT JOIN bots b ON b.id = m.sender_id",
	order: byAge,
}.of(onBots|onThreads|onThreadMessages, "t.org_id = ? AND "+contains("m.content"), "(m.created_at, m.id) < (?, ?)")

func (r reader) SearchMessages(ctx context.Context, org, text string, after *store.PageKey, limit int) ([]store.MessageHit, error) {
	return listed[store.MessageHit](long(ctx), r, foundMessages.choose(org, fold(text)).page(after), limit)
}

var insertThreadMessage = insert(onThreadMessages, `INSERT INTO thread_messages (id, thread_id, sender_id, content, content_type, parts, metadata, mentions,
		mention_all, reply_to_id, created_at, event_seq, automatic, no_reply) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)

func (t *tx) InsertThreadMessage(ctx context.Context, m *store.ThreadMessage) error {
	return t.c.exec(ctx, insertThreadMessage,
		m.ID, m.ThreadID, m.SenderID, m.Content, m.ContentType, m.Parts, m.Metadata, m.Mentions, m.MentionAll, m.ReplyToID, m.CreatedAt, m.EventSeq,
		m.Automatic, m.NoReply)
}
