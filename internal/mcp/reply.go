package mcp

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

type replyIn struct {
	Thread      string   `json:"thread" jsonschema:"id of the thread"`
	Text        string   `json:"text" jsonschema:"the message (Markdown)"`
	Delivery    string   `json:"delivery,omitempty" jsonschema:"from wait: the message answers and settles it"`
	ReplyTo     string   `json:"reply_to,omitempty" jsonschema:"id of the message that it answers: its author is woken"`
	Mentions    []string `json:"mentions,omitempty" jsonschema:"names of participants who shall act; all for everybody"`
	Status      string   `json:"status,omitempty" jsonschema:"the new status: reviewing if results are to be checked, blocked if you need a person, resolved if the goal is reached"`
	CloseReason string   `json:"close_reason,omitempty" jsonschema:"with the status closed"`
	NoReply     bool     `json:"no_reply,omitempty" jsonschema:"true if no answer is wanted, as for reports: it wakes nobody"`
}

func replyTool() tool {
	update := &b2bv1.UpdateThreadRequest{}
	return with(tool{
		name: "reply", title: "Post to a thread", effect: adds, needs: []proto.Message{&b2bv1.SendThreadMessageRequest{}},
		text: "Posts a message to a thread in which you take part, also as the answer to a delivery, and can set the status of the thread with it. " +
			"Only mentioned agents and the author of reply_to are woken. Put long results into artifact.",
	}, inputOf[replyIn]([]field{{"status", update, "status"}, {"close_reason", update, "close_reason"}}, nil), reply)
}

type repliedOut struct {
	sentOut
	Failed *failure `json:"failed,omitempty"` // of the status
}

func reply(ctx context.Context, c *call, in replyIn) error {
	h, err := parseHeld(in.Delivery)
	if err != nil {
		return err
	}
	message := mentioning(in.Text, in.Mentions)
	sent, err := c.Client.SendToThread(ctx, in.Thread, message, func(r *b2bv1.SendThreadMessageRequest) {
		r.ReplyTo, r.Settles, r.RequestId = text(in.ReplyTo), h.settles(), h.requestID()
		if in.NoReply {
			r.NoReply = proto.Bool(true)
		}
	})
	if err != nil {
		return err
	}
	out := repliedOut{sentOut: sentOut{Message: sent.GetId(), Thread: in.Thread, recipients: recipientsOf(sent.GetRecipients())}}
	c.line("Sent: message %s.", out.Message)
	c.settledLine(h)
	c.showRecipients(out.recipients)
	if in.Status != "" {
		req := &b2bv1.UpdateThreadRequest{ThreadId: in.Thread}
		setStatus(req, in.Status, in.CloseReason)
		if _, err := c.Client.Threads.UpdateThread(ctx, req); err != nil {
			out.Failed = failureOf(err)
			c.line("The status was NOT changed: %s", out.Failed.Error())
		} else {
			out.Status = in.Status
			c.line("The thread is %s.", in.Status)
		}
	}
	c.data = out
	return nil
}

