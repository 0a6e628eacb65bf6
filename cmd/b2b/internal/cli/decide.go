package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) decide() *cobra.Command {
	return noun(&cobra.Command{
		Use:   "decide",
		Short: "Ask for decisions, and answer them",
		Example: example(`b2b decide ask THREAD "Deploy now?" --approve --people --wait`, "b2b decide list",
			"b2b decide answer ID approved"),
	}, a.decideAsk(), a.decideAnswer(), a.decideList(), a.decideShow(), a.decideWithdraw())
}

// question has the flags of decide ask.
type question struct {
	choices, of           []string
	approve, text, people bool
	label, otherwise      string
	expires               time.Duration
	blocks, wait          bool
}

func (a *App) decideAsk() *cobra.Command {
	var q question
	cmd := &cobra.Command{
		Use:   "ask THREAD|AGENT QUESTION…",
		Short: "Ask agents or people for a decision",
		Long: "Ask participants of a thread, or an agent with which you have direct messages, for a decision.\n" +
			"The first answer counts. With --wait the answer is printed when it is there.",
		Example: example(`b2b decide ask THREAD "Deploy now?" --approve --people --expires 1h --default rejected --wait`,
			`b2b decide ask THREAD "Which fix?" --choice small --choice clean --of engineering --blocks`,
			`b2b decide ask engineering "Which branch?" --text`),
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completePlaces,
	}
	f := cmd.Flags()
	f.BoolVar(&q.approve, "approve", false, "the answers are approved and rejected")
	f.StringArrayVar(&q.choices, "choice", nil, "a possible `answer`; several times for several")
	f.BoolVar(&q.text, "text", false, "the answer is any text")
	f.StringSliceVar(&q.of, "of", nil, "the `agents` that are asked")
	f.StringVar(&q.label, "label", "", "all participants with this label are asked")
	f.BoolVar(&q.people, "people", false, "people, the admins of the org, are asked")
	f.Var((*days)(&q.expires), "expires", "when it expires: 30m, 12h, 7d (default never)")
	f.StringVar(&q.otherwise, "default", "", "the `answer` when it expires")
	f.BoolVar(&q.blocks, "blocks", false, "the thread is blocked until it is decided")
	f.BoolVar(&q.wait, "wait", false, "wait for the answer, as long as --timeout says; without --timeout for ever")
	cmd.Flags().Lookup("expires").DefValue = ""
	return a.verb(cmd, func(r *run, args []string) error { return q.ask(r, args[0], strings.Join(args[1:], " ")) }, noTimeout)
}

func (q *question) kind() (b2bv1.DecisionKind, error) {
	n, kind := 0, b2bv1.DecisionKind_DECISION_KIND_UNSPECIFIED
	for _, k := range []struct {
		given bool
		kind  b2bv1.DecisionKind
	}{{q.approve, b2bv1.DecisionKind_DECISION_KIND_APPROVE}, {len(q.choices) > 0, b2bv1.DecisionKind_DECISION_KIND_CHOOSE},
		{q.text, b2bv1.DecisionKind_DECISION_KIND_INPUT}} {
		if k.given {
			n, kind = n+1, k.kind
		}
	}
	if n != 1 {
		return 0, usageError("what can be answered? Give one of --approve, --choice (several times) and --text")
	}
	return kind, nil
}

func (q *question) ask(r *run, where, text string) error {
	kind, err := q.kind()
	if err != nil {
		return err
	}
	c, err := r.connect()
	if err != nil {
		return err
	}
	at, err := r.place(c, where)
	if err != nil {
		return err
	}
	var choices, of *b2bv1.StringList
	if len(q.choices) > 0 {
		choices = &b2bv1.StringList{Values: q.choices}
	}
	if len(q.of) > 0 {
		of = &b2bv1.StringList{Values: q.of}
	}
	var expires *int32
	if q.expires > 0 {
		expires = proto.Int32(int32(q.expires / time.Second))
	}
	var d *b2bv1.Decision
	switch {
	case at.thread != nil:
		res, err := c.Decisions.AskThreadDecision(r.ctx, &b2bv1.AskThreadDecisionRequest{ThreadId: at.thread.GetId(), Kind: &kind,
			Question: &text,
			Choices:  choices, Bots: of, Label: given(q.label), Humans: q.people, Default: given(q.otherwise), ExpiresIn: expires,
			Blocks: q.blocks})
		if err != nil {
			return err
		}
		d = res.GetDecision()
	case at.channel == "":
		return usageError("you have no direct messages with %s yet: send one first, or ask in a thread", where)
	case q.label != "" || q.blocks:
		return usageError("--label and --blocks are for threads")
	default:
		res, err := c.Decisions.AskChannelDecision(r.ctx,
			&b2bv1.AskChannelDecisionRequest{ChannelId: at.channel, Kind: &kind, Question: &text,
				Choices: choices, Bots: of, Humans: q.people, Default: given(q.otherwise), ExpiresIn: expires})
		if err != nil {
			return err
		}
		d = res.GetDecision()
	}
	if q.wait {
		r.note("Asked: decision %s. Waiting for the answer.", d.GetId())
		if d, err = r.decided(c, d); err != nil {
			return err
		}
	}
	return r.show(d, func() { r.decision(d) })
}

