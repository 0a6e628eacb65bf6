package b2btest

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// channel is a channel of two bots.
type channel struct {
	about    *b2bv1.Channel
	members  []string
	messages []*b2bv1.ChannelMessage
}

// mostInbox is how many messages an inbox has.
const mostInbox = 100

func (h handlers) GetMe(ctx context.Context, _ *b2bv1.GetMeRequest) (*b2bv1.GetMeResponse, error) {
	return &b2bv1.GetMeResponse{Bot: caller(ctx)}, nil
}

func (h handlers) ListPeers(ctx context.Context, _ *b2bv1.ListPeersRequest) (*b2bv1.ListPeersResponse, error) {
	res := &b2bv1.ListPeersResponse{}
	for _, bot := range h.org.bots {
		if bot != caller(ctx) {
			res.Bots = append(res.Bots, bot)
		}
	}
	return res, nil
}

func (h handlers) CreateTicket(ctx context.Context, _ *b2bv1.CreateTicketRequest) (*b2bv1.CreateTicketResponse, error) {
	ticket := h.org.newID("ticket")
	h.org.tickets[ticket] = caller(ctx).GetId()
	return &b2bv1.CreateTicketResponse{Ticket: ticket, ExpiresIn: 30}, nil
}

// ListCatchupEvents has no rows: agents that listen need its position only.
func (h handlers) ListCatchupEvents(context.Context, *b2bv1.ListCatchupEventsRequest) (*b2bv1.ListCatchupEventsResponse, error) {
	return &b2bv1.ListCatchupEventsResponse{StreamCursor: proto.String(position(len(h.org.log)))}, nil
}

func (h handlers) SendDirectMessage(ctx context.Context, req *b2bv1.SendDirectMessageRequest) (*b2bv1.SendDirectMessageResponse, error) {
	other := h.org.named(req.GetTo())
	switch {
	case other == nil:
		return nil, missing("bot")
	case other == caller(ctx):
		return nil, invalid("to: is the sender itself")
	}
	if _, _, _, err := contentOf(req); err != nil {
		return nil, err
	}
	c, err := h.org.direct(caller(ctx), other)
	if err != nil {
		return nil, err
	}
	message, err := h.org.say(c, caller(ctx), req)
	if err != nil {
		return nil, err
	}
	return &b2bv1.SendDirectMessageResponse{ChannelId: c.about.GetId(), Message: message, Ts: message.GetCreatedAt().AsTime().UnixMilli()}, nil
}

func (h handlers) SendChannelMessage(ctx context.Context, req *b2bv1.SendChannelMessageRequest) (*b2bv1.SendChannelMessageResponse, error) {
	c, err := h.org.channelOf(ctx, req.GetChannelId())
	if err != nil {
		return nil, err
	}
	message, err := h.org.say(c, caller(ctx), req)
	if err != nil {
		return nil, err
	}
	return &b2bv1.SendChannelMessageResponse{ChannelId: c.about.GetId(), Message: message}, nil
}

func (h handlers) GetChannel(ctx context.Context, req *b2bv1.GetChannelRequest) (*b2bv1.GetChannelResponse, error) {
	c, err := h.org.channelOf(ctx, req.GetChannelId())
	if err != nil {
		return nil, err
	}
	res := &b2bv1.ChannelWithMembers{Channel: c.about}
	for _, id := range c.members {
		res.Members = append(res.Members, &b2bv1.ChannelMember{Id: id, Name: h.org.named(id).GetName()})
	}
	return &b2bv1.GetChannelResponse{Channel: res}, nil
}

func (h handlers) ListChannelMessages(ctx context.Context, req *b2bv1.ListChannelMessagesRequest) (*b2bv1.ListChannelMessagesResponse, error) {
	c, err := h.org.channelOf(ctx, req.GetChannelId())
	if err != nil {
		return nil, err
	}
	items, more, paged := page(c.messages, span{limit: int(req.GetLimit()), before: req.GetBefore(), since: req.Since})
	res := &b2bv1.ListChannelMessagesResponse{HasMore: more, Paged: paged}
	for _, m := range items {
		res.Messages = append(res.Messages, h.org.withName(m))
	}
	if more {
		res.NextCursor = proto.String(items[len(items)-1].GetId())
	}
	return res, nil
}

func (h handlers) GetInbox(ctx context.Context, req *b2bv1.GetInboxRequest) (*b2bv1.GetInboxResponse, error) {
	if req.Since == nil {
		return nil, invalid("since: is required")
	}
	bot := caller(ctx).GetId()
	res := &b2bv1.GetInboxResponse{}
	for _, c := range h.org.channels {
		for _, m := range c.messages {
			if slices.Contains(c.members, bot) && m.GetSenderId() != bot && m.GetCreatedAt().AsTime().After(req.Since.AsTime()) {
				res.Messages = append(res.Messages, &b2bv1.InboxMessage{Message: h.org.withName(m)})
			}
		}
	}
	slices.SortFunc(res.Messages, func(a, b *b2bv1.InboxMessage) int { return compareIDs(a.GetMessage(), b.GetMessage()) })
	res.Messages = res.Messages[max(0, len(res.Messages)-mostInbox):]
	return res, nil
}

func (o *org) channelOf(ctx context.Context, id string) (*channel, error) {
	c := o.channels[id]
	if c == nil || !slices.Contains(c.members, caller(ctx).GetId()) {
		return nil, missing("channel")
	}
	return c, nil
}

// direct returns the channel of two bots, which is made if they have none.
func (o *org) direct(a, b *b2bv1.Bot) (*channel, error) {
	for _, c := range o.channels {
		if slices.Contains(c.members, a.GetId()) && slices.Contains(c.members, b.GetId()) {
			return c, nil
		}
	}
	c := &channel{
		about:   &b2bv1.Channel{Id: o.newID("channel"), OrgId: a.GetOrgId(), Type: b2bv1.ChannelType_CHANNEL_TYPE_DIRECT, CreatedAt: o.timestamp()},
		members: []string{a.GetId(), b.GetId()},
	}
	o.channels[c.about.GetId()] = c
	return c, o.emit(c.members, &b2bv1.Event{Event: &b2bv1.Event_ChannelCreated{
		ChannelCreated: &b2bv1.ChannelCreatedEvent{Channel: c.about, Members: c.members},
	}})
}

func (o *org) say(c *channel, bot *b2bv1.Bot, req contents) (*b2bv1.ChannelMessage, error) {
	text, kind, parts, err := contentOf(req)
	if err != nil {
		return nil, err
	}
	message := &b2bv1.ChannelMessage{
		Id: o.newID("message"), ChannelId: c.about.GetId(), SenderId: bot.GetId(),
		Content: text, ContentType: kind, Parts: parts, CreatedAt: o.timestamp(),
		Automatic: mark(req.GetAutomatic()), NoReply: mark(req.GetNoReply()), Receipts: mark(req.GetReceipts()),
	}
	c.messages = append(c.messages, message)
	return message, o.emit(c.members, &b2bv1.Event{Event: &b2bv1.Event_Message{
		Message: &b2bv1.MessageEvent{ChannelId: c.about.GetId(), Message: message, SenderName: bot.GetName()},
	}})
}

func (o *org) withName(m *b2bv1.ChannelMessage) *b2bv1.ChannelMessage {
	m = proto.CloneOf(m)
	m.SenderName = proto.String(o.named(m.GetSenderId()).GetName())
	return m
}
