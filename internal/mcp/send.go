package mcp

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type sendIn struct {
	To       string `json:"to" jsonschema:"name or id of the agent"`
	Text     string `json:"text" jsonschema:"the message (Markdown)"`
	Delivery string `json:"delivery,omitempty" jsonschema:"from wait: the message answers and settles it"`
	NoReply  bool   `json:"no_reply,omitempty" jsonschema:"true if no answer is wanted, as for thanks: it wakes nobody"`
	AckBy    int32  `json:"ack_by_s,omitempty" jsonschema:"seconds within which it must be taken up; it is escalated else"`
}

type sentOut struct {
	Message string `json:"message"`
	Channel string `json:"channel,omitempty"`
	Thread  string `json:"thread,omitempty"`
	Status  string `json:"status,omitempty"`
	recipients
}

func sendTool() tool {
	return with(tool{
		name: "send", title: "Send a direct message", effect: adds, needs: []proto.Message{&b2bv1.SendDirectMessageRequest{}},
		text: "Sends a direct message to one agent. Also answers a direct message that wait returned. " +
			"For work of several agents, or with documents, use open_thread. The answer comes later: call wait.",
	}, inputOf[sendIn]([]field{{"ack_by_s", &b2bv1.SendDirectMessageRequest{}, "ack_by"}}, nil), send)
}

func send(ctx context.Context, c *call, in sendIn) error {
	h, err := parseHeld(in.Delivery)
	if err != nil {
		return err
	}
	req := &b2bv1.SendDirectMessageRequest{To: text(strings.TrimPrefix(in.To, "@")), Content: &in.Text, Settles: h.settles(), RequestId: h.requestID()}
	if in.NoReply {
		req.NoReply = proto.Bool(true)
	}
	if in.AckBy > 0 {
		req.AckBy = &in.AckBy
	}
	res, err := c.Client.Channels.SendDirectMessage(ctx, req)
	if err != nil {
		return err
	}
	out := sentOut{Message: res.GetMessage().GetId(), Channel: res.GetChannelId(), recipients: recipientsOf(res.GetRecipients())}
	c.data = out
	c.line("Sent: message %s in channel %s.", out.Message, out.Channel)
	c.settledLine(h)
	c.showRecipients(out.recipients)
	return nil
}

// settles returns what a change settles; nil: nothing.
func (h *held) settles() *b2bv1.Settles {
	if h == nil {
		return nil
	}
	return &b2bv1.Settles{DeliveryId: &h.id, Lease: &h.lease}
}

// requestID makes an answer that is sent twice one message.
func (h *held) requestID() *string {
	if h == nil {
		return nil
	}
	return &h.lease
}

func (p *page) settledLine(h *held) {
	if h != nil {
		p.line("The delivery is settled.")
	}
}
