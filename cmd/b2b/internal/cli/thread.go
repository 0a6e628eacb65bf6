package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) thread() *cobra.Command {
	return noun(&cobra.Command{
		Use:   "thread",
		Short: "Work in threads: open, list, post, status, …",
		Example: example(`b2b thread open "Fix the login bug" --with engineering,research`,
			`b2b thread post ID "@engineering please draft a patch"`,
			"b2b thread status ID resolved"),
	}, a.threadOpen(), a.threadList(), a.threadShow(), a.threadPost(), a.threadStatus(), a.threadInvite(), a.threadJoin(),
		a.threadApprove(),
		a.threadLeave(), a.threadExport())
}

func (a *App) threadOpen() *cobra.Command {
	var with, tags []string
	var context, visibility, policy, post string
	cmd := &cobra.Command{
		Use:   "open TOPIC…",
		Short: "Open a thread",
		Example: example(`b2b thread open "Fix the login bug" --with engineering,research`,
			`id=$(b2b thread open "Q4 report" --json | jq -r .id)`,
			`b2b thread open Incident --visibility private --with ops --post "@ops the site is down"`),
		Args: cobra.MinimumNArgs(1),
	}
	f := cmd.Flags()
	f.StringSliceVar(&with, "with", nil, "`agents` that take part from the start")
	f.StringSliceVar(&tags, "tag", nil, "a `tag`; several times for several")
	f.StringVar(&context, "context", "", "what all should know, as text")
	f.StringVar(&visibility, "visibility", "", "who else sees it: public, members or private (default public)")
	f.StringVar(&policy, "join", "", "how others join: open, approval or invite_only (default open)")
	f.StringVar(&post, "post", "", "the `text` of a first message")
	return a.verb(cmd, func(r *run, args []string) error {
		topic := strings.Join(args, " ")
		req := &b2bv1.CreateThreadRequest{Topic: &topic, Context: given(context)}
		if len(with) > 0 {
			req.Participants = &b2bv1.StringList{Values: with}
		}
		if len(tags) > 0 {
			req.Tags = &b2bv1.StringList{Values: tags}
		}
		var err error
		if req.Visibility, err = givenEnum[b2bv1.Visibility]("--visibility", visibility); err != nil {
			return err
		}
		if req.JoinPolicy, err = givenEnum[b2bv1.JoinPolicy]("--join", policy); err != nil {
			return err
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Threads.CreateThread(r.ctx, req)
		if err != nil {
			return err
		}
		if post != "" {
			m, err := c.SendToThread(r.ctx, res.GetThread().GetId(), post)
			if err != nil {
				return fmt.Errorf("the thread %s is open, but its first message was not sent: %w", res.GetThread().GetId(), err)
			}
			r.recipients(m.GetRecipients())
		}
		return r.show(res.GetThread(), func() {
			r.out.Printf("Opened %s: thread %s\n", r.out.Bold(term.Line(res.GetThread().GetTopic())), res.GetThread().GetId())
		})
	})
}

func (a *App) threadList() *cobra.Command {
	var l limited
	var status, query string
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List threads, the newest activity first",
		Example: example("b2b thread list", "b2b thread list --status active --q login",
			"b2b thread list --all --json | jq -r .topic"),
	}
	f := cmd.Flags()
	f.StringVar(&status, "status", "", "only those that are active, blocked, reviewing, resolved or closed")
	f.StringVar(&query, "q", "", "only those with this text in the topic")
	f.BoolVar(&all, "all", false, "also public threads of the org in which you take no part")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	return a.verb(cmd, func(r *run, _ []string) error {
		in, err := givenEnum[b2bv1.ThreadStatus]("--status", status)
		if err != nil {
			return err
		}
		req := &b2bv1.ListThreadsRequest{Q: given(query), Status: in, Limit: l.page()}
		if all {
			req.Scope = given("org")
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		return list(r, &l, c.EachThread(r.ctx, req), r.threads, "There are no such threads.")
	}, paged)
}

// threads writes a table of threads.
func (r *run) threads(all []*b2bv1.Thread) {
	var rows [][]string
	for _, t := range all {
		rows = append(rows, []string{t.GetId(), b2b.EnumText(t.GetStatus()), r.out.Time(t.GetLastActivityAt().AsTime()),
			term.Line(t.GetTopic())})
	}
	r.out.Table(rows, func(column int, cell string) string {
		switch column {
		case 1:
			return r.status(cell)
		case 3:
			return r.out.Bold(cell)
		}
		return r.out.Dim(cell)
	})
}

// status returns the status of a thread in its colour.
func (r *run) status(text string) string {
	switch text {
	case "active":
		return r.out.Green(text)
	case "blocked":
		return r.out.Red(text)
	case "reviewing":
		return r.out.Yellow(text)
	}
	return r.out.Dim(text)
}

func (a *App) threadShow() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:   "show THREAD",
		Short: "Show a thread with its participants",
		Long: "Show a thread: its topic, status, participants and context.\n" +
			"b2b read has its messages, b2b artifact list its artifacts.",
		Example:           example("b2b thread show ID", "b2b thread show ID --json | jq -r '.participants[].name'"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeThreads,
	}, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Threads.GetThread(r.ctx, &b2bv1.GetThreadRequest{ThreadId: args[0]})
		if err != nil {
			return noThread(r, err)
		}
		return r.show(res.GetThread(), func() { r.threadText(res.GetThread()) })
	})
}

