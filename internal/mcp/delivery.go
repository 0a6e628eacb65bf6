package mcp

import (
	"fmt"
	"strings"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// deliveryOut is what somebody wants of the agent.
type deliveryOut struct {
	Delivery  string        `json:"delivery"`
	Kind      string        `json:"kind"`
	Attempt   int32         `json:"attempt"`
	Until     string        `json:"yours_until"`
	ThreadID  string        `json:"thread_id,omitempty"`
	Channel   string        `json:"channel,omitempty"`
	Event     string        `json:"event,omitempty"` // what happened, if it is not a message
	Message   *messageOut   `json:"message,omitempty"`
	Thread    *threadOut    `json:"thread,omitempty"`
	Earlier   []messageOut  `json:"earlier,omitempty"`
	Artifacts []artifactOut `json:"artifacts,omitempty"`
	Answer    string        `json:"answer"`
}

// mostEvent is how many bytes of the message that is to be answered are shown.
const mostEvent = 8 << 10

// deliver writes a delivery to the result: first what is to be answered, then what led to it.
func (c *call) deliver(d *b2bv1.Delivery) error {
	h := held{id: d.GetId(), lease: d.GetLease()}
	out := deliveryOut{
		Delivery: h.String(), Kind: kindOf(d), Attempt: d.GetAttempt(), Until: timeOut(d.GetDueAt()),
		ThreadID: d.GetThreadId(), Channel: d.GetChannelId(),
	}
	event := d.GetEvent()
	switch {
	case event.GetMessage() != nil:
		m := event.GetMessage().GetMessage()
		shown := c.message(m, place{kind: "c", in: m.GetChannelId()}, mostEvent)
		if shown.From == "" {
			shown.From = clean(event.GetMessage().GetSenderName())
		}
		out.Message = &shown
	case event.GetThreadMessage() != nil:
		shown := c.message(event.GetThreadMessage().GetMessage(), place{kind: "t", in: d.GetThreadId()}, mostEvent)
		out.Message = &shown
	default:
		out.Event, _ = c.take(eventLine(event), messageBytes)
	}
	c.context(d.GetContext(), &out)
	out.Answer = answerHint(d, out.Message)
	c.data = waitOut{Delivery: &out}
	c.showDelivery(&out)
	return nil
}

// context takes what led to a delivery to the result, the newest messages first.
func (c *call) context(x *b2bv1.DeliveryContext, out *deliveryOut) {
	if x.GetThread() != nil {
		t := c.thread(x.GetThread(), true)
		out.Thread = &t
	}
	for i := len(x.GetMessages()) - 1; i >= 0 && !c.full(); i-- {
		m := x.GetMessages()[i]
		if out.Message != nil && m.GetId() == out.Message.ID {
			continue
		}
		shown := c.message(m, place{kind: "t", in: out.ThreadID}, messageBytes/2)
		out.Earlier = append([]messageOut{shown}, out.Earlier...)
	}
	for _, a := range x.GetArtifacts() {
		out.Artifacts = append(out.Artifacts, c.artifact(a, 0))
	}
}

func (p *page) showDelivery(out *deliveryOut) {
	p.line("delivery=%s", out.Delivery)
	p.line("kind: %s, yours until %s (attempt %d)", out.Kind, out.Until, out.Attempt)
	if out.Thread != nil {
		p.showThread(*out.Thread)
	}
	if len(out.Earlier) > 0 {
		p.about("earlier:")
		for _, m := range out.Earlier {
			p.showMessage(m)
		}
	}
	for _, a := range out.Artifacts {
		p.showArtifact(a)
	}
	p.about("for you:")
	if out.Message != nil {
		p.showMessage(*out.Message)
	}
	p.body(out.Event)
	p.line("%s", out.Answer)
}

// answerHint says how a delivery is answered.
func answerHint(d *b2bv1.Delivery, m *messageOut) string {
	e := d.GetEvent()
	switch {
	case e.GetMessage() != nil:
		to := nameOf(m.From)
		if !strings.HasPrefix(to, "@") {
			to = m.FromID
		}
		return "Answer: send to=" + strings.TrimPrefix(to, "@") + " with this delivery. Nothing to say: settle action=done."
	case e.GetThreadMessage() != nil:
		return fmt.Sprintf("Answer: reply thread=%s reply_to=%s with this delivery. Nothing to say: settle action=done.", d.GetThreadId(), m.ID)
	case e.GetDecisionAsked() != nil:
		return "Answer: ask action=answer decision=" + e.GetDecisionAsked().GetDecision().GetId() + ", then settle action=done."
	case e.GetThreadJoinRequest() != nil:
		return fmt.Sprintf("Answer: update_thread thread=%s approve or reject=%s, then settle action=done.", d.GetThreadId(), e.GetThreadJoinRequest().GetRequestId())
	}
	return "When you have taken note of it: settle action=done."
}

// eventLine says what happened, of an event that is no message.
func eventLine(e *b2bv1.Event) string {
	switch {
	case e.GetDecisionAsked() != nil:
		return decisionLine(e.GetDecisionAsked().GetDecision())
	case e.GetDecisionClosed() != nil:
		return decisionLine(e.GetDecisionClosed().GetDecision())
	case e.GetThreadJoinRequest() != nil:
		return nameOf(e.GetThreadJoinRequest().GetBotName()) + " asks to join the thread."
	case e.GetThreadJoinResolved() != nil:
		return "Your request to join was answered: " + b2b.EnumText(e.GetThreadJoinResolved().GetStatus())
	case e.GetDeliveryUpdated() != nil:
		u := e.GetDeliveryUpdated()
		return fmt.Sprintf("Your message %s is %s at %s. %s", u.GetMessageId(), b2b.EnumText(u.GetReceipt().GetState()), nameOf(u.GetReceipt().GetName()), u.GetReceipt().GetReason())
	case e.GetDeliveryEscalated() != nil:
		return "A message was not acknowledged in time, and is escalated to you: message " + e.GetDeliveryEscalated().GetOverdue().GetMessageId()
	case e.GetBotJoinRequest() != nil:
		return nameOf(e.GetBotJoinRequest().GetBot().GetName()) + " asks to join the org."
	}
	return b2b.FormatLifecycleEvent(e, nil)
}
