package sqlstore

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
)

var channels scanner[store.Channel] = func(rows rowSet, c *store.Channel) error {
	return rows.Scan(&c.ID, &c.OrgID, &c.Type, &c.Name, &c.CreatedAt)
}

// pair returns the key of an unordered pair of bots.
func pair(a, b string) string {
	if a > b {
		a, b = b, a
	}
	return a + "|" + b
}

var selectChannel = read(onChannels, "SELECT id, org_id, type, name, created_at FROM channels WHERE id = ?")

func (r reader) Channel(ctx context.Context, id string) (*store.Channel, error) {
	return channels.one(ctx, r, selectChannel, id)
}

var selectDirectChannel = read(onChannels, "SELECT id, org_id, type, name, created_at FROM channels WHERE org_id = ? AND pair = ?")

func (r reader) DirectChannelOf(ctx context.Context, org, botA, botB string) (*store.Channel, error) {
	return channels.one(ctx, r, selectDirectChannel, org, pair(botA, botB))
}

var members scanner[store.ChannelMember] = func(rows rowSet, m *store.ChannelMember) error {
	return rows.Scan(&m.ChannelID, &m.BotID, &m.Name, &m.Online, &m.JoinedAt, &m.JoinedSeq)
}

const selectMembers = `SELECT m.channel_id, m.bot_id, b.name, b.online, m.joined_at, m.joined_seq
	FROM channel_members m JOIN bots b ON b.id = m.bot_id`

var selectChannelMembers = read(onBots|onChannelMembers, selectMembers+" WHERE m.channel_id = ? ORDER BY m.joined_at, m.bot_id")

func (r reader) ChannelMembers(ctx context.Context, channel string) ([]store.ChannelMember, error) {
	return members.list(ctx, r, selectChannelMembers, channel)
}

var selectChannelMember = read(onChannelMembers, "SELECT 1 FROM channel_members WHERE channel_id = ? AND bot_id = ?")

func (r reader) IsChannelMember(ctx context.Context, channel, bot string) (bool, error) {
	n, err := value[int64](ctx, r, selectChannelMember, channel, bot)
	return n == 1, err
}

// activity is the time of the newest message of channel c, or of its creation.
const activity = "coalesce((SELECT max(created_at) FROM channel_messages x WHERE x.channel_id = c.id), c.created_at)"

// channelsOf lists the channels of a bot, newest activity first.
var channelsOf = readBetween(onChannels|onChannelMembers|onChannelMessages,
	"SELECT id, org_id, type, name, created_at, at FROM (SELECT c.id, c.org_id, c.type, c.name, c.created_at, "+activity+
		" AS at FROM channel_members m JOIN channels c ON c.id = m.channel_id WHERE m.bot_id = ?) a",
	" ORDER BY at DESC, id DESC LIMIT ? + 0", "", "(at, id) < (?, ?)")

var channelActivities scanner[store.ChannelActivity] = func(rows rowSet, c *store.ChannelActivity) error {
	return rows.Scan(&c.ID, &c.OrgID, &c.Type, &c.Name, &c.CreatedAt, &c.LastActivityAt)
}

func (r reader) channelPage(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.ChannelActivity, error) {
	return channelActivities.paged(ctx, r, channelsOf.choose(bot).page(before), limit)
}

var selectMembersOfChannels = read(onBots|onChannelMembers, selectMembers+" WHERE "+anyOf("m.channel_id")+" ORDER BY m.joined_at, m.bot_id")

func (r reader) ChannelsOf(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.ChannelActivity, error) {
	page, err := r.channelPage(ctx, bot, before, limit)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	at := make(map[string]int, len(page))
	ids := make([]string, len(page))
	for i, c := range page {
		at[c.ID], ids[i] = i, c.ID
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	all, err := members.list(ctx, r, selectMembersOfChannels, arg)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		c := &page[at[m.ChannelID]]
		c.Members = append(c.Members, m)
	}
	return page, nil
}

