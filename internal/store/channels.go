package store

import "context"

// ChannelDirect is the only channel type.
const ChannelDirect = "direct"

// Channel has the direct messages of two bots. Deleted bots are no members, so it may have one
// member or none.
type Channel struct {
	ID        string  `bun:"id,pk"`
	OrgID     string  `bun:"org_id"`
	Type      string  `bun:"type"`
	Name      *string `bun:"name"`
	CreatedAt int64   `bun:"created_at"`
}

// ChannelMember is a member with what is shown of it. JoinedSeq is the first seq of
// the log that it may see of the channel.
type ChannelMember struct {
	ChannelID string `bun:"channel_id"`
	BotID     string `bun:"bot_id"`
	Name      string `bun:"name"`
	Online    bool   `bun:"online"`
	JoinedAt  int64  `bun:"joined_at"`
	JoinedSeq int64  `bun:"joined_seq"`
}

// ChannelActivity is a channel with its members (by joined_at, id) and the time of
// its newest message, or of its creation.
type ChannelActivity struct {
	Channel
	LastActivityAt int64
	Members        []ChannelMember
}

// DirectChannel is a channel in a bot's workspace, with the other bot (nil when deleted) and
// the newest message (nil when none).
type DirectChannel struct {
	Channel
	LastActivityAt int64
	Counterpart    *Counterpart
	LastMessage    *ChannelMessageRow // content cut to the length of a preview, without parts
}

// Counterpart is what the workspace shows of the other bot.
type Counterpart struct {
	ID     string
	Name   string
	Online bool
	Bio    *string
	Role   *string
}

// ChannelReader reads channels.
type ChannelReader interface {
	// Channel finds by id in any org: callers compare OrgID.
	Channel(ctx context.Context, id string) (*Channel, error)
	// DirectChannelOf finds the channel of an unordered pair of bots.
	DirectChannelOf(ctx context.Context, org, botA, botB string) (*Channel, error)
	// ChannelMembers lists by joined_at, id.
	ChannelMembers(ctx context.Context, channel string) ([]ChannelMember, error)
	IsChannelMember(ctx context.Context, channel, bot string) (bool, error)
	// ChannelsOf lists the channels of a bot, newest activity first, then id descending,
	// below before (nil: from the newest).
	ChannelsOf(ctx context.Context, bot string, before *PageKey, limit int) ([]ChannelActivity, error)
	// DirectChannelsOf is ChannelsOf with what the workspace shows.
	DirectChannelsOf(ctx context.Context, bot string, before *PageKey, limit int) ([]DirectChannel, error)
}

// ChannelWriter changes channels.
type ChannelWriter interface {
	// CreateChannel adds the direct channel of two different bots, who become
	// members now: they may see events appended after this call.
	CreateChannel(ctx context.Context, c *Channel, botA, botB string) error
}

// Marks are what a sender says of its message.
type Marks struct {
	Automatic bool `bun:"automatic"` // no person and no model wrote it
	NoReply   bool `bun:"no_reply"`  // it wants no answer
}

// ChannelMessage is one direct message. SenderID keeps the id of a deleted bot.
type ChannelMessage struct {
	ID          string  `bun:"id,pk"`
	ChannelID   string  `bun:"channel_id"`
	SenderID    string  `bun:"sender_id"`
	Content     string  `bun:"content"`
	ContentType string  `bun:"content_type"`
	Parts       *string `bun:"parts"` // JSON array; nil: none were sent
	CreatedAt   int64   `bun:"created_at"`
	// EventSeq is the seq of the event of this message; nil: it is not known.
	EventSeq *int64 `bun:"event_seq"`
	Marks    `bun:",extend"`
}

// ChannelMessageRow is a message as read. SenderName is nil when the bot is gone.
type ChannelMessageRow struct {
	ChannelMessage
	SenderName  *string
	ChannelName *string // in Inbox only
}

// MessageRange selects messages by time; both bounds are exclusive, nil is open.
type MessageRange struct {
	Before *int64
	Since  *int64
	Limit  int
}

// ChannelMessageReader reads direct messages.
type ChannelMessageReader interface {
	// ChannelMessages returns the newest r.Limit messages of the range, oldest first
	// (created_at, id).
	ChannelMessages(ctx context.Context, channel string, r MessageRange) ([]ChannelMessageRow, error)
	// ChannelHistory lists newest first (created_at, id descending) what is older
	// than its message beforeID; empty, unknown or of another channel: from the
	// newest.
	ChannelHistory(ctx context.Context, channel, beforeID string, limit int) ([]ChannelMessageRow, error)
	// Inbox lists the messages of others in the channels of the bot after since, oldest first,
	// after the given key (nil: from the oldest).
	Inbox(ctx context.Context, bot string, since int64, after *PageKey, limit int) ([]ChannelMessageRow, error)
}

// ChannelMessageWriter adds direct messages.
type ChannelMessageWriter interface {
	InsertChannelMessage(ctx context.Context, m *ChannelMessage) error
}
