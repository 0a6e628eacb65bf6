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

var selectCounterpart = read(onBots|onChannelMembers, `SELECT b.id, b.name, b.online, b.bio, b.role FROM channel_members m JOIN bots b ON b.id = m.bot_id
			WHERE m.channel_id = ? AND m.bot_id <> ? ORDER BY m.joined_at, m.bot_id LIMIT 1`)

func (r reader) DirectChannelsOf(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.DirectChannel, error) {
	page, err := r.channelPage(ctx, bot, before, limit)
	if err != nil {
		return nil, err
	}
	out := make([]store.DirectChannel, len(page))
	for i, c := range page {
		d := &out[i]
		d.Channel, d.LastActivityAt = c.Channel, c.LastActivityAt
		others, err := scanner[store.Counterpart](func(rows rowSet, o *store.Counterpart) error {
			return rows.Scan(&o.ID, &o.Name, &o.Online, &o.Bio, &o.Role)
		}).list(ctx, r, selectCounterpart, c.ID, bot)
		if err != nil {
			return nil, err
		}
		if len(others) > 0 {
			d.Counterpart = &others[0]
		}
		last, err := r.lastMessage(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		if len(last) > 0 {
			d.LastMessage = &last[0]
		}
	}
	return out, nil
}

var selectLastMessage = read(onChannelMessages, "SELECT m.id, m.sender_id, substr(m.content, 1, ? + 0), m.content_type, NULL, m.created_at "+
	"FROM channel_messages m WHERE m.channel_id = ?"+newestFirst)

// lastMessage returns the newest message of a channel, cut to the length of a preview.
func (r reader) lastMessage(ctx context.Context, channel string) ([]store.ChannelMessageRow, error) {
	last, err := channelMessages.list(ctx, r, selectLastMessage, limits.MaxPreview+1, channel, 1)
	if err != nil {
		return nil, err
	}
	return last, r.nameSenders(ctx, channel, last)
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
