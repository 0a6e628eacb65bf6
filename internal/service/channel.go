package service

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// channelService serves direct messages (B2B-CH-001 to 020).
type channelService struct {
	*core
	reads channelReads
}

// channelReads is what channelService reads of the store.
type channelReads interface {
	channelFinder
	ResolveBot(ctx context.Context, org, ref string) (*store.Bot, error)
	ChannelMembers(ctx context.Context, channel string) ([]store.ChannelMember, error)
	ChannelsOf(ctx context.Context, bot string, before *store.PageKey, limit int) ([]store.ChannelActivity, error)
	ChannelMessages(ctx context.Context, channel string, r store.MessageRange) ([]store.ChannelMessageRow, error)
	ChannelHistory(ctx context.Context, channel, beforeID string, limit int) ([]store.ChannelMessageRow, error)
	Inbox(ctx context.Context, bot string, since int64, after *store.PageKey, limit int) ([]store.ChannelMessageRow, error)
}

// channelTx is what its changes need.
type channelTx interface {
	eventTx
	auditTx
	settingsReader
	rateTx
	reachReader
	deadlineTx
	ChannelPeer(ctx context.Context, channel, bot string) (*store.Addressee, error)
	DirectChannelOf(ctx context.Context, org, botA, botB string) (*store.Channel, error)
	memberFinder
	CreateChannel(ctx context.Context, c *store.Channel, botA, botB string) error
	InsertChannelMessage(ctx context.Context, m *store.ChannelMessage) error
}

// channelFinder finds a channel and who is in it.
type channelFinder interface {
	memberFinder
	Channel(ctx context.Context, id string) (*store.Channel, error)
}

type memberFinder interface {
	IsChannelMember(ctx context.Context, channel, bot string) (bool, error)
}

// isMember reports whether a bot is in a channel.
func isMember(ctx context.Context, r memberFinder, channel, bot string) (bool, error) {
	member, err := r.IsChannelMember(ctx, channel, bot)
	if err != nil {
		return false, fmt.Errorf("look up a channel's member: %w", err)
	}
	return member, nil
}

// insideReader finds out who is in threads and channels.
type insideReader interface {
	participantReader
	memberFinder
}

// isInside reports whether a bot is in a thread or channel.
func isInside(ctx context.Context, r insideReader, kind store.MembershipKind, scope, bot string) (bool, error) {
	if kind == store.MemberOfChannel {
		return isMember(ctx, r, scope, bot)
	}
	p, err := participation(ctx, r, scope, bot)
	return p != nil, err
}

const unknownName = "unknown" // the name shown for a deleted bot

// GetChannel returns a channel and its members.
func (s *channelService) GetChannel(ctx context.Context, req *b2bv1.GetChannelRequest) (*b2bv1.GetChannelResponse, error) {
	channel, err := s.readable(ctx, s.reads, req.GetChannelId())
	if err != nil {
		return nil, err
	}
	members, err := s.reads.ChannelMembers(ctx, channel.ID)
	if err != nil {
		return nil, fmt.Errorf("list a channel's members: %w", err)
	}
	return &b2bv1.GetChannelResponse{Channel: &b2bv1.ChannelWithMembers{Channel: channelOut(channel), Members: membersOut(members)}}, nil
}

// ListChannelMessages returns messages, paged by time or by message id (B2B-MSG-058,
// B2B-MSG-059).
func (s *channelService) ListChannelMessages(ctx context.Context, req *b2bv1.ListChannelMessagesRequest) (*b2bv1.ListChannelMessagesResponse, error) {
	channel, err := s.readable(ctx, s.reads, req.GetChannelId())
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Limit)
	bound := pagetoken.Before(req.GetBefore())
	if bound.Kind != pagetoken.ByID {
		rows, err := s.reads.ChannelMessages(ctx, channel.ID, messageRange(bound, req.Since, limit))
		if err != nil {
			return nil, fmt.Errorf("list direct messages: %w", err)
		}
		rows, messages, more := cutToSizeNewest(s.core, rows, channelMessagesOut(rows))
		res := &b2bv1.ListChannelMessagesResponse{Messages: messages, HasMore: more}
		if more {
			res.NextCursor = &rows[0].ID
		}
		return res, nil
	}
	rows, err := s.reads.ChannelHistory(ctx, channel.ID, bound.ID, limit+1)
	if err != nil {
		return nil, fmt.Errorf("page direct messages: %w", err)
	}
	rows, more := page(rows, limit)
	rows, messages, more := cutToSize(s.core, rows, channelMessagesOut(rows), more)
	res := &b2bv1.ListChannelMessagesResponse{Messages: messages, HasMore: more, Paged: true}
	if more {
		res.NextCursor = &rows[len(rows)-1].ID
	}
	return res, nil
}

// readable finds a channel that the caller may read: as one of its members, or as an admin of its
// org. A channel of another org is not found.
func (c *core) readable(ctx context.Context, r channelFinder, id string) (*store.Channel, error) {
	caller := call.CallerOf(ctx)
	channel, err := r.Channel(ctx, id)
	if err != nil {
		return nil, notFound(err, "channel")
	}
	if channel.OrgID != caller.OrgID {
		return nil, call.NotFound("channel")
	}
	if caller.Kind != call.Bot {
		return channel, nil
	}
	member, err := isMember(ctx, r, id, caller.BotID)
	switch {
	case err != nil:
		return nil, err
	case !member:
		return nil, errNotMember()
	}
	return channel, nil
}

