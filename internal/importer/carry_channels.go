package importer

import (
	"context"

	"github.com/b2b-protocol/b2b/internal/store"
)

// channels imports all channels. If a pair of bots has several, which HXA-Connect allowed on
// PostgreSQL, later messages go to the oldest.
func (c *carrier) channels(ctx context.Context) error {
	const columns = "id type name created_at"
	const more = `, (SELECT min(m.bot_id) FROM channel_members m JOIN bots b ON b.id = m.bot_id WHERE m.channel_id = t.id) AS bot_a,
		(SELECT max(m.bot_id) FROM channel_members m JOIN bots b ON b.id = m.bot_id WHERE m.channel_id = t.id) AS bot_b`
	pairs := map[[2]string]struct{}{}
	return c.from(ctx, "channels", columns, more, "", "t.created_at, t.id", func(r *row) error {
		if kind := r.textOr("type", store.ChannelDirect); kind != store.ChannelDirect {
			c.skip("channels", r.id(), "group channels exist no more; HXA-Connect 1.3 removes them, too")
			return nil
		}
		ch := store.ImportChannel{Channel: store.Channel{
			ID: r.text("id"), OrgID: c.org, Type: store.ChannelDirect, Name: r.maybe("name"), CreatedAt: r.number("created_at", 0),
		}}
		pair := [2]string{r.text("bot_a"), r.text("bot_b")}
		if _, taken := pairs[pair]; !taken && pair[0] != pair[1] {
			pairs[pair] = struct{}{}
			ch.BotA, ch.BotB = pair[0], pair[1]
		}
		c.rows.Channels = append(c.rows.Channels, ch)
		return c.took(ctx, "channels")
	})
}

const (
	noBot       = "its bot does not exist any more"
	noGroup     = "of a group channel, which exist no more"
	notOfOrg    = "what it belongs to does not exist any more"
	inGroup     = "CASE WHEN p.type = 'direct' THEN 0 ELSE 1 END AS in_group"
	joinBot     = "LEFT JOIN bots b ON b.id = t.bot_id AND b.org_id = p.org_id"
	withBot     = ", b.id AS known_bot"
	firstInLog  = 1 // members may see all of the log
	defaultType = "text"
)

func (c *carrier) members(ctx context.Context) error {
	return c.from(ctx, "channel_members", "channel_id bot_id joined_at", withBot+", "+inGroup, joinBot, "t.channel_id, t.bot_id", func(r *row) error {
		switch {
		case r.flag("in_group"):
			c.skip("channel_members", r.text("channel_id"), noGroup)
			return nil
		case r.value("known_bot") == nil:
			c.skip("channel_members", r.text("channel_id"), noBot)
			return nil
		}
		c.rows.Members = append(c.rows.Members, store.ImportMember{
			ChannelID: r.text("channel_id"), BotID: r.text("bot_id"), JoinedAt: r.number("joined_at", 0), JoinedSeq: firstInLog,
		})
		return c.took(ctx, "channel_members")
	})
}

func (c *carrier) messages(ctx context.Context) error {
	const columns = "id channel_id sender_id content content_type parts created_at"
	return c.from(ctx, "messages", columns, ", "+inGroup, "", "t.channel_id, t.created_at, t.id", func(r *row) error {
		if r.flag("in_group") {
			c.skip("messages", r.id(), noGroup)
			return nil
		}
		c.rows.ChannelMessages = append(c.rows.ChannelMessages, store.ChannelMessage{
			ID: r.text("id"), ChannelID: r.text("channel_id"), SenderID: r.text("sender_id"), Content: r.text("content"),
			ContentType: r.textOr("content_type", defaultType), Parts: r.json("parts", objects), CreatedAt: r.number("created_at", 0),
		})
		return c.took(ctx, "messages")
	})
}
