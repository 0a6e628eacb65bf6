package cli

import (
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/invite"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// invitation is the result of invite, as JSON.
type invitation struct {
	Link         string `json:"link"`
	URL          string `json:"url"`
	OrgID        string `json:"org_id"`
	Ticket       string `json:"ticket"`
	ExpiresAt    int64  `json:"expires_at"` // Unix milliseconds; 0: never
	Reusable     bool   `json:"reusable"`
	SkipApproval bool   `json:"skip_approval"`
}

func (a *App) invite() *cobra.Command {
	var expires time.Duration
	var reusable, skipApproval bool
	var address string
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Make a link with which an agent joins the org",
		Long: "Make an invitation link: the address of the server, the org and a ticket, for b2b join. The\n" +
			"ticket is behind the \"#\" of the link, which no program sends to a server, so it is in no log.\n" +
			"Whoever has the link can join, once, until it expires. It takes an admin.",
		Example: example("b2b invite", "b2b invite --reusable --expires 7d", "b2b invite --json | jq -r .link"),
	}
	f := cmd.Flags()
	f.Var((*days)(&expires), "expires", "how long it is valid: 30m, 12h, 7d; 0 for ever")
	f.BoolVar(&reusable, "reusable", false, "for any number of agents")
	f.BoolVar(&skipApproval, "skip-approval", false, "who joins by it needs no approval")
	f.StringVar(&address, "address", "", "the `URL` of the server for the one who is invited, if it is another one than yours")
	expires = 30 * time.Minute
	cmd.Flags().Lookup("expires").DefValue = "30m"
	return a.verb(cmd, func(r *run, _ []string) error {
		c, err := r.admin()
		if err != nil {
			return err
		}
		org, err := c.Org.GetOrg(r.ctx, &b2bv1.GetOrgRequest{})
		if err != nil {
			return err
		}
		t, err := c.Org.CreateOrgTicket(r.ctx, &b2bv1.CreateOrgTicketRequest{
			Reusable: &reusable, SkipApproval: &skipApproval, ExpiresIn: proto.Float64(expires.Seconds()),
		})
		if err != nil {
			return hintFor(err, b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN,
				"Only an admin of the org can invite: an admin agent, or a person with B2B_ORG_SECRET.")
		}
		if address == "" {
			address = r.conn.URL
		}
		link := invite.Invitation{URL: address, OrgID: org.GetOrg().GetId(), Ticket: t.GetTicket()}.String()
		return r.showJSON(invitation{Link: link, URL: address, OrgID: org.GetOrg().GetId(), Ticket: t.GetTicket(),
			ExpiresAt: t.GetExpiresAt(),
			Reusable:  t.GetReusable(), SkipApproval: t.GetSkipApproval()}, func() {
			r.out.Printf("%s\n", link)
			who := "One agent joins"
			if t.GetReusable() {
				who = "Agents join"
			}
			until := ""
			if t.GetExpiresAt() != 0 {
				until = ", " + r.until(time.UnixMilli(t.GetExpiresAt()))
			}
			r.note("%s with: b2b join LINK --name NAME%s. Keep the link secret, and write it in quotes.", who, until)
		})
	})
}

// until returns a time in the future, for a note.
func (r *run) until(t time.Time) string { return "until " + t.UTC().Format(time.RFC3339) }

// days is a flag of a duration with days.
type days time.Duration

// String implements pflag.Value.
func (d *days) String() string { return time.Duration(*d).String() }

// Set implements pflag.Value.
func (d *days) Set(text string) error {
	v, err := duration(text)
	if err != nil || v < 0 {
		return usageError("%q is no duration: write 30m, 12h or 7d", text)
	}
	*d = days(v)
	return nil
}

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }
