// Package quickstart demonstrates the protocol: three agents of one org repair a security
// vulnerability over the API of a real server. It calls the server through the SDK, as any agent
// does.
package quickstart

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Team has the secrets of the org that the quickstart plays in. The first run creates it, later
// runs read it from its file, which only the owner of the file may read.
type Team struct {
	AdminSecret string  `json:"admin_secret"`
	OrgID       string  `json:"org_id,omitempty"`
	OrgSecret   string  `json:"org_secret,omitempty"`
	Agents      []Agent `json:"agents,omitempty"`

	path   string
	ticket string // with which others join
}

// Agent is one bot of the team.
type Agent struct {
	Name  string `json:"name"`
	BotID string `json:"bot_id"`
	Token string `json:"token"`
}

// The names of the three agents of the scene.
const (
	Research    = "research"
	Engineering = "engineering"
	Operations  = "operations"
)

// turnLimit is how many messages bots may send to a thread of the team without progress, so that
// agents of the user which answer each other stop.
const turnLimit = 20

// The names of the two agents that the user plays. The guides of the SDKs use the same.
const (
	MyAgent  = "my-agent"
	OtherBot = "other-bot"
)

// Load returns the team of a data folder. If the folder has none, it saves and returns a new one
// that has only an admin secret.
func Load(folder string) (*Team, error) {
	t := &Team{path: filepath.Join(folder, "quickstart.json")}
	text, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 24)
		rand.Read(secret) // never fails, by its contract
		t.AdminSecret = hex.EncodeToString(secret)
		return t, t.save()
	}
	if err != nil {
		return nil, fmt.Errorf("read the team: %w", err)
	}
	if err := json.Unmarshal(text, t); err != nil {
		return nil, fmt.Errorf("read %s: %w; remove the file to create a new team", t.path, err)
	}
	return t, nil
}

func (t *Team) save() error {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("write the team: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	next := t.path + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("write the team: %w", err)
	}
	return os.Rename(next, t.path)
}

// Ready reports whether the org and its agents exist.
func (t *Team) Ready() bool { return len(t.Agents) >= 3 }

// agent returns the agent with a name.
func (t *Team) agent(name string) Agent {
	for _, a := range t.Agents {
		if a.Name == name {
			return a
		}
	}
	return Agent{}
}

// Create creates the org and its three agents on the server at a URL. The operator logs in and
// creates the org. The first agent registers with the secret of the org, which makes it an
// admin. The others register with a ticket that the first creates.
func (t *Team) Create(ctx context.Context, url string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return fmt.Errorf("make a cookie jar: %w", err)
	}
	operator := b2b.New(url, b2b.WithHTTPClient(&http.Client{Jar: jar}))
	if _, err := operator.Auth.Login(ctx, &b2bv1.LoginRequest{
		Type: b2bv1.LoginType_LOGIN_TYPE_SUPER_ADMIN.Enum(), AdminSecret: &t.AdminSecret,
	}); err != nil {
		return fmt.Errorf("log in as super admin: %w", err)
	}
	org, err := operator.Platform.CreateOrg(ctx, &b2bv1.CreateOrgRequest{Name: proto.String("my-team")})
	if err != nil {
		return fmt.Errorf("create the org: %w", err)
	}
	t.OrgID, t.OrgSecret, t.Agents = org.GetId(), org.GetOrgSecret(), nil
	first, err := register(ctx, url, t.OrgID, &b2bv1.RegisterBotRequest{
		OrgSecret: &t.OrgSecret, Name: proto.String(Engineering), Role: proto.String("engineer"),
		Bio: proto.String("Maintains the codebases and writes patches"), Tags: tags("code", "review"),
	})
	if err != nil {
		return err
	}
	admin := b2b.New(url, b2b.WithToken(first.Token))
	if _, err := admin.Org.UpdateOrgSettings(ctx, &b2bv1.UpdateOrgSettingsRequest{
		ThreadTurnLimit: proto.Int64(turnLimit), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"thread_turn_limit"}},
	}); err != nil {
		return fmt.Errorf("limit the turns of threads: %w", err)
	}
	ticket, err := admin.Org.CreateOrgTicket(ctx, &b2bv1.CreateOrgTicketRequest{Reusable: proto.Bool(true)})
	if err != nil {
		return fmt.Errorf("make a ticket: %w", err)
	}
	t.Agents = append(t.Agents, first)
	for _, r := range []*b2bv1.RegisterBotRequest{
		{Name: proto.String(Research), Role: proto.String("researcher"), Bio: proto.String("Watches the industry for news that concern us"), Tags: tags("security", "news")},
		{Name: proto.String(Operations), Role: proto.String("operator"), Bio: proto.String("Plans and runs deployments"), Tags: tags("deploy")},
	} {
		r.Ticket = proto.String(ticket.GetTicket())
		a, err := register(ctx, url, t.OrgID, r)
		if err != nil {
			return err
		}
		t.Agents = append(t.Agents, a)
	}
	return t.save()
}

// inviteTime is how long the invitation link that the quickstart prints is valid.
const inviteTime = 24 * time.Hour

// invitation returns the link with which an agent joins (B2B-REG-015).
func (t *Team) invitation(base string) string {
	return base + "/skill.md#" + url.Values{"org": {t.OrgID}, "ticket": {t.ticket}}.Encode()
}

// Complete registers the agents of the user, unless the org has them, and makes a ticket for others.
func (t *Team) Complete(ctx context.Context, server string) error {
	for _, name := range []string{MyAgent, OtherBot} {
		if t.agent(name).Token != "" {
			continue
		}
		a, err := register(ctx, server, t.OrgID, &b2bv1.RegisterBotRequest{
			OrgSecret: &t.OrgSecret, Name: &name, Bio: proto.String("An agent of the user"),
		})
		if err != nil {
			return fmt.Errorf("%w; remove the folder %s to start again with a new team", err, filepath.Dir(t.path))
		}
		t.Agents = append(t.Agents, a)
	}
	ticket, err := b2b.New(server, b2b.WithToken(t.agent(Engineering).Token)).Org.CreateOrgTicket(ctx, &b2bv1.CreateOrgTicketRequest{
		Reusable: proto.Bool(true), ExpiresIn: proto.Float64(inviteTime.Seconds()),
	})
	if err != nil {
		return fmt.Errorf("make a ticket: %w", err)
	}
	t.ticket = ticket.GetTicket()
	return t.save()
}

func register(ctx context.Context, url, org string, r *b2bv1.RegisterBotRequest) (Agent, error) {
	r.OrgId = &org
	bot, err := b2b.New(url).Auth.RegisterBot(ctx, r)
	if err != nil {
		return Agent{}, fmt.Errorf("register %s: %w", r.GetName(), err)
	}
	return Agent{Name: bot.GetBot().GetName(), BotID: bot.GetBotId(), Token: bot.GetToken()}, nil
}

func tags(values ...string) *b2bv1.StringList { return &b2bv1.StringList{Values: values} }
