package eventlog

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The log has no second copy of a message: the event of a message without parts names the stored
// message, and its payload leaves out what that message and the columns of the event have.

// plainText is the type of content that a payload leaves out.
const plainText = "text"

// NameMessage completes row, an event about a message that is stored with it: the payload leaves
// out what the message has. The caller has set the audience, the time and the actor of row. It
// returns false, and changes nothing, if row would not have what is left out: then the payload must
// have the whole event.
func NameMessage(row *store.Event, event *b2bv1.Event) (bool, error) {
	id, body, rest := shortened(row, event)
	if rest == nil {
		return false, nil
	}
	payload, err := proto.Marshal(rest)
	if err != nil {
		return false, err
	}
	row.Payload, row.MessageID, row.Body = payload, &id, &body
	return true, nil
}

// shortened returns the id and the content of the message of an event, and the event without what
// restore sets; nil if that is not all that is left out.
func shortened(row *store.Event, event *b2bv1.Event) (id, body string, rest *b2bv1.Event) {
	switch e := event.GetEvent().(type) {
	case *b2bv1.Event_Message:
		m := e.Message.GetMessage()
		if m == nil || m.SenderName != nil || e.Message.ChannelId != m.ChannelId || !is(row.ChannelID, m.ChannelId) || !is(row.ActorID, m.SenderId) ||
			!alone(m.Parts, m.Content) || !millisecond(m.CreatedAt, row.At) || m.ContentType == "" {
			return "", "", nil
		}
		short := &b2bv1.ChannelMessage{ContentType: unlessPlain(m.ContentType), Traceparent: m.Traceparent, Tracestate: m.Tracestate,
			Automatic: m.Automatic, NoReply: m.NoReply, Receipts: m.Receipts, DueAt: m.DueAt}
		return m.Id, m.Content, &b2bv1.Event{Event: &b2bv1.Event_Message{
			Message: &b2bv1.MessageEvent{Message: short, SenderName: e.Message.SenderName},
		}}
	case *b2bv1.Event_ThreadMessage:
		m := e.ThreadMessage.GetMessage()
		if m == nil || e.ThreadMessage.ThreadId != m.ThreadId || !is(row.ThreadID, m.ThreadId) || m.SenderId == nil || !is(row.ActorID, *m.SenderId) ||
			!alone(m.Parts, m.Content) || !millisecond(m.CreatedAt, row.At) || m.ContentType == "" {
			return "", "", nil
		}
		short := &b2bv1.ThreadMessage{
			SenderName: m.SenderName, ContentType: unlessPlain(m.ContentType), Mentions: m.Mentions, MentionAll: m.MentionAll,
			ReplyToId: m.ReplyToId, ReplyToMessage: m.ReplyToMessage, Metadata: m.Metadata,
			Traceparent: m.Traceparent, Tracestate: m.Tracestate, Automatic: m.Automatic, NoReply: m.NoReply,
			Receipts: m.Receipts, DueAt: m.DueAt,
		}
		return m.Id, m.Content, &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{Message: short}}}
	}
	return "", "", nil
}

// restore sets what the payload of an event left out. It empties an event with a message that is
// not stored, which is one of an org that is being removed.
func restore(row *store.Event, event *b2bv1.Event) {
	if row.MessageID == nil {
		return
	}
	if row.Body == nil || row.ActorID == nil {
		event.Event = nil
		return
	}
	switch e := event.GetEvent().(type) {
	case *b2bv1.Event_Message:
		m := e.Message.GetMessage()
		if m == nil || row.ChannelID == nil {
			event.Event = nil
			return
		}
		e.Message.ChannelId, m.ChannelId, m.Id, m.SenderId = *row.ChannelID, *row.ChannelID, *row.MessageID, *row.ActorID
		m.Content, m.Parts, m.CreatedAt = *row.Body, textPart(row.Body), timestamppb.New(time.UnixMilli(row.At))
		m.ContentType = orPlain(m.ContentType)
	case *b2bv1.Event_ThreadMessage:
		m := e.ThreadMessage.GetMessage()
		if m == nil || row.ThreadID == nil {
			event.Event = nil
			return
		}
		e.ThreadMessage.ThreadId, m.ThreadId, m.Id, m.SenderId = *row.ThreadID, *row.ThreadID, *row.MessageID, row.ActorID
		m.Content, m.Parts, m.CreatedAt = *row.Body, textPart(row.Body), timestamppb.New(time.UnixMilli(row.At))
		m.ContentType = orPlain(m.ContentType)
	}
}

func is(p *string, s string) bool { return p != nil && *p == s }

// alone reports whether parts are the text part that a message without parts shows (B2B-MSG-009).
func alone(parts []*b2bv1.Part, content string) bool {
	if len(parts) != 1 || parts[0].Extra != nil {
		return false
	}
	t, ok := parts[0].GetPart().(*b2bv1.Part_Text)
	return ok && t.Text.GetContent() == content && t.Text.Content != nil
}

// textPart returns the parts that a message without parts shows.
func textPart(content *string) []*b2bv1.Part {
	return []*b2bv1.Part{{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: content}}}}
}

// millisecond reports whether a time is at, in Unix milliseconds.
func millisecond(t *timestamppb.Timestamp, at int64) bool {
	return t != nil && t.Seconds*1000+int64(t.Nanos)/1_000_000 == at && t.Nanos%1_000_000 == 0
}

func unlessPlain(contentType string) string {
	if contentType == plainText {
		return ""
	}
	return contentType
}

func orPlain(contentType string) string {
	if contentType == "" {
		return plainText
	}
	return contentType
}
