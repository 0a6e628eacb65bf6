// Package addressing decides to whom an event of the log is addressed (B2B-DLV-002): whom it asks
// to act, of all who may see it. It reads the event alone. Who is in the thread or channel, and who
// may take a decision, is up to the reader of the log (package inbox).
package addressing

import (
	"slices"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// To is one that an event is addressed to.
type To struct {
	// Bot is empty for all members of the thread or channel of the event, or with Admins for all
	// admin bots of the org.
	Bot    string
	Admins bool
	// Outside is set if the bot need not be in the thread.
	Outside bool
	Kind    b2bv1.DeliveryKind
}

// Types returns the types of events that can be addressed to a bot.
func Types() []string {
	return []string{
		eventtype.Message, eventtype.ThreadMessage, eventtype.ThreadParticipant, eventtype.ThreadJoinRequest,
		eventtype.ThreadJoinResolved, eventtype.BotJoinRequest, eventtype.DecisionAsked, eventtype.DecisionClosed,
		eventtype.DeliveryUpdated, eventtype.DeliveryEscalated,
	}
}

// Addresses reports whether events of a type can be addressed to a bot.
func Addresses(kind string) bool { return slices.Contains(Types(), kind) }

// Of returns to whom an event is addressed, each bot with the first of its reasons: named ones come
// before all. about is the bot that the log has as the subject of the event, if any. The bot that
// caused the event is not left out.
func Of(e *b2bv1.Event, about string) (to []To) {
	switch e := e.GetEvent().(type) {
	case *b2bv1.Event_Message:
		if e.Message.GetMessage().GetNoReply() {
			return nil
		}
		return []To{{Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DIRECT}}
	case *b2bv1.Event_ThreadMessage:
		return ofMessage(e.ThreadMessage.GetMessage())
	case *b2bv1.Event_ThreadParticipant:
		p := e.ThreadParticipant
		if p.GetAction() != b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED || p.GetBy() == p.GetBotId() {
			return nil
		}
		return []To{{Bot: p.GetBotId(), Kind: b2bv1.DeliveryKind_DELIVERY_KIND_INVITATION}}
	case *b2bv1.Event_ThreadJoinRequest:
		return []To{{Kind: b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_REQUEST}}
	case *b2bv1.Event_ThreadJoinResolved: // an approved bot was also added to the thread
		if e.ThreadJoinResolved.GetStatus() == b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_REJECTED {
			return []To{{Bot: about, Outside: true, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_RESOLVED}}
		}
	case *b2bv1.Event_BotJoinRequest:
		return []To{{Admins: true, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_JOIN_REQUEST}}
	case *b2bv1.Event_DecisionAsked:
		for _, bot := range e.DecisionAsked.GetDecision().GetBots() {
			to = append(to, To{Bot: bot.GetId(), Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DECISION})
		}
	case *b2bv1.Event_DecisionClosed:
		return []To{{Bot: e.DecisionClosed.GetDecision().GetAsker().GetId(), Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DECISION_CLOSED}}
	case *b2bv1.Event_DeliveryUpdated:
		if final(e.DeliveryUpdated.GetReceipt().GetState()) {
			return []To{{Bot: about, Outside: true, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_RECEIPT}}
		}
	case *b2bv1.Event_DeliveryEscalated:
		return []To{{Bot: about, Outside: true, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_ESCALATION}}
	}
	return to
}

// final reports whether the bot of a receipt does nothing more by itself. Other receipts ask nobody
// to act.
func final(s b2bv1.ReceiptState) bool {
	switch s {
	case b2bv1.ReceiptState_RECEIPT_STATE_DONE, b2bv1.ReceiptState_RECEIPT_STATE_FAILED, b2bv1.ReceiptState_RECEIPT_STATE_DEAD:
		return true
	}
	return false
}

func ofMessage(m *b2bv1.ThreadMessage) (to []To) {
	if m.GetNoReply() {
		return nil
	}
	for _, mention := range m.GetMentions() {
		to = append(to, To{Bot: mention.GetBotId(), Kind: b2bv1.DeliveryKind_DELIVERY_KIND_MENTION})
	}
	if author := m.GetReplyToMessage().GetSenderId(); author != "" && !named(to, author) {
		to = append(to, To{Bot: author, Kind: b2bv1.DeliveryKind_DELIVERY_KIND_REPLY})
	}
	if m.GetMentionAll() {
		to = append(to, To{Kind: b2bv1.DeliveryKind_DELIVERY_KIND_ALL})
	}
	return to
}

func named(to []To, bot string) bool {
	return slices.ContainsFunc(to, func(t To) bool { return t.Bot == bot })
}