// mentioning returns a text that mentions agents: those that it does not mention already come first.
func mentioning(message string, names []string) string {
	var missing []string
	for _, name := range names {
		name = "@" + strings.TrimPrefix(name, "@")
		if !strings.Contains(message, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return message
	}
	return strings.Join(missing, " ") + " " + message
}

func setStatus(req *b2bv1.UpdateThreadRequest, status, reason string) {
	if status != "" {
		req.Status = b2bv1.ThreadStatus(enumNumber(req.GetStatus().Descriptor(), status)).Enum()
	}
	if reason != "" {
		req.CloseReason = b2bv1.CloseReason(enumNumber(req.GetCloseReason().Descriptor(), reason)).Enum()
	}
}

type updateIn struct {
	Thread      string   `json:"thread" jsonschema:"id of the thread"`
	Status      string   `json:"status,omitempty"`
	CloseReason string   `json:"close_reason,omitempty" jsonschema:"with the status closed"`
	Topic       string   `json:"topic,omitempty"`
	Context     string   `json:"context,omitempty"`
	Invite      []string `json:"invite,omitempty" jsonschema:"names or ids of agents to add"`
	Remove      string   `json:"remove,omitempty" jsonschema:"name or id of an agent to remove"`
	Join        bool     `json:"join,omitempty" jsonschema:"true: join it yourself"`
	Leave       bool     `json:"leave,omitempty" jsonschema:"true: leave it"`
	Approve     string   `json:"approve,omitempty" jsonschema:"id of a request to join"`
	Reject      string   `json:"reject,omitempty" jsonschema:"id of a request to join"`
	Revision    int64    `json:"revision,omitempty" jsonschema:"change it only if it still has this revision"`
	Delivery    string   `json:"delivery,omitempty" jsonschema:"from wait: a change of status, topic or context settles it"`
}

func updateThreadTool() tool {
	update := &b2bv1.UpdateThreadRequest{}
	return with(tool{
		name: "update_thread", title: "Change a thread", effect: changes, needs: []proto.Message{update},
		text: "Changes a thread without a message: its status, topic or context, who takes part, requests to join. To say something with it, use reply.",
	}, inputOf[updateIn]([]field{
		{"status", update, "status"}, {"close_reason", update, "close_reason"}, {"topic", update, "topic"}, {"context", update, "context"},
		{"invite", &b2bv1.CreateThreadRequest{}, "participants"},
	}, nil), updateThread)
}

type updatedOut struct {
	Done   []string   `json:"done"`
	Thread *threadOut `json:"thread,omitempty"`
	Failed *failure   `json:"failed,omitempty"`
}

// updateThread makes the changes one after the other, and stops at the first that fails.
func updateThread(ctx context.Context, c *call, in updateIn) error {
	h, err := parseHeld(in.Delivery)
	if err != nil {
		return err
	}
	out := updatedOut{Done: []string{}}
	for _, step := range c.steps(in, h, &out) {
		if err := step(ctx); err != nil {
			if len(out.Done) == 0 {
				return err
			}
			out.Failed = failureOf(err)
			break
		}
	}
	if len(out.Done) == 0 {
		return invalid("say what to change")
	}
	c.data = out
	c.line("Done: %s.", strings.Join(out.Done, ", "))
	if out.Failed != nil {
		c.line("The next change FAILED: %s", out.Failed.Error())
	}
	if out.Thread != nil {
		c.showThread(*out.Thread)
	}
	return nil
}

// steps returns the changes that are asked for.
func (c *call) steps(in updateIn, h *held, out *updatedOut) (steps []func(context.Context) error) {
	threads, done := c.Client.Threads, func(what string) { out.Done = append(out.Done, what) }
	add := func(what string, do func(context.Context) error) {
		steps = append(steps, func(ctx context.Context) error {
			err := do(ctx)
			if err == nil {
				done(what)
			}
			return err
		})
	}
	if in.Join {
		steps = append(steps, func(ctx context.Context) error {
			res, err := threads.JoinThread(ctx, &b2bv1.JoinThreadRequest{ThreadId: in.Thread})
			if err == nil {
				done("join: " + enumText(res.GetStatus().Descriptor(), res.GetStatus().Number()))
			}
			return err
		})
	}
	for _, name := range in.Invite {
		name = strings.TrimPrefix(name, "@")
		add("invited "+nameOf(name), func(ctx context.Context) error {
			_, err := threads.AddParticipant(ctx, &b2bv1.AddParticipantRequest{ThreadId: in.Thread, BotId: &name})
			return err
		})
	}
	if in.Remove != "" {
		add("removed "+nameOf(in.Remove), func(ctx context.Context) error {
			_, err := threads.RemoveParticipant(ctx, &b2bv1.RemoveParticipantRequest{ThreadId: in.Thread, Bot: strings.TrimPrefix(in.Remove, "@")})
			return err
		})
	}
	if in.Approve != "" {
		add("approved", func(ctx context.Context) error {
			_, err := threads.ApproveJoinRequest(ctx, &b2bv1.ApproveJoinRequestRequest{ThreadId: in.Thread, JoinRequestId: in.Approve})
			return err
		})
	}
	if in.Reject != "" {
		add("rejected", func(ctx context.Context) error {
			_, err := threads.RejectJoinRequest(ctx, &b2bv1.RejectJoinRequestRequest{ThreadId: in.Thread, JoinRequestId: in.Reject})
			return err
		})
	}
	if in.Status != "" || in.Topic != "" || in.Context != "" {
		add("changed", func(ctx context.Context) error {
			req := &b2bv1.UpdateThreadRequest{ThreadId: in.Thread, Topic: text(in.Topic), Context: text(in.Context), Settles: h.settles()}
			setStatus(req, in.Status, in.CloseReason)
			if in.Revision > 0 {
				req.ExpectedRevision = &in.Revision
			}
			res, err := threads.UpdateThread(ctx, req)
			if err != nil {
				return err
			}
			thread := c.thread(res.GetThread(), false)
			out.Thread = &thread
			return nil
		})
	}
	if in.Leave {
		add("left", func(ctx context.Context) error {
			_, err := threads.LeaveThread(ctx, &b2bv1.LeaveThreadRequest{ThreadId: in.Thread})
			return err
		})
	}
	return steps
}
