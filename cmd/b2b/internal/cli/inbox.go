package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) inbox() *cobra.Command {
	var l limited
	var state, thread string
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "List what is addressed to you and not done",
		Long: "List the deliveries of the inbox that are not done: direct messages, mentions, replies,\n" +
			"invitations, decisions. b2b wait takes them up, one by one.",
		Example: example("b2b inbox", "b2b inbox --state dead", "b2b inbox --json | jq -r .id"),
	}
	f := cmd.Flags()
	f.StringVar(&state, "state", "", "only those that are queued, leased, waiting, failed or dead")
	f.StringVar(&thread, "thread", "", "only those of the thread with this `id`")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		in, err := givenEnum[b2bv1.DeliveryState]("--state", state)
		if err != nil {
			return err
		}
		req := &b2bv1.ListDeliveriesRequest{ThreadId: given(thread), State: in, Limit: l.page()}
		c, err := r.connect()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachDelivery(r.ctx, req), r.deliveries, "Nothing waits.")
	}, paged)
}

// deliveries writes a table of deliveries.
func (r *run) deliveries(all []*b2bv1.Delivery) {
	var rows [][]string
	for _, d := range all {
		where := "direct message"
		if d.GetThreadId() != "" {
			where = "thread " + d.GetThreadId()
		}
		about := d.GetProgress()
		if about == "" {
			about = d.GetReason()
		}
		rows = append(rows, []string{d.GetId(), b2b.EnumText(d.GetKind()), b2b.EnumText(d.GetState()),
			r.out.Time(d.GetCreatedAt().AsTime()),
			where, term.Line(about)})
	}
	r.out.Table(rows, func(column int, cell string) string {
		switch {
		case column == 0:
			return r.out.Bold(cell)
		case column == 2 && (cell == "dead" || cell == "failed"):
			return r.out.Red(cell)
		case column == 3:
			return r.out.Dim(cell)
		}
		return cell
	})
}

const (
	claimWait  = 30 * time.Second // that one call waits
	usualLease = time.Minute
)

func (a *App) wait() *cobra.Command {
	var most int
	var lease time.Duration
	var kinds []string
	var thread string
	var whole bool
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until something is addressed to you, and take it up",
		Long: "Wait until something is addressed to you, and take it up: nobody else gets it while the\n" +
			"lease lasts. Settle it with an answer (--settles), with b2b ack, or give it back with\n" +
			"b2b nack; otherwise it is handed out again when the lease ends. The exit status is 10 if\n" +
			"nothing came within --timeout.",
		Example: example("b2b wait", "b2b wait --timeout 10m --lease 5m --json", "b2b wait --kind direct,mention --thread 01890a5d-…",
			"while b2b wait --timeout 0 --json >item.json; do ./handle item.json; done"),
	}
	f := cmd.Flags()
	f.IntVar(&most, "max", 1, "take up to this many")
	f.DurationVar(&lease, "lease", usualLease, "how long you have it, unless you extend that")
	f.StringSliceVar(&kinds, "kind", nil, "only these kinds: direct, mention, reply, all, invitation, decision, …")
	f.StringVar(&thread, "thread", "", "only what is in the thread with this `id`")
	f.BoolVar(&whole, "context", false, "with the thread, its newest messages and changed artifacts")
	return a.verb(cmd, func(r *run, _ []string) error {
		req := &b2bv1.ClaimInboxRequest{Max: proto.Int32(int32(most)), LeaseSeconds: proto.Int32(int32(lease / time.Second)),
			ThreadId: given(thread), Context: whole}
		var err error
		if req.Kinds, err = enumsOf[b2bv1.DeliveryKind]("--kind", kinds); err != nil {
			return err
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		items, err := r.claim(c, req)
		if err != nil {
			return err
		}
		return listed(r, items, func(all []*b2bv1.Delivery) {
			for _, d := range all {
				r.delivery(d)
			}
		}, "", false, nil)
	})
}

