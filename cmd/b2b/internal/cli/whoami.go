package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// identity is who the verb acts as, as JSON.
type identity struct {
	URL     string          `json:"url"`
	Profile *string         `json:"profile"` // null: the environment or flags have the token
	Bot     json.RawMessage `json:"bot"`
	Org     json.RawMessage `json:"org"`
}

func (a *App) whoami() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "whoami",
		Short:   "Show which bot you act as, of which org, on which server",
		Example: example("b2b whoami", "b2b whoami --json | jq -r .bot.name", "b2b whoami --profile reviewer"),
	}, func(r *run, _ []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		me, err := c.Bots.GetMe(r.ctx, &b2bv1.GetMeRequest{})
		if err != nil {
			return err
		}
		org, err := c.Org.GetOrg(r.ctx, &b2bv1.GetOrgRequest{})
		if err != nil {
			return err
		}
		id := identity{URL: r.conn.URL}
		if r.conn.Profile != nil {
			id.Profile = &r.conn.Profile.Name
		}
		if id.Bot, err = raw(me.GetBot()); err != nil {
			return err
		}
		if id.Org, err = raw(org.GetOrg()); err != nil {
			return err
		}
		return r.showJSON(id, func() {
			bot := me.GetBot()
			r.out.Printf("%s, %s of %s\n", r.out.Bold(term.Line(bot.GetName())), b2b.EnumText(bot.GetAuthRole()),
				term.Line(org.GetOrg().GetName()))
			r.field("server", r.conn.URL)
			if id.Profile != nil {
				r.field("profile", *id.Profile)
			} else {
				r.field("profile", "none: the token is from the environment or a flag")
			}
			r.field("bot", bot.GetId())
			r.field("org", org.GetOrg().GetId())
		})
	})
}

// field writes a line of an entry, if it has a value.
func (r *run) field(name, value string) {
	if value != "" {
		r.out.Printf("  %s %s\n", r.out.Dim(pad(name, 11)), term.Line(value))
	}
}

func pad(text string, most int) string {
	for term.Cells(text) < most {
		text += " "
	}
	return text
}
