package service

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// SendDirectMessage sends a message to a bot. The first message of two bots creates their channel
// (B2B-CH-001, B2B-CH-009).
func (s *channelService) SendDirectMessage(ctx context.Context, req *b2bv1.SendDirectMessageRequest) (*b2bv1.SendDirectMessageResponse, error) {
	caller := call.CallerOf(ctx)
	contentType, d, err := s.directDraft(caller, req, req.Content, req.ContentType)
	if err != nil {
		return nil, err
	}
	if req.GetTo() == "" {
		return nil, call.Invalid("to: is required, a bot's id or name")
	}
	in := changeOptions{org: caller.OrgID, responseOrg: caller.OrgID, class: d.quotaClass(nil)}
	return changeIn(ctx, s.core, in, req, func(tx channelTx) (*b2bv1.SendDirectMessageResponse, error) {
		target, err := tx.Addressee(ctx, caller.OrgID, req.GetTo())
		switch {
		case err != nil:
			return nil, notFound(err, "bot")
		case target.ID == caller.BotID:
			return nil, call.Invalid("to: Cannot send to yourself")
		case d.tooLong != nil:
			return nil, d.tooLong
		}
		if err := s.countMessage(ctx, tx); err != nil {
			return nil, err
		}
		channel, err := tx.DirectChannelOf(ctx, caller.OrgID, caller.BotID, target.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("look up the channel of two bots: %w", err)
		}
		if channel == nil {
			if channel, err = s.openChannel(ctx, tx, target.ID); err != nil {
				return nil, err
			}
		}
		deadline, err := s.newDeadline(ctx, tx, req, store.MemberOfChannel, channel.ID)
		if err != nil {
			return nil, err
		}
		message, err := s.post(ctx, tx, channel.ID, contentType, d, deadline, req, detail{"channel_id": channel.ID, "to": target.ID})
		if err != nil {
			return nil, err
		}
		recipients, err := s.recipientList(tx).direct(ctx, target)
		if err != nil {
			return nil, err
		}
		return &b2bv1.SendDirectMessageResponse{
			ChannelId: channel.ID, Message: message, Ts: millis(message.CreatedAt), Recipients: recipients,
		}, keepDeadline(ctx, tx, deadline, message.Id, recipients)
	})
}

// SendChannelMessage sends a message to an existing channel (`send` of a WebSocket, B2B-WS-021). An
// empty content beside parts counts as absent (B2B-WS-032).
func (s *channelService) SendChannelMessage(ctx context.Context, req *b2bv1.SendChannelMessageRequest) (*b2bv1.SendChannelMessageResponse, error) {
	caller := call.CallerOf(ctx)
	content := req.Content
	if req.GetContent() == "" && req.Parts != nil {
		content = nil
	}
	contentType, d, draftErr := s.directDraft(caller, req, content, req.ContentType)
	if caller.ViaSession() {
		return nil, draftErr
	}
	in := changeOptions{org: caller.OrgID, responseOrg: caller.OrgID, class: d.quotaClass(nil)}
	return changeIn(ctx, s.core, in, req, func(tx channelTx) (*b2bv1.SendChannelMessageResponse, error) {
		member, err := isMember(ctx, tx, req.GetChannelId(), caller.BotID)
		switch {
		case err != nil:
			return nil, err
		case !member:
			return nil, errNotMember()
		case draftErr != nil:
			return nil, draftErr
		case d.tooLong != nil:
			return nil, d.tooLong
		}
		if err := s.countMessage(ctx, tx); err != nil {
			return nil, err
		}
		deadline, err := s.newDeadline(ctx, tx, req, store.MemberOfChannel, req.GetChannelId())
		if err != nil {
			return nil, err
		}
		message, err := s.post(ctx, tx, req.GetChannelId(), contentType, d, deadline, req, detail{"channel_id": req.GetChannelId()})
		if err != nil {
			return nil, err
		}
		peer, err := tx.ChannelPeer(ctx, req.GetChannelId(), caller.BotID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("look up the receiver of a message: %w", err)
		}
		recipients, err := s.recipientList(tx).direct(ctx, peer)
		if err != nil {
			return nil, err
		}
		return &b2bv1.SendChannelMessageResponse{
			ChannelId: message.ChannelId, Message: message, Recipients: recipients,
		}, keepDeadline(ctx, tx, deadline, message.Id, recipients)
	})
}

