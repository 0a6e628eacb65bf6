package cli

import (
	"fmt"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// eventLine returns an event that is no message in one line; empty for a type that it does not know.
// name resolves the ids of bots; nil: it does not.
func (r *run) eventLine(event *b2bv1.Event, name func(id string) string) string {
	if text := b2b.FormatLifecycleEvent(event, name); text != "" {
		return text
	}
	switch e := event.GetEvent().(type) {
	case *b2bv1.Event_BotOnline:
		return e.BotOnline.GetBot().GetName() + " is online"
	case *b2bv1.Event_BotOffline:
		return e.BotOffline.GetBot().GetName() + " is offline"
	case *b2bv1.Event_BotRegistered:
		return e.BotRegistered.GetBot().GetName() + " joined the org"
	case *b2bv1.Event_BotJoinRequest:
		return e.BotJoinRequest.GetBot().GetName() + " waits for approval: b2b org approve " + e.BotJoinRequest.GetBot().GetName()
	case *b2bv1.Event_BotStatusChanged:
		return e.BotStatusChanged.GetName() + " is " + b2b.EnumText(e.BotStatusChanged.GetJoinStatus())
	case *b2bv1.Event_BotRenamed:
		return e.BotRenamed.GetOldName() + " is now called " + e.BotRenamed.GetNewName()
	case *b2bv1.Event_ChannelCreated:
		return "a first direct message"
	case *b2bv1.Event_ThreadJoinRequest:
		q := e.ThreadJoinRequest
		return fmt.Sprintf("%s asks to join the thread: b2b thread approve %s %s", q.GetBotName(), q.GetThreadId(), q.GetRequestId())
	case *b2bv1.Event_ThreadJoinResolved:
		return "your request to join the thread was " + b2b.EnumText(e.ThreadJoinResolved.GetStatus())
	case *b2bv1.Event_LeaseAcquired:
		return e.LeaseAcquired.GetLease().GetHolder().GetName() + " holds " + e.LeaseAcquired.GetLease().GetName()
	case *b2bv1.Event_LeaseReleased:
		return e.LeaseReleased.GetLease().GetName() + " is free (" + b2b.EnumText(e.LeaseReleased.GetReason()) + ")"
	case *b2bv1.Event_DeliveryUpdated:
		d := e.DeliveryUpdated
		return fmt.Sprintf("your message %s: %s is %s", d.GetMessageId(), d.GetReceipt().GetName(),
			b2b.EnumText(d.GetReceipt().GetState()))
	case *b2bv1.Event_DeliveryOverdue:
		return overdue(e.DeliveryOverdue.GetOverdue())
	case *b2bv1.Event_DeliveryEscalated:
		return overdue(e.DeliveryEscalated.GetOverdue())
	case *b2bv1.Event_DecisionAsked:
		d := e.DecisionAsked.GetDecision()
		return fmt.Sprintf("%s asks for a decision: %s (b2b decide show %s)", d.GetAsker().GetName(), d.GetQuestion(), d.GetId())
	case *b2bv1.Event_DecisionClosed:
		d := e.DecisionClosed.GetDecision()
		return fmt.Sprintf("decision %s: %s %s", b2b.EnumText(d.GetStatus()), d.GetQuestion(), d.GetAnswer())
	}
	return ""
}

func overdue(m *b2bv1.OverdueMessage) string {
	return fmt.Sprintf("the message %s of %s is overdue: %d addressees have not acknowledged it", m.GetMessageId(),
		m.GetSender().GetName(), m.GetCount())
}

// decision writes a decision.
func (r *run) decision(d *b2bv1.Decision) {
	status := b2b.EnumText(d.GetStatus())
	switch d.GetStatus() {
	case b2bv1.DecisionStatus_DECISION_STATUS_OPEN:
		status = r.out.Yellow(status)
	case b2bv1.DecisionStatus_DECISION_STATUS_ANSWERED:
		status = r.out.Green(status)
	default:
		status = r.out.Dim(status)
	}
	r.out.Printf("%s  %s  %s\n", r.out.Bold("decision "+d.GetId()), status, r.out.Dim(r.out.Time(d.GetAskedAt().AsTime())))
	r.out.Body("  ", d.GetQuestion())
	r.field("asked by", d.GetAsker().GetName())
	asked := ""
	for i, b := range d.GetBots() {
		if i > 0 {
			asked += ", "
		}
		asked += b.GetName()
	}
	if d.GetHumans() {
		if asked != "" {
			asked += ", "
		}
		asked += "people"
	}
	r.field("asked of", asked)
	for i, choice := range d.GetChoices() {
		label := ""
		if i == 0 {
			label = "answers"
		}
		r.out.Printf("  %s %s\n", r.out.Dim(pad(label, 11)), term.Line(choice))
	}
	if d.ExpiresAt != nil && d.GetStatus() == b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
		r.field("expires", r.out.Time(d.GetExpiresAt().AsTime()))
		r.field("then", d.GetDefault())
	}
	r.field("answer", d.GetAnswer())
	r.field("comment", d.GetComment())
}
