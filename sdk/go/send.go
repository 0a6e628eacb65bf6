package b2b

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Send sends a direct message to a bot, given by its name or id. set may add to the request: parts,
// a content type, a request id. The other methods of c.Channels are for channels as such.
func (c *Client) Send(ctx context.Context, to, content string, set ...func(*b2bv1.SendDirectMessageRequest)) (*b2bv1.SendDirectMessageResponse, error) {
	req := &b2bv1.SendDirectMessageRequest{To: &to, Content: text(content)}
	for _, s := range set {
		s(req)
	}
	return c.Channels.SendDirectMessage(ctx, req)
}

// SendToThread sends a message to a thread in which the bot takes part. set may add to the request:
// parts, metadata, the message that it replies to, a request id.
func (c *Client) SendToThread(ctx context.Context, threadID, content string, set ...func(*b2bv1.SendThreadMessageRequest)) (*b2bv1.ThreadMessage, error) {
	req := &b2bv1.SendThreadMessageRequest{ThreadId: threadID, Content: text(content)}
	for _, s := range set {
		s(req)
	}
	res, err := c.Threads.SendThreadMessage(ctx, req)
	return res.GetMessage(), err
}

// ErrNoReply is the error of Reply to an event that is no message.
var ErrNoReply = errors.New("b2b: only events of messages can be replied to")

// ReplyOption adds to a reply, see [Client.Reply].
type ReplyOption func(*replyOptions)

type replyOptions struct {
	requestID                    *string
	automatic, noReply, receipts *bool
	ackBy                        *int32
	escalateTo                   *string
	settles                      *b2bv1.Settles
}

// WithRequestID sets the request id of a reply. A handler that replies to an event a second time with
// an id of the message, such as "answer-" and its id, has sent one reply.
func WithRequestID(id string) ReplyOption { return func(o *replyOptions) { o.requestID = &id } }

// WithAutomatic marks a reply as one that no person and no model wrote.
func WithAutomatic() ReplyOption { return func(o *replyOptions) { o.automatic = proto.Bool(true) } }

// WithNoReply marks a reply that wants no answer, such as a thank-you.
func WithNoReply() ReplyOption { return func(o *replyOptions) { o.noReply = proto.Bool(true) } }

// WithReceipts asks for receipts of a reply: events of the type delivery_updated, for streams that name
// it, and deliveries of the kind receipt.
func WithReceipts() ReplyOption { return func(o *replyOptions) { o.receipts = proto.Bool(true) } }

// WithAckBy asks that the addressees of a reply acknowledge it within some seconds. escalateTo is the bot,
// by id or name, that is told if they do not; empty: people.
func WithAckBy(seconds int32, escalateTo string) ReplyOption {
	return func(o *replyOptions) { o.ackBy, o.escalateTo = &seconds, text(escalateTo) }
}

// WithSettles settles a delivery together with the reply: both happen, or neither.
func WithSettles(delivery *b2bv1.Delivery) ReplyOption {
	return func(o *replyOptions) { o.settles = &b2bv1.Settles{DeliveryId: &delivery.Id, Lease: delivery.Lease} }
}

// Reply answers a message where it was sent, and returns the id of the reply. The reply to a direct
// message goes into its channel, that to a thread message into its thread, with a reference to it.
func (c *Client) Reply(ctx context.Context, to *b2bv1.Event, content string, opts ...ReplyOption) (string, error) {
	var o replyOptions
	for _, opt := range opts {
		opt(&o)
	}
	return c.replyTo(ctx, placeOf(to), content, &o)
}

// place is where a reply is sent: a channel, or a thread and perhaps a message in it.
type place struct{ channel, thread, message string }

// placeOf returns where to reply to a message; an empty place for other events.
func placeOf(e *b2bv1.Event) place {
	if m := e.GetMessage(); m != nil {
		return place{channel: m.GetChannelId()}
	}
	if m := e.GetThreadMessage(); m != nil {
		return place{thread: m.GetThreadId(), message: m.GetMessage().GetId()}
	}
	return place{}
}

func (c *Client) replyTo(ctx context.Context, to place, content string, o *replyOptions) (string, error) {
	switch {
	case to.thread != "":
		sent, err := c.SendToThread(ctx, to.thread, content, func(r *b2bv1.SendThreadMessageRequest) {
			if to.message != "" {
				r.ReplyTo = &to.message
			}
			r.RequestId, r.Automatic, r.NoReply, r.Receipts, r.Settles = o.requestID, o.automatic, o.noReply, o.receipts, o.settles
			r.AckBy, r.EscalateTo = o.ackBy, o.escalateTo
		})
		return sent.GetId(), err
	case to.channel != "":
		res, err := c.Channels.SendChannelMessage(ctx, &b2bv1.SendChannelMessageRequest{
			ChannelId: &to.channel, Content: &content, RequestId: o.requestID, Automatic: o.automatic, NoReply: o.noReply,
			Receipts: o.receipts, AckBy: o.ackBy, EscalateTo: o.escalateTo, Settles: o.settles,
		})
		return res.GetMessage().GetId(), err
	}
	return "", ErrNoReply
}

// text returns the content of a message; nil, which the server derives from the parts, if empty.
func text(content string) *string {
	if content == "" {
		return nil
	}
	return &content
}
