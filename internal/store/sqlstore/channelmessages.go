package sqlstore

import (
	"context"
	"math"
	"slices"

	"github.com/b2b-protocol/b2b/internal/store"
)

// The names of senders are read once for a page instead of joined to each message, because a
// page has many messages of few senders.
const channelMessageColumns = "m.id, m.sender_id, m.content, m.content_type, m.parts, m.created_at, m.automatic, m.no_reply"

var channelMessages scanner[store.ChannelMessageRow] = func(rows rowSet, m *store.ChannelMessageRow) error {
	return rows.Scan(&m.ID, &m.SenderID, content{&m.Content}, &m.ContentType, parts{text{&m.Parts}}, &m.CreatedAt, &m.Automatic, &m.NoReply)
}

// messagesOfChannel lists messages of a channel, the newest first.
var messagesOfChannel = listing{
	columns: channelMessageColumns, long: "m.content, m.parts", message: true, from: " FROM channel_messages m", order: byAge,
}.of(onChannelMessages, "m.channel_id = ?", ranges...)

// channelMessagesOf reads messages of a channel and names their senders.
func (r reader) channelMessagesOf(ctx context.Context, channel string, c *choice, limit int) ([]store.ChannelMessageRow, error) {
	page, err := channelMessages.listed(ctx, r, c, limit, 0)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	for i := range page {
		page[i].ChannelID = channel
	}
	return page, r.nameSenders(ctx, page)
}

// nameSenders adds the names of senders to messages.
func (r reader) nameSenders(ctx context.Context, page []store.ChannelMessageRow) error {
	var ids idSet
	for i := range page {
		ids.add(page[i].SenderID)
	}
	names, err := r.names(ctx, ids)
	for i := range page {
		page[i].SenderName = names[page[i].SenderID]
	}
	return err
}

// idSet collects different ids in order of appearance.
type idSet []string

func (s *idSet) add(id string) {
	if !slices.Contains(*s, id) {
		*s = append(*s, id)
	}
}

var (
	selectBotName  = read(onBots, "SELECT id, name FROM bots WHERE id = ?")
	selectBotNames = read(onBots, "SELECT id, name FROM bots WHERE "+anyOf("id"))
)

// names returns the names of those of the bots that exist.
func (r reader) names(ctx context.Context, ids idSet) (map[string]*string, error) {
	names := make(map[string]*string, len(ids))
	if len(ids) == 0 {
		return names, nil
	}
	scan := func(rows rowSet) error {
		var id, name string
		err := rows.Scan(&id, &name)
		names[id] = &name
		return err
	}
	if len(ids) == 1 {
		return names, each(ctx, r, scan, selectBotName, ids[0])
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	return names, each(ctx, r, scan, selectBotNames, arg)
}

// byAge orders messages, the newest first.
const (
	byAge       = "m.created_at DESC, m.id DESC"
	newestFirst = " ORDER BY " + byAge + " LIMIT ? + 0"
)

// ranges are the conditions of ranges of messages.
var ranges = []string{
	rangeBefore: "m.created_at < ?",
	rangeSince:  "m.created_at > ?",
	rangeBelow:  "(m.created_at, m.id) < (?, ?)",
}

// The conditions of ranges.
const (
	rangeBefore = iota
	rangeSince
	rangeBelow
)

// within adds the conditions of a range of messages.
func (c *choice) within(g store.MessageRange) *choice {
	if g.Before != nil {
		c.and(rangeBefore, *g.Before)
	}
	if g.Since != nil {
		c.and(rangeSince, *g.Since)
	}
	return c
}

func (r reader) ChannelMessages(ctx context.Context, channel string, g store.MessageRange) ([]store.ChannelMessageRow, error) {
	out, err := r.channelMessagesOf(ctx, channel, messagesOfChannel.choose(channel).within(g), g.Limit)
	slices.Reverse(out)
	return out, err
}

var selectChannelMessageTime = read(onChannelMessages, "SELECT created_at FROM channel_messages WHERE channel_id = ? AND id = ?")

func (r reader) ChannelHistory(ctx context.Context, channel, beforeID string, limit int) ([]store.ChannelMessageRow, error) {
	c := messagesOfChannel.choose(channel)
	if err := r.below(ctx, c, selectChannelMessageTime, channel, beforeID); err != nil {
		return nil, err
	}
	return r.channelMessagesOf(ctx, channel, c, limit)
}

// below adds the bound of a page after the message beforeID. A message of another channel or
// thread is ignored: else the page would reveal whether it exists.
func (r reader) below(ctx context.Context, c *choice, selectTime *statement, owner, beforeID string) error {
	if beforeID == "" {
		return nil
	}
	return each(ctx, r, func(rows rowSet) error {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return err
		}
		c.and(rangeBelow, at, beforeID)
		return nil
	}, selectTime, owner, beforeID)
}

