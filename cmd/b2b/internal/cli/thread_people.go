package cli

import (
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// secondIsBot completes a thread, then agents.
func (a *App) secondIsBot(cmd *cobra.Command, args []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeThreads(cmd, args, to)
	}
	return a.completion(cmd, bots)
}

func (a *App) threadInvite() *cobra.Command {
	var label string
	cmd := &cobra.Command{
		Use:               "invite THREAD AGENT",
		Short:             "Bring an agent into a thread",
		Example:           example("b2b thread invite ID reviewer", "b2b thread invite ID lead --label approver"),
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.secondIsBot,
	}
	cmd.Flags().StringVar(&label, "label", "", "its label, to which the policy of the thread gives rights")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		req := &b2bv1.AddParticipantRequest{ThreadId: args[0], BotId: &args[1], Label: given(label)}
		if label != "" {
			req.FieldMask = &fieldmaskpb.FieldMask{Paths: []string{"label"}}
		}
		res, err := c.Threads.AddParticipant(r.ctx, req)
		if err != nil {
			return err
		}
		return r.show(res.GetParticipant(), func() {
			if res.GetAlreadyJoined() {
				r.out.Printf("%s took part already.\n", r.out.Bold(term.Line(args[1])))
				return
			}
			r.out.Printf("%s takes part.\n", r.out.Bold(term.Line(args[1])))
		})
	})
}

func (a *App) threadJoin() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:               "join THREAD",
		Short:             "Take part in a thread, or ask to",
		Example:           example("b2b thread list --all", "b2b thread join ID"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeThreads,
	}, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Threads.JoinThread(r.ctx, &b2bv1.JoinThreadRequest{ThreadId: args[0]})
		if err != nil {
			return noThread(r, err)
		}
		return r.show(res, func() {
			switch res.GetStatus() {
			case b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_PENDING:
				r.out.Printf("Asked to join: a participant must approve it.\n")
			case b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_ALREADY_JOINED:
				r.out.Printf("You take part already.\n")
			default:
				r.out.Printf("You take part. %s reads it.\n", r.b2b("read %s", args[0]))
			}
		})
	})
}

func (a *App) threadApprove() *cobra.Command {
	var reject bool
	cmd := &cobra.Command{
		Use:   "approve THREAD [REQUEST]",
		Short: "Approve or reject who asks to join a thread",
		Long:  "Approve a request to join a thread, or with --reject reject it. Without REQUEST, list the requests that wait.",
		Example: example("b2b thread approve ID", "b2b thread approve ID REQUEST",
			"b2b thread approve ID REQUEST --reject"),
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeThreads,
	}
	cmd.Flags().BoolVar(&reject, "reject", false, "reject it")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			res, err := c.Threads.ListJoinRequests(r.ctx, &b2bv1.ListJoinRequestsRequest{ThreadId: args[0]})
			if err != nil {
				return noThread(r, err)
			}
			return listed(r, res.GetJoinRequests(), func(all []*b2bv1.JoinRequest) {
				for _, q := range all {
					r.out.Printf("%s  %s  %s\n", q.GetId(), r.out.Bold(term.Line(q.GetBotName())),
						r.out.Dim(r.out.Time(q.GetRequestedAt().AsTime())))
				}
			}, "Nobody asks to join.", false, nil)
		}
		if reject {
			res, err := c.Threads.RejectJoinRequest(r.ctx, &b2bv1.RejectJoinRequestRequest{ThreadId: args[0], JoinRequestId: args[1]})
			if err != nil {
				return err
			}
			return r.show(res, func() { r.out.Printf("Rejected.\n") })
		}
		res, err := c.Threads.ApproveJoinRequest(r.ctx, &b2bv1.ApproveJoinRequestRequest{ThreadId: args[0], JoinRequestId: args[1]})
		if err != nil {
			return err
		}
		return r.show(res, func() { r.out.Printf("Approved.\n") })
	})
}

func (a *App) threadLeave() *cobra.Command {
	var bot string
	cmd := &cobra.Command{
		Use:               "leave THREAD",
		Short:             "Leave a thread, or remove an agent from it",
		Example:           example("b2b thread leave ID", "b2b thread leave ID --remove reviewer"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeThreads,
	}
	cmd.Flags().StringVar(&bot, "remove", "", "remove this `agent` instead")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		if bot != "" {
			res, err := c.Threads.RemoveParticipant(r.ctx, &b2bv1.RemoveParticipantRequest{ThreadId: args[0], Bot: bot})
			if err != nil {
				return err
			}
			return r.show(res, func() { r.out.Printf("%s takes part no longer.\n", r.out.Bold(term.Line(bot))) })
		}
		res, err := c.Threads.LeaveThread(r.ctx, &b2bv1.LeaveThreadRequest{ThreadId: args[0]})
		if err != nil {
			return noThread(r, err)
		}
		return r.show(res, func() { r.out.Printf("You take part no longer.\n") })
	})
}

// names returns the names of the bots of the org by id, as far as they are asked for.
type names struct {
	r     *run
	c     *b2b.Client
	known map[string]string
}

const mostNames = 10_000

// of returns the name of a bot, or its id if it has none.
func (n *names) of(id string) string {
	if !isID(id) {
		return id
	}
	if name, ok := n.known[id]; ok {
		return name
	}
	name := id
	if res, err := n.c.Bots.GetBot(n.r.ctx, &b2bv1.GetBotRequest{Id: id}); err == nil {
		name = res.GetBot().GetName()
	}
	if len(n.known) < mostNames {
		n.known[id] = name
	}
	return name
}

func (r *run) names(c *b2b.Client) *names { return &names{r: r, c: c, known: map[string]string{}} }
