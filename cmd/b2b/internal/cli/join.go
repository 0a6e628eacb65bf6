package cli

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/a2apeer"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/agentconfig"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/invite"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// envOrgSecret has the secret of an org, with which bots register as admins and admins log in.
const envOrgSecret = "B2B_ORG_SECRET"

// joining has the flags of join.
type joining struct {
	name, org, ticket string
	bio, role, card   string
	tags, programs    []string
	yes               bool
}

// joined is the result of join, as JSON. It has no token.
type joined struct {
	Profile string          `json:"profile"`
	Path    string          `json:"path"`
	URL     string          `json:"url"`
	Bot     json.RawMessage `json:"bot"`
	Org     json.RawMessage `json:"org"` // null while the bot waits for approval
	Peers   json.RawMessage `json:"peers"`
	// Configured lists the agent programs of --for.
	Configured []configured `json:"configured,omitempty"`
}

func (a *App) join() *cobra.Command {
	var j joining
	cmd := &cobra.Command{
		Use:   "join LINK|URL",
		Short: "Join an org as an agent, and keep its token in a profile",
		Long: "Register an agent with an org, and keep its token in a profile of this machine, which only\n" +
			"you can read. An admin gives you an invitation link (b2b invite); write it in quotes, or give\n" +
			"\"-\" and the link on standard input. With B2B_ORG_SECRET and --org the agent is an admin.\n" +
			"With B2B_TOKEN, an agent that exists already gets a profile.",
		Example: example(`b2b join "http://localhost:4800/skill.md#org=…&ticket=tkt_…" --name reviewer`,
			"b2b join http://localhost:4800 --ticket tkt_… --name reviewer --bio \"I review patches\" --tag go",
			"b2b join \"http://localhost:4800/skill.md#org=…&ticket=tkt_…\" --from-card https://agent.example.com",
			"b2b join - --name reviewer <invitation.txt", "B2B_TOKEN=$TOKEN b2b join http://localhost:4800 --profile mine"),
		Args: cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&j.name, "name", "", "the `name` of the agent in the org: letters, digits, '-' and '_'")
	f.StringVar(&j.bio, "bio", "", "what others should know about it")
	f.StringVar(&j.card, "from-card", "", "`URL` of an A2A agent, or of its card, from which name, bio and tags are taken unless they are given; b2b run --a2a lets that agent work as the bot")
	f.StringVar(&j.role, "role", "", "its role")
	f.StringSliceVar(&j.tags, "tag", nil, "a `tag` by which it can be found; several times for several")
	f.StringVar(&j.org, "org", "", "the `id` of the org, with B2B_ORG_SECRET")
	f.StringVar(&j.ticket, "ticket", "", "a ticket of the org, unless the link has it; \"-\" reads it from standard input")
	f.StringSliceVar(&j.programs, "for", nil, "let these agent `programs` act as the agent: "+strings.Join(agentconfig.Names(),
		", "))
	f.BoolVar(&j.yes, "yes", false, "change the configuration of the programs without asking")
	return a.verb(cmd, func(r *run, args []string) error { return j.do(r, args) })
}

func (j *joining) do(r *run, args []string) error {
	if err := r.open(); err != nil {
		return err
	}
	for _, name := range j.programs {
		if _, ok := agentconfig.Find(name); !ok {
			return usageError("--for %q is none of: %s", name, strings.Join(agentconfig.Names(), ", "))
		}
	}
	how, err := j.entry(r, args)
	if err != nil {
		return err
	}
	if err := r.store.Writable(); err != nil { // before the ticket is used up
		return err
	}
	if err := r.free(how); err != nil {
		return err
	}
	p, bot, err := how.enter(r)
	if err != nil {
		return err
	}
	if err := r.store.Save(p); err != nil {
		return fmt.Errorf("the agent %s is registered, but its token is lost, an admin must delete it: %w", p.BotName, err)
	}
	if err := r.store.SetCurrent(p.Name); err != nil {
		return err
	}
	var done []configured
	if r.json {
		if done, err = r.configure(p, j.programs, j.yes); err != nil {
			return err
		}
		return r.welcome(p, bot, done)
	}
	if err := r.welcome(p, bot, nil); err != nil {
		return err
	}
	return j.offer(r, p)
}

