package addressing_test

import (
	"reflect"
	"testing"

	"github.com/b2b-protocol/b2b/internal/addressing"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func threadMessage(edit func(*b2bv1.ThreadMessage)) *b2bv1.Event {
	m := &b2bv1.ThreadMessage{}
	edit(m)
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: "t", Message: m}}}
}

func participant(bot, by string, action b2bv1.ParticipantAction) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{BotId: bot, By: by, Action: action}}}
}

func resolved(status b2bv1.JoinRequestStatus) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadJoinResolved{ThreadJoinResolved: &b2bv1.ThreadJoinResolvedEvent{Status: status}}}
}

// TestOf: B2B-DLV-002.
func TestOf(t *testing.T) {
	t.Parallel()
	const (
		direct  = b2bv1.DeliveryKind_DELIVERY_KIND_DIRECT
		mention = b2bv1.DeliveryKind_DELIVERY_KIND_MENTION
		reply   = b2bv1.DeliveryKind_DELIVERY_KIND_REPLY
		all     = b2bv1.DeliveryKind_DELIVERY_KIND_ALL
		joined  = b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED
	)
	message := func(m *b2bv1.ChannelMessage) *b2bv1.Event {
		return &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{Message: m}}}
	}
	mentions := func(m *b2bv1.ThreadMessage) {
		m.Mentions = []*b2bv1.Mention{{BotId: "a"}, {BotId: "b"}}
	}
	replies := func(to string) func(*b2bv1.ThreadMessage) {
		return func(m *b2bv1.ThreadMessage) { m.ReplyToMessage = &b2bv1.ReplyPreview{SenderId: &to} }
	}
	decision := &b2bv1.Decision{Asker: &b2bv1.DecisionBot{Id: "c"}, Bots: []*b2bv1.DecisionBot{{Id: "a"}, {Id: "b"}}}
	for _, test := range []struct {
		what  string
		event *b2bv1.Event
		want  []addressing.To
	}{
		{"nothing", &b2bv1.Event{}, nil},
		{"another event", &b2bv1.Event{Event: &b2bv1.Event_ThreadUpdated{}}, nil},
		{"a direct message", message(&b2bv1.ChannelMessage{}), []addressing.To{{Kind: direct}}},
		{"one that wants no answer", message(&b2bv1.ChannelMessage{NoReply: new(true)}), nil},
		{"a message to nobody", threadMessage(func(*b2bv1.ThreadMessage) {}), nil},
		{"mentions", threadMessage(mentions), []addressing.To{{Bot: "a", Kind: mention}, {Bot: "b", Kind: mention}}},
		{"a reply", threadMessage(replies("c")), []addressing.To{{Bot: "c", Kind: reply}}},
		{"a reply to a deleted bot", threadMessage(replies("")), nil},
		{"a reply to one that it mentions", threadMessage(func(m *b2bv1.ThreadMessage) { mentions(m); replies("b")(m) }),
			[]addressing.To{{Bot: "a", Kind: mention}, {Bot: "b", Kind: mention}}},
		{"all, and a reply", threadMessage(func(m *b2bv1.ThreadMessage) { m.MentionAll = true; replies("c")(m) }),
			[]addressing.To{{Bot: "c", Kind: reply}, {Kind: all}}},
		{"a thread message that wants no answer", threadMessage(func(m *b2bv1.ThreadMessage) { mentions(m); m.NoReply = new(true) }), nil},
		{"added by another", participant("a", "b", joined), []addressing.To{{Bot: "a", Kind: b2bv1.DeliveryKind_DELIVERY_KIND_INVITATION}}},
		{"added by a person", participant("a", "org:o", joined), []addressing.To{{Bot: "a", Kind: b2bv1.DeliveryKind_DELIVERY_KIND_INVITATION}}},
		{"joined by itself", participant("a", "a", joined), nil},
		{"removed", participant("a", "b", b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT), nil},
		{"a request to join", &b2bv1.Event{Event: &b2bv1.Event_ThreadJoinRequest{}}, []addressing.To{{Kind: b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_REQUEST}}},
		{"rejected", resolved(b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_REJECTED),
			[]addressing.To{{Bot: "about", Outside: true, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_RESOLVED}}},
		{"approved", resolved(b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_APPROVED), nil},
		{"a bot that waits for approval", &b2bv1.Event{Event: &b2bv1.Event_BotJoinRequest{}},
			[]addressing.To{{Admins: true, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_REQUEST}}},
		{"a decision that is asked", &b2bv1.Event{Event: &b2bv1.Event_DecisionAsked{DecisionAsked: &b2bv1.DecisionAskedEvent{Decision: decision}}},
			[]addressing.To{{Bot: "a", Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DECISION}, {Bot: "b", Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DECISION}}},
		{"a decision that is closed", &b2bv1.Event{Event: &b2bv1.Event_DecisionClosed{DecisionClosed: &b2bv1.DecisionClosedEvent{Decision: decision}}},
			[]addressing.To{{Bot: "c", Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DECISION_CLOSED}}},
	} {
		if got := addressing.Of(test.event, "about"); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.what, got, test.want)
		}
		if len(test.want) > 0 {
			m := test.event.ProtoReflect()
			if kind := string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name()); !addressing.Addresses(kind) {
				t.Errorf("%s: events of type %s are not looked at", test.what, kind)
			}
		}
	}
}