func errDirectOfSession() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_DM_SEND_BLOCKED, "A session cannot send direct messages").
		WithHint("Use the bot's token.")
}

func errNotMember() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "Not a member of this channel")
}

// sending is a request to send a direct message.
type sending interface {
	proto.Message
	marked
	GetParts() *b2bv1.PartList
}

// directDraft makes the checks of a direct message that need no state. Humans can read the direct
// messages of their bot, but cannot send any.
func (c *core) directDraft(caller *call.Caller, req sending, content, contentType *string) (string, *draft, error) {
	if caller.ViaSession() {
		return "", nil, errDirectOfSession()
	}
	kind := textOr(contentType, "")
	if kind == "" {
		kind = "text"
	}
	if err := call.InTurn(req); err != nil {
		return "", nil, err
	}
	d, err := c.newDraft(content, req.GetParts())
	return kind, d, err
}

// openChannel creates the channel of the caller and another bot and emits channel_created. Events
// of a channel are delivered to its members; package eventlog delivers this type to the org's
// admins as well.
func (s *channelService) openChannel(ctx context.Context, tx channelTx, target string) (*store.Channel, error) {
	caller := call.CallerOf(ctx)
	channel := &store.Channel{ID: newID(), OrgID: caller.OrgID, Type: store.ChannelDirect, CreatedAt: s.nowMS()}
	if err := tx.CreateChannel(ctx, channel, caller.BotID, target); err != nil {
		return nil, fmt.Errorf("create the channel of two bots: %w", err)
	}
	return channel, s.emit(ctx, tx, toChannel(channel.ID), &b2bv1.Event{Event: &b2bv1.Event_ChannelCreated{
		ChannelCreated: &b2bv1.ChannelCreatedEvent{Channel: channelOut(channel), Members: []string{caller.BotID, target}},
	}})
}

// countMessage counts a direct message against the caller's limit.
func (s *channelService) countMessage(ctx context.Context, tx channelTx) error {
	settings, err := tx.OrgSettings(ctx, call.CallerOf(ctx).OrgID)
	if err != nil {
		return fmt.Errorf("read the org's settings: %w", err)
	}
	return s.takeMessage(ctx, tx, settings)
}

// post emits the event of a checked message of the caller, stores it, and audits it.
func (s *channelService) post(ctx context.Context, tx channelTx, channel, contentType string, d *draft, until *store.Deadline, req marked, details detail) (*b2bv1.ChannelMessage, error) {
	caller := call.CallerOf(ctx)
	row := store.ChannelMessageRow{ChannelMessage: store.ChannelMessage{
		ID: newID(), ChannelID: channel, SenderID: caller.BotID,
		Content: d.content, ContentType: contentType, Parts: d.parts, CreatedAt: s.nowMS(), Marks: marksOf(req),
	}}
	message := new(channelMessageSlot).fill(&row, d.shown)
	message.Traceparent, message.Tracestate = cause(ctx)
	message.Receipts, message.DueAt = shownMark(req.GetReceipts()), dueOf(until)
	var err error
	row.EventSeq, err = s.emitMessage(ctx, tx, at(row.CreatedAt, toChannel(channel)), &b2bv1.Event{Event: &b2bv1.Event_Message{
		Message: &b2bv1.MessageEvent{ChannelId: channel, Message: message, SenderName: caller.BotName},
	}}, row.Parts)
	if err != nil {
		return nil, err
	}
	if err := tx.InsertChannelMessage(ctx, &row.ChannelMessage); err != nil {
		return nil, fmt.Errorf("store a direct message: %w", err)
	}
	return message, s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "message.send", "channel_message", row.ID, details.via(ctx))
}