// claim asks for deliveries until there are some or the time is over.
func (r *run) claim(c *b2b.Client, req *b2bv1.ClaimInboxRequest) ([]*b2bv1.Delivery, error) {
	for {
		wait := claimWait
		if end, ok := r.ctx.Deadline(); ok {
			wait = min(wait, time.Until(end)-time.Second) // the answer needs time, too
		}
		req.RequestId, req.WaitSeconds = proto.String(rand.Text()), proto.Int32(int32(max(wait, 0)/time.Second))
		res, err := c.Deliveries.ClaimInbox(r.ctx, req)
		switch {
		case err == nil && len(res.GetItems()) > 0:
			return res.GetItems(), nil
		case err == nil && wait < time.Second, err != nil && r.ctx.Err() != nil && b2b.DetailOf(err) == nil && r.timedOut():
			r.note("Nothing came within %v.", r.timeout)
			return nil, errNothing
		case err != nil:
			return nil, err
		}
	}
}

// delivery writes a delivery that was taken up, and how to settle it.
func (r *run) delivery(d *b2bv1.Delivery) {
	what := b2b.EnumText(d.GetKind())
	r.out.Printf("%s  %s\n", r.out.Cyan(what+", delivery "+d.GetId()), r.out.Dim(r.out.Time(d.GetCreatedAt().AsTime())))
	if t := d.GetContext().GetThread(); t != nil {
		r.out.Printf("  %s %s (%s)\n", r.out.Dim("thread"), term.Line(t.GetTopic()), b2b.EnumText(t.GetStatus()))
	}
	answer := ""
	switch e := d.GetEvent().GetEvent().(type) {
	case *b2bv1.Event_Message:
		r.message(e.Message.GetMessage(), e.Message.GetSenderName())
		answer = r.b2b("send %s --settles %s:%s", e.Message.GetSenderName(), d.GetId(), d.GetLease())
	case *b2bv1.Event_ThreadMessage:
		r.message(e.ThreadMessage.GetMessage(), e.ThreadMessage.GetMessage().GetSenderName())
		answer = r.b2b("thread post %s --reply-to %s --settles %s:%s", d.GetThreadId(), e.ThreadMessage.GetMessage().GetId(),
			d.GetId(), d.GetLease())
	case *b2bv1.Event_DecisionAsked:
		r.decision(e.DecisionAsked.GetDecision())
		answer = r.b2b("decide answer %s ANSWER", e.DecisionAsked.GetDecision().GetId())
	default:
		if text := r.eventLine(d.GetEvent(), nil); text != "" {
			r.out.Body("  ", text)
		}
		if d.GetThreadId() != "" {
			answer = r.b2b("thread show %s", d.GetThreadId())
		}
	}
	if answer != "" {
		r.note("Act:     %s", term.Line(answer))
	}
	r.note("Settle:  %s", term.Line(r.b2b("ack %s %s", d.GetId(), d.GetLease())))
}

// taken reads which delivery a verb is about: ID LEASE, or ID:LEASE.
func taken(args []string) (id, lease string, err error) {
	if len(args) == 2 {
		return args[0], args[1], nil
	}
	id, lease, ok := strings.Cut(args[0], ":")
	if !ok || id == "" || lease == "" {
		return "", "", usageError("the lease is missing: give ID LEASE or ID:LEASE, as b2b wait prints them")
	}
	return id, lease, nil
}

func (a *App) ack() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "ack ID LEASE",
		Short:   "Settle what you took up: it is done",
		Long:    "Settle a delivery that b2b wait took up: it is done, and not handed out again.",
		Example: example("b2b ack 42 3f0c…", "b2b ack 42:3f0c…"),
		Args:    cobra.RangeArgs(1, 2),
	}, func(r *run, args []string) error {
		id, lease, err := taken(args)
		if err != nil {
			return err
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Deliveries.AckDelivery(r.ctx, &b2bv1.AckDeliveryRequest{Id: id, Lease: &lease})
		if err != nil {
			return lost(err)
		}
		return r.show(res, func() { r.out.Printf("Settled %s.\n", term.Line(id)) })
	})
}