var inboxRows scanner[store.ChannelMessageRow] = func(rows rowSet, m *store.ChannelMessageRow) error {
	return rows.Scan(&m.ID, &m.ChannelID, &m.SenderID, content{&m.Content}, &m.ContentType, parts{text{&m.Parts}}, &m.CreatedAt, &m.SenderName, &m.ChannelName,
		&m.Automatic, &m.NoReply)
}

const inboxNames = " JOIN channels c ON c.id = m.channel_id LEFT JOIN bots b ON b.id = m.sender_id"

// inboxChannels selects the channels of a bot that can have a message of a page: those with the
// earliest first messages of others after a time and an id, as many as the page has messages, and
// upto, a time that no message of the page is after. Its arguments are the bot, the time, the id, and
// the number of messages.
const inboxChannels = ` FROM (WITH
	p AS MATERIALIZED (SELECT CAST(? AS TEXT) AS bot, CAST(? AS BIGINT) AS at, CAST(? AS TEXT) AS id, CAST(? AS BIGINT) AS most),
	f AS MATERIALIZED (SELECT p.bot, p.at, p.id, k.channel_id, (SELECT x.created_at` + inboxOf + `(p.at, p.id) AND x.sender_id <> p.bot` + oldestFirst + ` LIMIT 1) AS first
		FROM p CROSS JOIN channel_members k WHERE k.bot_id = p.bot)
	SELECT k.bot, k.at, k.id, k.channel_id, u.upto FROM f k CROSS JOIN (SELECT coalesce((SELECT first FROM f WHERE first IS NOT NULL
		ORDER BY first LIMIT 1 OFFSET (SELECT most - 1 FROM p)), 9223372036854775807) AS upto) u WHERE k.first <= u.upto) k CROSS JOIN `

const (
	inboxOf     = " FROM channel_messages x WHERE x.channel_id = k.channel_id AND (x.created_at, x.id) > "
	oldestFirst = " ORDER BY x.created_at, x.id"
)

// inbox lists the messages of others in the channels of a bot. Its arguments are those of
// inboxChannels, and the number of messages that are read of one channel.
var inbox = listing{
	columns: "m.id, m.channel_id, m.sender_id, m.content, m.content_type, m.parts, m.created_at, b.name AS sender_name, c.name AS channel_name, m.automatic, m.no_reply",
	long:    "m.content, m.parts", message: true,
	from: inboxChannels + `channel_messages m ON m.channel_id = k.channel_id AND (m.created_at, m.id) > (k.at, k.id) AND m.sender_id <> k.bot
		AND m.created_at <= min(k.upto, coalesce((SELECT x.created_at` + inboxOf + `(k.at, k.id) AND x.sender_id <> k.bot` + oldestFirst + ` LIMIT 1 OFFSET ? - 1), k.upto))` + inboxNames,
	fromPostgres: inboxChannels + `LATERAL (SELECT x.*` + inboxOf + `(k.at, k.id) AND x.sender_id <> k.bot AND x.created_at <= k.upto` + oldestFirst + ` LIMIT ? + 0) m` + inboxNames,
	order:        "m.created_at, m.id",
	key:          "m.id", rejoin: "channel_messages m ON m.id = k.key" + inboxNames,
}.of(onBots|onChannels|onChannelMembers|onChannelMessages, "")

// Inbox reads few messages of each channel, however many there are.
func (r reader) Inbox(ctx context.Context, bot string, since int64, after *store.PageKey, limit int) ([]store.ChannelMessageRow, error) {
	if limit <= 0 || since == math.MaxInt64 {
		return nil, nil
	}
	from := store.PageKey{At: since + 1}
	if after != nil && after.At > since {
		from = *after
	}
	return inboxRows.listed(long(ctx), r, inbox.choose(bot, from.At, from.ID, limit, limit), limit, 0)
}

var insertChannelMessage = insert(onChannelMessages, `INSERT INTO channel_messages (id, channel_id, sender_id, content, content_type, parts, created_at, event_seq,
		automatic, no_reply) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)

func (t *tx) InsertChannelMessage(ctx context.Context, m *store.ChannelMessage) error {
	return t.c.exec(ctx, insertChannelMessage, m.ID, m.ChannelID, m.SenderID, m.Content, m.ContentType, m.Parts, m.CreatedAt, m.EventSeq,
		m.Automatic, m.NoReply)
}