func noThread(r *run, err error) error {
	return hintFor(err, notFound, "%s lists your threads, --all those of the org.", r.b2b("thread list"))
}

// threadText writes a thread.
func (r *run) threadText(t *b2bv1.Thread) {
	r.out.Printf("%s  %s\n", r.out.Bold(term.Line(t.GetTopic())), r.status(b2b.EnumText(t.GetStatus())))
	r.field("id", t.GetId())
	r.field("tags", strings.Join(t.GetTags().GetValues(), ", "))
	if t.CloseReason != nil {
		r.field("closed", b2b.EnumText(t.GetCloseReason()))
	}
	r.field("visibility", b2b.EnumText(t.GetVisibility())+", joining is "+b2b.EnumText(t.GetJoinPolicy()))
	r.field("opened", r.out.Time(t.GetCreatedAt().AsTime()))
	r.field("activity", r.out.Time(t.GetLastActivityAt().AsTime()))
	if t.TurnsLeft != nil {
		r.field("turns left", fmt.Sprint(t.GetTurnsLeft()))
	}
	if t.GetContext() != "" {
		r.out.Printf("\n")
		r.out.Body("  ", t.GetContext())
	}
	if len(t.GetParticipants().GetValues()) > 0 {
		r.out.Printf("\n")
	}
	for _, p := range t.GetParticipants().GetValues() {
		mark, label := r.out.Dim("offline"), ""
		if p.GetOnline() {
			mark = r.out.Green("online")
		}
		if p.GetLabel() != "" {
			label = " [" + term.Line(p.GetLabel()) + "]"
		}
		r.out.Printf("  %s%s  %s\n", term.Line(p.GetName()), label, mark)
	}
}

func (a *App) threadStatus() *cobra.Command {
	var reason string
	var revision int64
	cmd := &cobra.Command{
		Use:   "status THREAD STATUS",
		Short: "Change the status of a thread",
		Long: "Change the status of a thread: active, blocked (it waits for something outside), reviewing\n" +
			"(a result is checked), resolved (the goal is reached) or closed (it ends without it).",
		Example: example("b2b thread status ID reviewing", "b2b thread status ID closed --reason error"),
		Args:    cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, to string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []cobra.Completion{"active", "blocked", "reviewing", "resolved", "closed"}, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeThreads(cmd, args, to)
		},
	}
	f := cmd.Flags()
	f.StringVar(&reason, "reason", "", "why it is closed: manual, timeout or error (default manual)")
	f.Int64Var(&revision, "if-revision", 0, "only if the thread has this `revision`, as you read it")
	return a.verb(cmd, func(r *run, args []string) error {
		status, err := enumOf[b2bv1.ThreadStatus]("the status", args[1])
		if err != nil {
			return err
		}
		req := &b2bv1.UpdateThreadRequest{ThreadId: args[0], Status: &status,
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"status"}}}
		if req.GetStatus() == b2bv1.ThreadStatus_THREAD_STATUS_CLOSED && reason == "" {
			reason = "manual"
		}
		if reason != "" {
			if req.CloseReason, err = givenEnum[b2bv1.CloseReason]("--reason", reason); err != nil {
				return err
			}
			req.UpdateMask.Paths = append(req.UpdateMask.Paths, "close_reason")
		}
		if revision != 0 {
			req.ExpectedRevision = &revision
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Threads.UpdateThread(r.ctx, req)
		if err != nil {
			return noThread(r, err)
		}
		return r.show(res.GetThread(), func() {
			r.out.Printf("%s is %s.\n", r.out.Bold(term.Line(res.GetThread().GetTopic())),
				r.status(b2b.EnumText(res.GetThread().GetStatus())))
		})
	})
}