// offer lets agent programs act as the agent: those of --for, or, if a person is there, those that are
// found on this machine.
func (j *joining) offer(r *run, p *profile.Profile) error {
	programs := j.programs
	if len(programs) == 0 {
		var titles []string
		for _, found := range agentconfig.Programs() {
			if found.Installed(r.app.Getenv) {
				programs, titles = append(programs, found.Name), append(titles, found.Title)
			}
		}
		if len(programs) == 0 {
			return nil
		}
		if !r.app.InTerminal || !r.app.OutTerminal {
			r.note("To let %s act as %s: %s", strings.Join(titles, ", "), p.BotName, "b2b setup "+strings.Join(programs, " "))
			return nil
		}
		r.out.Printf("\n%s %s here and can act as %s. Each change is shown first.\n", strings.Join(titles, ", "),
			isOrAre(len(titles)), p.BotName)
	}
	_, err := r.configure(p, programs, j.yes)
	return err
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// entry is how a bot comes in.
type entry struct {
	url, profile string
	token        string // of a bot that exists; else
	register     *b2bv1.RegisterBotRequest
}

// entry reads what the caller gave.
func (j *joining) entry(r *run, args []string) (*entry, error) {
	e := &entry{profile: r.profile}
	conn, err := profile.Store{}.URLOf(profile.Query{URL: r.url, TokenFile: r.tokenFile, Getenv: withoutProfile(r.app.Getenv)})
	if err != nil {
		return nil, err
	}
	link := conn.URL
	if len(args) > 0 {
		link = args[0]
	}
	if link == "-" {
		if link, err = r.input(nil, "invitation link"); err != nil {
			return nil, err
		}
	}
	if link == "" {
		return nil, usageError("where to? Give an invitation link, or the address of a server with --ticket")
	}
	e.url = strings.TrimRight(link, "/")
	if invite.IsLink(link) {
		i, err := invite.Parse(link)
		if err != nil {
			return nil, usageError("%w", err)
		}
		e.url, j.org, j.ticket = i.URL, i.OrgID, i.Ticket
	}
	if j.ticket == "-" {
		if j.ticket, err = r.input(nil, "ticket"); err != nil {
			return nil, err
		}
	}
	if err := checkURL(e.url); err != nil {
		return nil, err
	}
	secret := r.app.Getenv(envOrgSecret)
	switch {
	case j.ticket == "" && secret == "" && conn.Token != "":
		e.token = conn.Token
		return e, nil
	case j.ticket == "" && secret == "":
		return nil, usageError("nothing to get in with: give an invitation link, --ticket, or B2B_ORG_SECRET; " +
			"ask an admin of the org (b2b invite)")
	case j.org == "" && j.ticket == "":
		return nil, usageError("--org is missing: the id of the org that B2B_ORG_SECRET is of")
	}
	if err := j.fromCard(r); err != nil {
		return nil, err
	}
	if j.name == "" {
		return nil, usageError("--name is missing: how the agent is called in the org")
	}
	e.register = &b2bv1.RegisterBotRequest{
		OrgId: given(j.org), Name: &j.name, Ticket: given(j.ticket), Bio: given(j.bio), Role: given(j.role),
		RequestId: proto.String(rand.Text()),
	}
	if j.ticket == "" {
		e.register.OrgSecret = &secret
	}
	if len(j.tags) > 0 {
		e.register.Tags = &b2bv1.StringList{Values: j.tags}
	}
	if e.profile == "" {
		e.profile = j.name
	}
	return e, profile.CheckName(e.profile)
}

// fromCard takes from the card of an A2A agent what the caller did not give.
func (j *joining) fromCard(r *run) error {
	if j.card == "" {
		return nil
	}
	card, err := a2apeer.FetchCard(r.ctx, r.app.Transport, j.card)
	if err != nil {
		return cardError(err)
	}
	p := card.Profile()
	j.name, j.bio = cmp.Or(j.name, p.Name), cmp.Or(j.bio, p.Bio)
	if len(j.tags) == 0 {
		j.tags = p.Tags
	}
	return nil
}

// withoutProfile is an environment that names no profile.
func withoutProfile(getenv func(string) string) func(string) string {
	return func(name string) string {
		if name == profile.EnvProfile {
			return ""
		}
		return getenv(name)
	}
}

// free returns an error if there is such a profile already.
func (r *run) free(e *entry) error {
	if e.profile == "" {
		return nil
	}
	names, err := r.store.List()
	if err != nil {
		return err
	}
	if slices.Contains(names, e.profile) {
		return &Failure{Exit: ExitConflict, Code: "PROFILE_EXISTS", Message: fmt.Sprintf("there is a profile %q already", e.profile),
			Hint: "Give another name with --profile, or remove that one with b2b leave --profile " + e.profile + "."}
	}
	return nil
}

// enter registers the bot, or looks up the one of the token.
func (e *entry) enter(r *run) (*profile.Profile, *b2bv1.Bot, error) {
	r.conn = &profile.Connection{URL: e.url}
	if _, err := r.clientOf(e.url).Server.GetVersion(r.ctx, &b2bv1.GetVersionRequest{}); err != nil {
		return nil, nil, err // no ticket is sent to what is no server of this protocol
	}
	p := &profile.Profile{Name: e.profile, URL: e.url, Token: e.token, JoinedAt: r.clock.Now().UTC()}
	var bot *b2bv1.Bot
	if e.register != nil {
		res, err := r.clientOf(e.url).Auth.RegisterBot(r.ctx, e.register)
		if err != nil {
			return nil, nil, err
		}
		p.Token, bot = res.GetToken(), res.GetBot()
	} else {
		res, err := r.clientOf(e.url, b2b.WithToken(e.token)).Bots.GetMe(r.ctx, &b2bv1.GetMeRequest{})
		if err != nil {
			return nil, nil, err
		}
		bot = res.GetBot()
		if p.Name == "" {
			p.Name, e.profile = bot.GetName(), bot.GetName()
			if err := r.free(e); err != nil {
				return nil, nil, err
			}
		}
	}
	p.OrgID, p.BotID, p.BotName = bot.GetOrgId(), bot.GetId(), bot.GetName()
	r.conn = &profile.Connection{URL: p.URL, Token: p.Token, Profile: p}
	r.client = r.clientOf(p.URL, b2b.WithToken(p.Token))
	if bot.GetJoinStatus() == b2bv1.JoinStatus_JOIN_STATUS_ACTIVE {
		if org, err := r.client.Org.GetOrg(r.ctx, &b2bv1.GetOrgRequest{}); err == nil { // its name is only for people
			p.OrgName = org.GetOrg().GetName()
		}
	}
	return p, bot, nil
}

const peersShown = 10

// welcome says where the bot is, and who is there.
func (r *run) welcome(p *profile.Profile, bot *b2bv1.Bot, done []configured) error {
	out := joined{Profile: p.Name, Path: r.store.Path(p.Name), URL: p.URL, Peers: json.RawMessage("[]"), Configured: done}
	var err error
	if out.Bot, err = raw(bot); err != nil {
		return err
	}
	pending := bot.GetJoinStatus() != b2bv1.JoinStatus_JOIN_STATUS_ACTIVE
	var peers []*b2bv1.Bot
	more := false
	if !pending {
		if out.Org, err = raw(&b2bv1.Org{Id: p.OrgID, Name: p.OrgName, Status: b2bv1.OrgStatus_ORG_STATUS_ACTIVE}); err != nil {
			return err
		}
		peers, more, err = take(r.client.EachPeer(r.ctx, &b2bv1.ListPeersRequest{Limit: proto.Int32(peersShown + 1)}), peersShown)
		if err != nil {
			r.note("Who is there could not be read: %v", message(err)) // a token may lack the scope
		}
		var lines []string
		for _, peer := range peers {
			line, err := raw(peer)
			if err != nil {
				return err
			}
			lines = append(lines, string(line))
		}
		out.Peers = json.RawMessage("[" + strings.Join(lines, ",") + "]")
	}
	return r.showJSON(out, func() {
		if pending {
			r.out.Printf("%s is registered, and waits for an admin of the org to approve it.\n", r.out.Bold(p.BotName))
		} else {
			r.out.Printf("Joined %s as %s (%s).\n", r.out.Bold(term.Line(p.OrgName)), r.out.Bold(p.BotName),
				b2b.EnumText(bot.GetAuthRole()))
		}
		r.out.Printf("Its token is in the profile %s, which is the current one: %s\n", r.out.Bold(p.Name), term.Line(out.Path))
		switch {
		case pending:
		case len(peers) == 0:
			r.out.Printf("\nNobody else is there yet. Invite others: b2b invite\n")
		default:
			r.out.Printf("\nThere are:\n\n")
			r.bots(peers)
			if more {
				r.out.Printf("… and more: b2b agents\n")
			}
			r.out.Printf("\nTry: b2b send %s \"Hello!\"   then: b2b wait\n", peers[0].GetName())
		}
	})
}
