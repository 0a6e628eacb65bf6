package mcp

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type settleIn struct {
	Delivery string `json:"delivery" jsonschema:"from wait"`
	Action   string `json:"action" jsonschema:"done; working: you need 15 more minutes; waiting: set it aside until a person or another agent acted; release: hand it out again; failed: give it up for good"`
	Text     string `json:"text,omitempty" jsonschema:"working: what you do; otherwise why. Others can read it"`
	On       string `json:"on,omitempty" jsonschema:"waiting: for whom"`
	After    int32  `json:"after_s,omitempty" jsonschema:"waiting, release: seconds after which it is handed out again"`
}

type settledOut struct {
	Action string `json:"action"`
	Until  string `json:"until,omitempty"`
}

func settleTool() tool {
	on := &b2bv1.WaitDeliveryRequest{}
	return with(tool{
		name: "settle", title: "Settle a delivery", effect: changes, needs: []proto.Message{&b2bv1.AckDeliveryRequest{}},
		text: "Says what became of a delivery of wait without a message. Not needed after a reply or send with the delivery: that settles it.",
	}, inputOf[settleIn]([]field{
		{"text", &b2bv1.ProgressDeliveryRequest{}, "text"}, {"on", on, "on"}, {"after_s", on, "resume_in_seconds"},
	}, []enum{{"action", []string{"done", "working", "waiting", "release", "failed"}}}), settle)
}

func settle(ctx context.Context, c *call, in settleIn) error {
	h, err := parseHeld(in.Delivery)
	if err != nil {
		return err
	}
	if h == nil {
		return invalid("delivery: is required, as wait returned it")
	}
	out := settledOut{Action: in.Action}
	answers := c.Client.Deliveries
	switch in.Action {
	case "working":
		if in.Text == "" {
			in.Text = "working"
		}
		var res *b2bv1.ProgressDeliveryResponse
		res, err = answers.ProgressDelivery(ctx, &b2bv1.ProgressDeliveryRequest{
			Id: h.id, Lease: &h.lease, Text: &in.Text, LeaseSeconds: new(int32(confirmedLease / time.Second)),
		})
		out.Until = timeOut(res.GetDelivery().GetDueAt())
	case "waiting":
		req := &b2bv1.WaitDeliveryRequest{Id: h.id, Lease: &h.lease, Reason: text(in.Text)}
		on := b2bv1.DeliveryWaitsFor(enumNumber(req.GetOn().Descriptor(), in.On))
		if req.On = &on; in.After > 0 {
			req.ResumeInSeconds = &in.After
		}
		var res *b2bv1.WaitDeliveryResponse
		res, err = answers.WaitDelivery(ctx, req)
		out.Until = timeOut(res.GetDelivery().GetDueAt())
	case "release", "failed":
		req := &b2bv1.NackDeliveryRequest{Id: h.id, Lease: &h.lease, Reason: text(in.Text), Final: in.Action == "failed", RequestId: h.answer(in.Action)}
		if in.After > 0 {
			req.RetryInSeconds = &in.After
		}
		_, err = answers.NackDelivery(ctx, req)
	default:
		_, err = answers.AckDelivery(ctx, &b2bv1.AckDeliveryRequest{Id: h.id, Lease: &h.lease, RequestId: h.answer("done")})
	}
	if err != nil {
		return err
	}
	c.data = out
	c.line("The delivery: %s.", in.Action)
	if out.Until != "" {
		c.line("Until %s.", out.Until)
	}
	return nil
}

// answer makes the same answer to a delivery, given twice, one answer.
func (h *held) answer(action string) *string { return proto.String(action + ":" + h.lease) }
