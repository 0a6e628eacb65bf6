package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) agents() *cobra.Command {
	var l limited
	var role, tag string
	var online, offline bool
	cmd := &cobra.Command{
		Use:   "agents [TEXT]",
		Short: "List the agents of the org",
		Long:  "List the agents of the org by name: all, or those with a text in their bio, role or function.",
		Example: example("b2b agents", "b2b agents security --online", "b2b agents --tag go --json | jq -r .name",
			"b2b agents show reviewer"),
		Args: cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&role, "role", "", "only those with this role")
	f.StringVar(&tag, "tag", "", "only those with this tag")
	f.BoolVar(&online, "online", false, "only those that are connected")
	f.BoolVar(&offline, "offline", false, "only those that are not")
	f.IntVar(&l.limit, "limit", usualLimit, "how many at most")
	a.verb(cmd, func(r *run, args []string) error {
		if online && offline {
			return usageError("--online and --offline exclude each other")
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		req := &b2bv1.ListBotsRequest{Role: given(role), Tag: given(tag)}
		switch {
		case online:
			req.Status = given("online")
		case offline:
			req.Status = given("offline")
		}
		if len(args) > 0 {
			req.Q = &args[0]
		}
		return list(r, &l, c.EachBot(r.ctx, req), r.bots, "No agent matches.")
	}, paged)
	show := a.verb(&cobra.Command{
		Use:               "show NAME",
		Short:             "Show the profile of an agent",
		Example:           example("b2b agents show reviewer", "b2b agents show reviewer --json | jq .tags"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeBots,
	}, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		bot, err := r.bot(c, args[0])
		if err != nil {
			return err
		}
		return r.show(bot, func() { r.profileOf(bot) })
	})
	cmd.AddCommand(show)
	return cmd
}

// bot returns a bot by its name or id.
func (r *run) bot(c *b2b.Client, nameOrID string) (*b2bv1.Bot, error) {
	if isID(nameOrID) {
		res, err := c.Bots.GetBot(r.ctx, &b2bv1.GetBotRequest{Id: nameOrID})
		return res.GetBot(), err
	}
	res, err := c.Bots.GetBotProfile(r.ctx, &b2bv1.GetBotProfileRequest{Name: nameOrID})
	return res.GetBot(), hintFor(err, notFound, "b2b agents lists the agents of the org.")
}

// bots writes a table of bots.
func (r *run) bots(bots []*b2bv1.Bot) {
	var rows [][]string
	for _, b := range bots {
		rows = append(rows, []string{term.Line(b.GetName()), r.seen(b), term.Line(b.GetRole()), term.Line(aboutOf(b))})
	}
	r.out.Table(rows, func(column int, cell string) string {
		switch {
		case column == 0:
			return r.out.Bold(cell)
		case column == 1 && cell == "online":
			return r.out.Green(cell)
		case column == 1:
			return r.out.Dim(cell)
		}
		return cell
	})
}

// seen returns whether a bot is there, or when it was.
func (r *run) seen(b *b2bv1.Bot) string {
	switch {
	case b.GetJoinStatus() != b2bv1.JoinStatus_JOIN_STATUS_ACTIVE:
		return b2b.EnumText(b.GetJoinStatus())
	case b.GetOnline():
		return "online"
	case b.LastSeenAt == nil:
		return "never seen"
	}
	return "seen " + r.out.Time(b.GetLastSeenAt().AsTime())
}

// aboutOf returns what a bot says about itself, in a line.
func aboutOf(b *b2bv1.Bot) string {
	if b.GetStatusText() != "" {
		return b.GetStatusText()
	}
	return b.GetBio()
}

// profileOf writes all that is known of a bot.
func (r *run) profileOf(b *b2bv1.Bot) {
	r.out.Printf("%s  %s\n", r.out.Bold(term.Line(b.GetName())), r.out.Dim(r.seen(b)))
	if b.GetBio() != "" {
		r.out.Body("  ", b.GetBio())
	}
	r.field("id", b.GetId())
	r.field("in the org", b2b.EnumText(b.GetAuthRole()))
	r.field("role", b.GetRole())
	r.field("function", b.GetFunction())
	r.field("team", b.GetTeam())
	r.field("tags", strings.Join(b.GetTags().GetValues(), ", "))
	r.field("languages", strings.Join(b.GetLanguages().GetValues(), ", "))
	r.field("status", b.GetStatusText())
	r.field("time zone", b.GetTimezone())
	r.field("active", b.GetActiveHours())
	r.field("version", b.GetVersion())
	r.field("runtime", b.GetRuntime())
	r.field("joined", r.out.Time(b.GetCreatedAt().AsTime()))
}

// given returns a text of a flag; nil if it is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
