package eventlog

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// fillAll sets every field of a message but those that are set: a field that is added to the schema
// must come back, too.
func fillAll(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case m.Has(f) || f.ContainingOneof() != nil && !f.HasOptionalKeyword():
		case f.IsList() && f.Message() != nil:
			list := m.Mutable(f).List()
			e := list.NewElement()
			fillAll(e.Message())
			list.Append(e)
		case f.Message() != nil:
			fillAll(m.Mutable(f).Message())
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString("a "+string(f.Name())))
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
		case f.Kind() == protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(7))
		case f.Kind() == protoreflect.Int64Kind:
			m.Set(f, protoreflect.ValueOfInt64(7))
		}
	}
}

func directMessage(edit func(*b2bv1.MessageEvent)) (*store.Event, *b2bv1.Event) {
	content := "hello, hello"
	e := &b2bv1.MessageEvent{ChannelId: "c", SenderName: "anna", Message: &b2bv1.ChannelMessage{
		Id: "m", ChannelId: "c", SenderId: "a", Content: content, ContentType: "text", Parts: textPart(&content),
		CreatedAt: timestamppb.New(time.UnixMilli(1234567890123)),
	}}
	edit(e)
	channel, actor := "c", "a"
	return &store.Event{At: 1234567890123, Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &actor},
		&b2bv1.Event{Event: &b2bv1.Event_Message{Message: e}}
}

func threadMessage(edit func(*b2bv1.ThreadMessageEvent)) (*store.Event, *b2bv1.Event) {
	content, sender := "hello, hello", "a"
	e := &b2bv1.ThreadMessageEvent{ThreadId: "t", Message: &b2bv1.ThreadMessage{
		Id: "m", ThreadId: "t", SenderId: &sender, SenderName: "anna", Content: content, ContentType: "text", Parts: textPart(&content),
		CreatedAt: timestamppb.New(time.UnixMilli(1234567890123)),
	}}
	edit(e)
	thread := "t"
	return &store.Event{At: 1234567890123, Audience: store.AudienceThread, ThreadID: &thread, ActorID: &sender},
		&b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: e}}
}

// The event of a message comes back as it was, and its payload has no content.
func TestNameMessage(t *testing.T) {
	t.Parallel()
	for what, of := range map[string]func() (*store.Event, *b2bv1.Event){
		"direct": func() (*store.Event, *b2bv1.Event) { return directMessage(func(*b2bv1.MessageEvent) {}) },
		"direct, another type": func() (*store.Event, *b2bv1.Event) {
			return directMessage(func(e *b2bv1.MessageEvent) { e.Message.ContentType = "x" })
		},
		"direct, every field": func() (*store.Event, *b2bv1.Event) {
			return directMessage(func(e *b2bv1.MessageEvent) { fillAll(e.ProtoReflect()); e.Message.SenderName = nil })
		},
		"thread": func() (*store.Event, *b2bv1.Event) { return threadMessage(func(*b2bv1.ThreadMessageEvent) {}) },
		"thread, every field": func() (*store.Event, *b2bv1.Event) {
			return threadMessage(func(e *b2bv1.ThreadMessageEvent) { fillAll(e.ProtoReflect()) })
		},
	} {
		row, event := of()
		before := proto.Clone(event)
		if ok, err := NameMessage(row, event); err != nil || !ok {
			t.Errorf("%s: not named: %v", what, err)
			continue
		}
		if !proto.Equal(event, before) {
			t.Errorf("%s: the event was changed", what)
		}
		stored := *row
		stored.Decoded = nil
		got, err := Decode(&stored)
		if err != nil || !proto.Equal(got, before) {
			t.Errorf("%s: %v, %v; want %v", what, got, err, before)
		}
		if what == "direct" && len(row.Payload) > 20 {
			t.Errorf("%s: the payload has %d bytes", what, len(row.Payload))
		}
		stored.Body = nil // the message is gone
		if got, err := Decode(&stored); err != nil || got.Event != nil {
			t.Errorf("%s: without its message: %v, %v", what, got, err)
		}
	}
}

// An event is stored whole if something that its payload leaves out would not come back.
func TestNameMessageRefuses(t *testing.T) {
	t.Parallel()
	other := "x"
	for what, of := range map[string]func() (*store.Event, *b2bv1.Event){
		"parts": func() (*store.Event, *b2bv1.Event) {
			return directMessage(func(e *b2bv1.MessageEvent) { e.Message.Parts = append(e.Message.Parts, textPart(&other)...) })
		},
		"another text": func() (*store.Event, *b2bv1.Event) {
			return threadMessage(func(e *b2bv1.ThreadMessageEvent) { e.Message.Parts = textPart(&other) })
		},
		"extra keys": func() (*store.Event, *b2bv1.Event) {
			return directMessage(func(e *b2bv1.MessageEvent) { e.Message.Parts[0].Extra = &other })
		},
		"no type": func() (*store.Event, *b2bv1.Event) {
			return threadMessage(func(e *b2bv1.ThreadMessageEvent) { e.Message.ContentType = "" })
		},
		"another sender": func() (*store.Event, *b2bv1.Event) {
			return directMessage(func(e *b2bv1.MessageEvent) { e.Message.SenderId = other })
		},
		"another time": func() (*store.Event, *b2bv1.Event) {
			return threadMessage(func(e *b2bv1.ThreadMessageEvent) { e.Message.CreatedAt.Nanos++ })
		},
		"a name in the message": func() (*store.Event, *b2bv1.Event) {
			return directMessage(func(e *b2bv1.MessageEvent) { e.Message.SenderName = &other })
		},
		"not a message": func() (*store.Event, *b2bv1.Event) {
			return &store.Event{}, &b2bv1.Event{Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{}}}
		},
	} {
		row, event := of()
		if ok, err := NameMessage(row, event); err != nil || ok || row.MessageID != nil {
			t.Errorf("%s: named: %v", what, err)
		}
	}
}