// lost adds what it means that a lease has ended.
func lost(err error) error {
	return hintFor(err, b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST,
		"The lease has ended, so another worker may have it. Stop working on it; b2b wait takes up the next.")
}

func (a *App) nack() *cobra.Command {
	var reason string
	var retryIn time.Duration
	var final bool
	cmd := &cobra.Command{
		Use:     "nack ID LEASE",
		Short:   "Give back what you took up",
		Long:    "Give back a delivery that b2b wait took up: it is handed out again later, or has failed for good.",
		Example: example(`b2b nack 42 3f0c… --reason "no access to the repository" --retry-in 10m`, "b2b nack 42:3f0c… --final"),
		Args:    cobra.RangeArgs(1, 2),
	}
	f := cmd.Flags()
	f.StringVar(&reason, "reason", "", "why, for others to read")
	f.DurationVar(&retryIn, "retry-in", 0, "when it is handed out again at the earliest (default later with each attempt)")
	f.BoolVar(&final, "final", false, "it has failed, and is not handed out again by itself")
	return a.verb(cmd, func(r *run, args []string) error {
		id, lease, err := taken(args)
		if err != nil {
			return err
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		req := &b2bv1.NackDeliveryRequest{Id: id, Lease: &lease, Reason: given(reason), Final: final}
		if cmd.Flags().Changed("retry-in") {
			req.RetryInSeconds = proto.Int32(int32(retryIn / time.Second))
		}
		res, err := c.Deliveries.NackDelivery(r.ctx, req)
		if err != nil {
			return lost(err)
		}
		return r.show(res.GetDelivery(), func() {
			r.out.Printf("Gave back %s: %s\n", term.Line(id), b2b.EnumText(res.GetDelivery().GetState()))
		})
	})
}

func (a *App) extend() *cobra.Command {
	var more time.Duration
	var progress string
	cmd := &cobra.Command{
		Use:     "extend ID LEASE",
		Short:   "Keep what you took up for longer, and say what you do",
		Example: example("b2b extend 42 3f0c… --lease 5m", `b2b extend 42:3f0c… --progress "tests run"`),
		Args:    cobra.RangeArgs(1, 2),
	}
	f := cmd.Flags()
	f.DurationVar(&more, "lease", usualLease, "how long you have it from now on")
	f.StringVar(&progress, "progress", "", "what you do, for others to read")
	return a.verb(cmd, func(r *run, args []string) error {
		id, lease, err := taken(args)
		if err != nil {
			return err
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		seconds := proto.Int32(int32(more / time.Second))
		var d *b2bv1.Delivery
		if progress != "" {
			var res *b2bv1.ProgressDeliveryResponse
			res, err = c.Deliveries.ProgressDelivery(r.ctx, &b2bv1.ProgressDeliveryRequest{Id: id, Lease: &lease, Text: &progress,
				LeaseSeconds: seconds})
			d = res.GetDelivery()
		} else {
			var res *b2bv1.ExtendDeliveryResponse
			res, err = c.Deliveries.ExtendDelivery(r.ctx, &b2bv1.ExtendDeliveryRequest{Id: id, Lease: &lease, LeaseSeconds: seconds})
			d = res.GetDelivery()
		}
		if err != nil {
			return lost(err)
		}
		return r.show(d, func() {
			r.out.Printf("You have %s until %s.\n", term.Line(id), d.GetDueAt().AsTime().UTC().Format(time.RFC3339))
		})
	})
}

// timedOut reports whether the time of --timeout is over.
func (r *run) timedOut() bool { return errors.Is(context.Cause(r.ctx), errTimeout) }
