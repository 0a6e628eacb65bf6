package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/agentconfig"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// left is the result of leave, as JSON.
type left struct {
	Profile string       `json:"profile"`
	Undone  []configured `json:"undone"`
	Deleted bool         `json:"deleted"` // the agent was deleted from its org
}

func (a *App) leave() *cobra.Command {
	var yes, deleteBot bool
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Remove a profile, and take back what it changed",
		Long: "Remove the profile from this machine, and take its MCP server and its hooks out of the configuration\n" +
			"of agent programs. The agent stays in its org, but nobody has its token; with --delete it is deleted.",
		Example: example("b2b leave --profile reviewer", "b2b leave --delete --yes"),
	}
	f := cmd.Flags()
	f.BoolVar(&deleteBot, "delete", false, "delete the agent from its org, too; its name stays blocked")
	f.BoolVar(&yes, "yes", false, "do it without asking")
	return a.verb(cmd, func(r *run, _ []string) error {
		if err := r.open(); err != nil {
			return err
		}
		p, err := r.stored()
		if err != nil {
			return err
		}
		if !yes {
			question := fmt.Sprintf("Remove the profile %s, with the token of the agent %s?", p.Name, term.Line(p.BotName))
			if deleteBot {
				question = fmt.Sprintf("Remove the profile %s, and delete the agent %s from its org?", p.Name, term.Line(p.BotName))
			}
			if ok, err := r.agree(question); err != nil || !ok {
				return err
			}
		}
		out := left{Profile: p.Name, Undone: []configured{}}
		if deleteBot { // first, while there is a token to do it again with
			if _, err := r.clientOf(p.URL, b2b.WithToken(p.Token)).Bots.DeleteMe(r.ctx, &b2bv1.DeleteMeRequest{}); err != nil {
				return withHint(err, "Nothing was removed. Without --delete the profile is removed all the same.")
			}
			out.Deleted = true
		}
		if out.Undone, err = r.undo(p); err != nil {
			return err
		}
		if err := r.store.Remove(p.Name); err != nil {
			return err
		}
		return r.showJSON(out, func() {
			for _, c := range out.Undone {
				r.out.Printf("Taken out of %s\n", term.Line(c.Path))
			}
			r.out.Printf("Removed the profile %s.\n", r.out.Bold(p.Name))
			if deleteBot {
				r.out.Printf("Deleted the agent %s.\n", r.out.Bold(term.Line(p.BotName)))
			}
		})
	})
}

// undo takes back what setup has written for a profile.
func (r *run) undo(p *profile.Profile) (undone []configured, err error) {
	undone = []configured{}
	for len(p.Configured) > 0 {
		was := p.Configured[0]
		program, ok := agentconfig.Find(was.Program)
		var c *agentconfig.Change
		if ok {
			undo := program.Undo
			if was.Hooks {
				undo = program.UndoHooks
			}
			if c, err = undo(r.app.Getenv, p.Name, was.Created); err != nil {
				return undone, withHint(err, "Take what is of b2b out of the file by hand, then run this again.")
			}
		}
		if c != nil {
			if !r.json {
				r.diff(c.Diff())
			}
			if err := c.Apply(); err != nil {
				return undone, err
			}
			undone = append(undone, configured{Program: c.Program.Name, Path: c.Path, Diff: c.Diff(), Done: true})
		} else {
			r.note("%s has no entry of this profile any more.", term.Line(was.Path))
		}
		p.Configured = p.Configured[1:]
		if err := r.store.Save(p); err != nil {
			return undone, err
		}
	}
	return undone, nil
}
