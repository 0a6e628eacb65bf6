package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/b2b-protocol/b2b/server/store"
)

var channelMessages scanner[store.ChannelMessageRow] = func(rows *sql.Rows, m *store.ChannelMessageRow) error {
	return rows.Scan(&m.ID, &m.ChannelID, &m.SenderID, &m.Content, &m.ContentType, &m.Parts, &m.CreatedAt, &m.SenderName)
}

const selectChannelMessages = `SELECT m.id, m.channel_id, m.sender_id, m.content, m.content_type, m.parts, m.created_at, b.name
	FROM channel_messages m LEFT JOIN bots b ON b.id = m.sender_id`

const newestFirst = " ORDER BY m.created_at DESC, m.id DESC LIMIT ?"

// within adds the bounds of a range of messages.
func within(w *where, g store.MessageRange) {
	if g.Before != nil {
		w.and("m.created_at < ?", *g.Before)
	}
	if g.Since != nil {
		w.and("m.created_at > ?", *g.Since)
	}
}

func (r reader) ChannelMessages(ctx context.Context, channel string, g store.MessageRange) ([]store.ChannelMessageRow, error) {
	var w where
	w.and("m.channel_id = ?", channel)
	within(&w, g)
	out, err := channelMessages.list(ctx, r, selectChannelMessages+w.text.String()+newestFirst, append(w.args, max(g.Limit, 0))...)
	slices.Reverse(out)
	return out, err
}

func (r reader) ChannelHistory(ctx context.Context, channel, beforeID string, limit int) ([]store.ChannelMessageRow, error) {
	var w where
	w.and("m.channel_id = ?", channel)
	if err := r.below(ctx, &w, "channel_messages", beforeID); err != nil {
		return nil, err
	}
	return channelMessages.list(ctx, r, selectChannelMessages+w.text.String()+newestFirst, append(w.args, max(limit, 0))...)
}

// below adds the bound of a page that comes after the message beforeID.
func (r reader) below(ctx context.Context, w *where, table, beforeID string) error {
	if beforeID == "" {
		return nil
	}
	return each(ctx, r, func(rows *sql.Rows) error {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return err
		}
		w.and("(m.created_at, m.id) < (?, ?)", at, beforeID)
		return nil
	}, "SELECT created_at FROM "+table+" WHERE id = ?", beforeID)
}

func (r reader) Inbox(ctx context.Context, bot string, since int64, limit int) ([]store.ChannelMessageRow, error) {
	return scanner[store.ChannelMessageRow](func(rows *sql.Rows, m *store.ChannelMessageRow) error {
		return rows.Scan(&m.ID, &m.ChannelID, &m.SenderID, &m.Content, &m.ContentType, &m.Parts, &m.CreatedAt, &m.SenderName, &m.ChannelName)
	}).list(long(ctx), r, `SELECT m.id, m.channel_id, m.sender_id, m.content, m.content_type, m.parts, m.created_at, b.name, c.name
		FROM channel_members k JOIN channels c ON c.id = k.channel_id JOIN channel_messages m ON m.channel_id = c.id
		LEFT JOIN bots b ON b.id = m.sender_id
		WHERE k.bot_id = ? AND m.created_at > ? AND m.sender_id <> ? ORDER BY m.created_at, m.id LIMIT ?`,
		bot, since, bot, max(limit, 0))
}

func (t *tx) InsertChannelMessage(ctx context.Context, m *store.ChannelMessage) error {
	return t.c.exec(ctx, `INSERT INTO channel_messages (id, channel_id, sender_id, content, content_type, parts, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, m.ID, m.ChannelID, m.SenderID, m.Content, m.ContentType, m.Parts, m.CreatedAt)
}