var selectCounterparts = read(onBots|onChannelMembers, `SELECT m.channel_id, b.id, b.name, b.online, b.bio, b.role FROM channel_members m JOIN bots b ON b.id = m.bot_id
			WHERE `+anyOf("m.channel_id")+" AND m.bot_id <> ? ORDER BY m.joined_at DESC, m.bot_id DESC")

func (r reader) DirectChannelsOf(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.DirectChannel, error) {
	page, err := r.channelPage(ctx, bot, before, limit)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	out := make([]store.DirectChannel, len(page))
	ids, at := make([]string, len(page)), make(map[string]*store.DirectChannel, len(page))
	for i, c := range page {
		out[i].Channel, out[i].LastActivityAt = c.Channel, c.LastActivityAt
		ids[i], at[c.ID] = c.ID, &out[i]
	}
	arg, err := jsonList(ids)
	if err != nil {
		return nil, err
	}
	err = each(ctx, r, func(rows rowSet) error {
		var channel string
		var o store.Counterpart
		err := rows.Scan(&channel, &o.ID, &o.Name, &o.Online, &o.Bio, &o.Role)
		if err == nil {
			at[channel].Counterpart = &o // the first member of several is the last row
		}
		return err
	}, selectCounterparts, arg, bot)
	if err != nil {
		return nil, err
	}
	last, err := r.lastMessages(ctx, arg)
	for i := range last {
		at[last[i].ChannelID].LastMessage = &last[i]
	}
	return out, err
}

// selectLastMessages reads the newest message of each channel. Its arguments are the length to which
// it cuts texts, and the channels, a JSON array.
var selectLastMessages = read(onChannelMessages, `SELECT m.channel_id, m.id, m.sender_id, substr(m.content, 1, ? + 0), m.content_type, m.created_at
	FROM json_each(?) c CROSS JOIN channel_messages m
	WHERE m.id = (SELECT x.id FROM channel_messages x WHERE x.channel_id = c.value ORDER BY x.created_at DESC, x.id DESC LIMIT 1)`).
	inPostgres(`SELECT m.channel_id, m.id, m.sender_id, substr(m.content, 1, ? + 0), m.content_type, m.created_at
	FROM json_array_elements_text(?::json) c(id) CROSS JOIN LATERAL
		(SELECT * FROM channel_messages x WHERE x.channel_id = c.id ORDER BY x.created_at DESC, x.id DESC LIMIT 1) m`)

// lastMessages returns the newest message of each of some channels, cut to the length of a preview.
func (r reader) lastMessages(ctx context.Context, channels string) ([]store.ChannelMessageRow, error) {
	last, err := scanner[store.ChannelMessageRow](func(rows rowSet, m *store.ChannelMessageRow) error {
		return rows.Scan(&m.ChannelID, &m.ID, &m.SenderID, &m.Content, &m.ContentType, &m.CreatedAt)
	}).list(ctx, r, selectLastMessages, limits.MaxPreview+1, channels)
	if err != nil {
		return nil, err
	}
	return last, r.nameSenders(ctx, last)
}

var createChannel = insert(onChannels, "INSERT INTO channels (id, org_id, type, name, pair, created_at) VALUES (?, ?, ?, ?, ?, ?)")

var createChannelMember = insert(onChannelMembers, "INSERT INTO channel_members (channel_id, bot_id, joined_at, joined_seq) VALUES (?, ?, ?, ?)")

func (t *tx) CreateChannel(ctx context.Context, c *store.Channel, botA, botB string) error {
	seq, err := t.nextSeq(ctx)
	if err != nil {
		return err
	}
	_, err = t.c.execNow(ctx, createChannel,
		c.ID, c.OrgID, c.Type, c.Name, pair(botA, botB), c.CreatedAt)
	if err != nil {
		return err
	}
	for _, bot := range []string{botA, botB} {
		err := t.c.exec(ctx, createChannelMember,
			c.ID, bot, c.CreatedAt, seq)
		if err != nil {
			return err
		}
	}
	return nil
}
