package b2btest

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (h handlers) SendThreadMessage(ctx context.Context, req *b2bv1.SendThreadMessageRequest) (*b2bv1.SendThreadMessageResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), true)
	if err != nil {
		return nil, err
	}
	text, kind, parts, err := contentOf(req)
	if err != nil {
		return nil, err
	}
	mentions, all := b2b.ParseMentions(text, t.members)
	message := &b2bv1.ThreadMessage{
		Id: h.org.newID("message"), ThreadId: t.about.GetId(), SenderId: proto.String(caller(ctx).GetId()), SenderName: caller(ctx).GetName(),
		Content: text, ContentType: kind, Parts: parts, Mentions: mentions, MentionAll: all,
		ReplyToId: req.ReplyTo, Metadata: req.Metadata, CreatedAt: h.org.timestamp(),
		Automatic: mark(req.GetAutomatic()), NoReply: mark(req.GetNoReply()), Receipts: mark(req.GetReceipts()),
	}
	if req.GetReplyTo() != "" {
		i := slices.IndexFunc(t.messages, func(m *b2bv1.ThreadMessage) bool { return m.GetId() == req.GetReplyTo() })
		if i < 0 {
			return nil, missing("message")
		}
		to := t.messages[i]
		message.ReplyToMessage = &b2bv1.ReplyPreview{
			Id: to.GetId(), SenderId: to.SenderId, SenderName: to.GetSenderName(), Content: to.GetContent(), CreatedAt: to.GetCreatedAt(),
		}
	}
	t.change(func(about *b2bv1.Thread) { about.LastActivityAt = h.org.timestamp() })
	t.messages = append(t.messages, message)
	t.turns++
	err = h.org.tell(t, &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: t.about.GetId(), Message: message}}})
	return &b2bv1.SendThreadMessageResponse{Message: message}, err
}

func (h handlers) ListThreadMessages(ctx context.Context, req *b2bv1.ListThreadMessagesRequest) (*b2bv1.ListThreadMessagesResponse, error) {
	t, err := h.org.threadOf(ctx, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	items, more, paged := page(t.messages, span{limit: int(req.GetLimit()), before: req.GetBefore(), since: req.Since, cursor: req.Cursor})
	res := &b2bv1.ListThreadMessagesResponse{Items: items, HasMore: more, Paged: paged}
	if more {
		res.NextCursor = proto.String(items[len(items)-1].GetId())
	}
	return res, nil
}