const decisionPause = time.Second // between two attempts to hear of a decision

// decided waits until a decision is closed.
func (r *run) decided(c *b2b.Client, d *b2bv1.Decision) (*b2bv1.Decision, error) {
	for {
		ended := r.closing(c, d)
		res, err := c.Decisions.GetDecision(r.ctx, &b2bv1.GetDecisionRequest{Id: d.GetId()})
		if err != nil {
			return nil, withHint(err, "The decision stays open: %s", r.b2b("decide show %s", d.GetId()))
		}
		if res.GetDecision().GetStatus() != b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
			return res.GetDecision(), nil
		}
		if ended == nil {
			continue
		}
		pause := time.NewTimer(decisionPause)
		select {
		case <-pause.C:
		case <-r.ctx.Done():
			pause.Stop()
		}
	}
}

// closing returns when a stream says that a decision is closed, or when the stream ends, with its error.
func (r *run) closing(c *b2b.Client, d *b2bv1.Decision) error {
	stream, err := c.Events.Subscribe(r.ctx, &b2bv1.SubscribeRequest{Types: []string{"decision_closed"}})
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // what it had to say was read
	for first := true; stream.Receive(); first = false {
		if stream.Msg().GetEvent().GetDecisionClosed().GetDecision().GetId() == d.GetId() {
			return nil
		}
		if !first {
			continue
		}
		// The stream is open, so nothing is missed from here on; what was before is read once.
		res, err := c.Decisions.GetDecision(r.ctx, &b2bv1.GetDecisionRequest{Id: d.GetId()})
		if err != nil || res.GetDecision().GetStatus() != b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
			return err
		}
	}
	return stream.Err()
}

func (a *App) decideAnswer() *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use:     "answer ID ANSWER…",
		Short:   "Answer a decision that you are asked for",
		Example: example("b2b decide answer ID approved", `b2b decide answer ID rejected --comment "not on a Friday"`),
		Args:    cobra.MinimumNArgs(2),
	}
	cmd.Flags().StringVar(&comment, "comment", "", "what there is to say to it")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		res, err := c.Decisions.AnswerDecision(r.ctx, &b2bv1.AnswerDecisionRequest{Id: args[0],
			Answer: proto.String(strings.Join(args[1:], " ")), Comment: given(comment)})
		if err != nil {
			return withHint(err, "%s shows who is asked, and what can be answered.", r.b2b("decide show %s", args[0]))
		}
		return r.show(res.GetDecision(), func() { r.decision(res.GetDecision()) })
	})
}

func (a *App) decideList() *cobra.Command {
	var l limited
	var thread, status string
	var mine bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List decisions: what you are asked for, what you asked, or those of a thread",
		Example: example("b2b decide list", "b2b decide list --mine --status open", "b2b decide list --thread ID --json"),
	}
	f := cmd.Flags()
	f.BoolVar(&mine, "mine", false, "those that you asked")
	f.StringVar(&thread, "thread", "", "those of the thread with this `id`")
	f.StringVar(&status, "status", "", "only those that are open, answered, withdrawn or expired")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		in, err := givenEnum[b2bv1.DecisionStatus]("--status", status)
		if err != nil {
			return err
		}
		req := &b2bv1.ListDecisionsRequest{ThreadId: given(thread), Status: in, Limit: l.page()}
		if mine {
			req.AskedBy = b2bv1.DecisionParty_DECISION_PARTY_ME.Enum()
		}
		c, err := r.admin()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachDecision(r.ctx, req), func(all []*b2bv1.Decision) {
			var rows [][]string
			for _, d := range all {
				rows = append(rows, []string{d.GetId(), b2b.EnumText(d.GetStatus()), r.out.Time(d.GetAskedAt().AsTime()),
					term.Line(d.GetAsker().GetName()),
					term.Line(d.GetQuestion())})
			}
			r.out.Table(rows, func(column int, cell string) string {
				switch {
				case column == 1 && cell == "open":
					return r.out.Yellow(cell)
				case column == 0 || column == 2:
					return r.out.Dim(cell)
				}
				return cell
			})
		}, "There are no such decisions.")
	}, paged)
}

func (a *App) decideShow() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a decision",
		Example: example("b2b decide show ID", "b2b decide show ID --wait --json | jq -r .answer"),
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is closed")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		res, err := c.Decisions.GetDecision(r.ctx, &b2bv1.GetDecisionRequest{Id: args[0]})
		if err != nil {
			return err
		}
		d := res.GetDecision()
		if wait && d.GetStatus() == b2bv1.DecisionStatus_DECISION_STATUS_OPEN {
			if d, err = r.decided(c, d); err != nil {
				return err
			}
		}
		return r.show(d, func() { r.decision(d) })
	}, noTimeout)
}

func (a *App) decideWithdraw() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "withdraw ID",
		Short:   "Withdraw a decision that you asked for",
		Example: example("b2b decide withdraw ID"),
		Args:    cobra.ExactArgs(1),
	}, func(r *run, args []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		res, err := c.Decisions.WithdrawDecision(r.ctx, &b2bv1.WithdrawDecisionRequest{Id: args[0]})
		if err != nil {
			return err
		}
		return r.show(res.GetDecision(), func() { r.decision(res.GetDecision()) })
	})
}