// ListBotChannels returns the channels of a bot. A bot may list its own channels only, an org admin
// those of any bot.
func (s *channelService) ListBotChannels(ctx context.Context, req *b2bv1.ListBotChannelsRequest) (*b2bv1.ListBotChannelsResponse, error) {
	caller := call.CallerOf(ctx)
	bot, err := s.reads.ResolveBot(ctx, caller.OrgID, req.GetBot())
	if err != nil {
		return nil, notFound(err, "bot")
	}
	if caller.Kind == call.Bot && caller.BotID != bot.ID {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "A bot can list its own channels only")
	}
	before, err := parsePageToken(req.GetCursor(), "last_activity_at")
	if err != nil {
		return nil, err
	}
	size := wholePage(req.Limit)
	rows, err := s.reads.ChannelsOf(ctx, bot.ID, before, size+1)
	if err != nil {
		return nil, fmt.Errorf("list a bot's channels: %w", err)
	}
	rows, more := page(rows, size)
	channels := make([]*b2bv1.ChannelListing, len(rows))
	for i := range rows {
		row := &rows[i]
		channels[i] = &b2bv1.ChannelListing{
			Id: row.ID, Type: b2bv1.ChannelType_CHANNEL_TYPE_DIRECT, Name: row.Name,
			CreatedAt: stamp(row.CreatedAt), LastActivityAt: stamp(row.LastActivityAt),
			Members: membersOut(row.Members),
		}
	}
	rows, channels, more = cutToSize(s.core, rows, channels, more)
	res := &b2bv1.ListBotChannelsResponse{Channels: channels}
	if more {
		last := &rows[len(rows)-1]
		res.NextCursor = formatPageToken(last.LastActivityAt, last.ID)
	}
	return res, nil
}

// GetInbox returns the direct messages that others sent to the calling bot (B2B-INBOX-001,
// B2B-INBOX-002).
func (s *channelService) GetInbox(ctx context.Context, req *b2bv1.GetInboxRequest) (*b2bv1.GetInboxResponse, error) {
	if req.Since == nil {
		return nil, call.Invalid("since: is required, Unix milliseconds")
	}
	after, err := parsePageToken(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	rows, err := s.reads.Inbox(ctx, call.CallerOf(ctx).BotID, millis(req.Since), after, limits.MaxInbox+1)
	if err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	rows, more := page(rows, limits.MaxInbox)
	messages := make([]*b2bv1.InboxMessage, len(rows))
	for i, message := range channelMessagesOut(rows) {
		messages[i] = &b2bv1.InboxMessage{Message: message, ChannelName: rows[i].ChannelName}
	}
	rows, messages, more = cutToSize(s.core, rows, messages, more)
	res := &b2bv1.GetInboxResponse{Messages: messages}
	if more {
		last := &rows[len(rows)-1]
		res.NextCursor = formatPageToken(last.CreatedAt, last.ID)
	}
	return res, nil
}

func channelOut(c *store.Channel) *b2bv1.Channel {
	return &b2bv1.Channel{
		Id: c.ID, OrgId: c.OrgID, Type: b2bv1.ChannelType_CHANNEL_TYPE_DIRECT, Name: c.Name, CreatedAt: stamp(c.CreatedAt),
	}
}

func membersOut(members []store.ChannelMember) []*b2bv1.ChannelMember {
	out := make([]*b2bv1.ChannelMember, len(members))
	for i, m := range members {
		out[i] = &b2bv1.ChannelMember{Id: m.BotID, Name: m.Name, Online: m.Online}
	}
	return out
}

// channelMessageSlot holds a message and the objects it points to, in one allocation.
type channelMessageSlot struct {
	message b2bv1.ChannelMessage
	at      timestamppb.Timestamp
	text    textSlot
}

// fill sets the message of a row, without sender_name. shown are its parts; if nil, they are read
// from the row.
func (s *channelMessageSlot) fill(row *store.ChannelMessageRow, shown []*b2bv1.Part) *b2bv1.ChannelMessage {
	m := &s.message
	m.Id, m.ChannelId, m.SenderId = row.ID, row.ChannelID, row.SenderID
	m.Content, m.ContentType = row.Content, row.ContentType
	m.Parts = s.text.parts(shown, row.Parts, &row.Content)
	setStamp(&s.at, row.CreatedAt)
	m.CreatedAt = &s.at
	m.Automatic, m.NoReply = shownMark(row.Automatic), shownMark(row.NoReply)
	return m
}

func channelMessagesOut(rows []store.ChannelMessageRow) []*b2bv1.ChannelMessage {
	slots := make([]channelMessageSlot, len(rows))
	out := make([]*b2bv1.ChannelMessage, len(rows))
	for i := range rows {
		out[i] = slots[i].fill(&rows[i], nil)
		out[i].SenderName = nameOf(rows[i].SenderName)
	}
	return out
}

// nameOf returns a bot's name, or unknownName when the bot was deleted.
func nameOf(name *string) *string {
	if name != nil {
		return name
	}
	unknown := unknownName
	return &unknown
}

// setStamp sets an existing Timestamp to Unix milliseconds.
func setStamp(t *timestamppb.Timestamp, ms int64) {
	s := stamp(ms)
	t.Seconds, t.Nanos = s.Seconds, s.Nanos
}
