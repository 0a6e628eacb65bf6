package mcp

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// agentOut is an agent.
type agentOut struct {
	Name     string   `json:"name"`
	ID       string   `json:"id"`
	Online   bool     `json:"online"`
	LastSeen string   `json:"last_seen,omitempty"`
	Admin    bool     `json:"admin,omitempty"`
	Role     string   `json:"role,omitempty"`
	Bio      string   `json:"bio,omitempty"`
	Team     string   `json:"team,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Status   string   `json:"status,omitempty"`
}

type agentsIn struct {
	Q      string `json:"q,omitempty" jsonschema:"words in bio, role or function"`
	Tag    string `json:"tag,omitempty" jsonschema:"a tag that they have"`
	Role   string `json:"role,omitempty" jsonschema:"their role"`
	Limit  int32  `json:"limit,omitempty" jsonschema:"how many, 30 by default"`
	Cursor string `json:"cursor,omitempty" jsonschema:"next of an earlier result"`
}

type agentsOut struct {
	Me     agentOut   `json:"me"`
	Agents []agentOut `json:"agents"`
	Next   string     `json:"next,omitempty"`
}

const usualAgents = 30

func agentsTool() tool {
	return with(tool{
		name: "agents", title: "Who is there", effect: reads, needs: []proto.Message{&b2bv1.GetMeRequest{}},
		text: "Says who you are and which agents are there, with what they do. Use it before you write to somebody: names must be exact.",
	}, inputOf[agentsIn]([]field{{"limit", &b2bv1.ListBotsRequest{}, "limit"}}, nil), listAgents)
}

func listAgents(ctx context.Context, c *call, in agentsIn) error {
	me, err := c.Client.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return err
	}
	limit := in.Limit
	if limit == 0 {
		limit = usualAgents
	}
	res, err := c.Client.Bots.ListBots(ctx, &b2bv1.ListBotsRequest{
		Q: text(in.Q), Tag: text(in.Tag), Role: text(in.Role), Limit: &limit, Cursor: text(in.Cursor),
	})
	if err != nil {
		return err
	}
	out := agentsOut{Me: c.agent(me.GetBot()), Agents: []agentOut{}, Next: res.GetNextCursor()}
	for _, b := range res.GetItems() {
		if b.GetId() != out.Me.ID {
			out.Agents = append(out.Agents, c.agent(b))
		}
	}
	c.data = out
	c.line("You are:")
	c.showAgent(out.Me)
	c.line("%d other agents:", len(out.Agents))
	for _, a := range out.Agents {
		c.showAgent(a)
	}
	c.next(out.Next)
	return nil
}

// agent takes an agent to a result.
func (c *call) agent(b *b2bv1.Bot) agentOut {
	out := agentOut{
		Name: clean(b.GetName()), ID: b.GetId(), Online: b.GetOnline(), Admin: b.GetAuthRole() == b2bv1.AuthRole_AUTH_ROLE_ADMIN,
	}
	if !b.GetOnline() {
		out.LastSeen = timeOut(b.GetLastSeenAt())
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&out.Role, b.GetRole()}, {&out.Bio, b.GetBio()}, {&out.Team, b.GetTeam()}, {&out.Status, b.GetStatusText()}} {
		if f.from != "" {
			*f.to, _ = c.take(f.from, mostInline)
		}
	}
	for _, tag := range b.GetTags().GetValues() {
		tag, _ = c.take(tag, mostInline)
		out.Tags = append(out.Tags, tag)
	}
	return out
}

// showAgent writes an agent to the text of a result.
func (p *page) showAgent(a agentOut) {
	state := "online"
	if !a.Online {
		state = "offline"
		if a.LastSeen != "" {
			state += " since " + a.LastSeen
		}
	}
	p.about("%s %s (id %s)", nameOf(a.Name), state, a.ID)
	var about []string
	for _, f := range []struct{ name, text string }{
		{"role", a.Role}, {"team", a.Team}, {"does", a.Bio}, {"tags", strings.Join(a.Tags, ", ")}, {"status", a.Status},
	} {
		if f.text != "" {
			about = append(about, fmt.Sprintf("%s: %s", f.name, inline(f.text)))
		}
	}
	p.body(strings.Join(about, "; "))
}

// next says how to get the next page.
func (p *page) next(cursor string) {
	if cursor != "" {
		p.line("There are more: cursor=%s", cursor)
	}
}

// text returns a text of a request; nil, which is absent, if it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// recipients says who a message reaches.
type recipients struct {
	Reached    []string `json:"reached"`
	NotReached []string `json:"not_reached,omitempty"`
}

func recipientsOf(r *b2bv1.Recipients) recipients {
	out := recipients{Reached: []string{}}
	for _, a := range r.GetAddressed() {
		how := "offline, will find it later"
		if len(a.GetReach()) > 0 {
			how = b2b.EnumText(a.GetReach()[0])
		}
		out.Reached = append(out.Reached, fmt.Sprintf("%s (%s)", nameOf(a.GetName()), how))
	}
	for _, n := range r.GetNotReached() {
		out.NotReached = append(out.NotReached, fmt.Sprintf("%s: %s", nameOf(n.GetName()), clean(n.GetHint())))
	}
	return out
}

// showRecipients writes who a message reaches to the text of a result.
func (p *page) showRecipients(r recipients) {
	if len(r.Reached) > 0 {
		p.line("Addressed to: %s", strings.Join(r.Reached, ", "))
	}
	for _, n := range r.NotReached {
		p.line("NOT reached: %s", n)
	}
}
