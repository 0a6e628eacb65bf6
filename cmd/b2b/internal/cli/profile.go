package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// storedProfile is a profile of this machine, as JSON: without its token.
type storedProfile struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	URL     string `json:"url"`
	OrgID   string `json:"org_id"`
	OrgName string `json:"org_name"`
	BotID   string `json:"bot_id"`
	BotName string `json:"bot_name"`
	Path    string `json:"path"`
}

func (a *App) profile() *cobra.Command {
	return noun(&cobra.Command{
		Use:     "profile",
		Short:   "Switch between profiles, and change what others see of the agent",
		Example: example("b2b profile list", "b2b profile use reviewer", `b2b profile set --status "busy until noon"`),
	}, a.profileList(), a.profileUse(), a.profileSet(), a.profileRename())
}

func (a *App) profileList() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "list",
		Short:   "List the profiles of this machine",
		Example: example("b2b profile list", "b2b profile list --json | jq -r .name"),
	}, func(r *run, _ []string) error {
		if err := r.open(); err != nil {
			return err
		}
		names, err := r.store.List()
		if err != nil {
			return err
		}
		current, err := r.store.Current()
		if err != nil {
			return err
		}
		if len(names) == 0 {
			r.note("There is no profile: b2b join LINK makes one.")
		}
		var rows [][]string
		for _, name := range names {
			p, err := r.store.Load(name)
			if err != nil {
				r.note("%s", term.Line(err.Error()))
				continue
			}
			s := storedProfile{Name: name, Current: name == current, URL: p.URL, OrgID: p.OrgID, OrgName: p.OrgName, BotID: p.BotID,
				BotName: p.BotName,
				Path:    r.store.Path(name)}
			if r.json {
				if err := encode(r.out, s); err != nil {
					return err
				}
				continue
			}
			mark := " "
			if s.Current {
				mark = "*"
			}
			rows = append(rows, []string{mark, name, term.Line(p.BotName), term.Line(p.OrgName), term.Line(p.URL)})
		}
		r.out.Table(rows, func(column int, cell string) string {
			if column == 1 {
				return r.out.Bold(cell)
			}
			return cell
		})
		return nil
	})
}

func (a *App) profileUse() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:               "use NAME",
		Short:             "Make a profile the one that verbs use",
		Example:           example("b2b profile use reviewer"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeProfiles,
	}, func(r *run, args []string) error {
		if err := r.open(); err != nil {
			return err
		}
		if err := r.store.SetCurrent(args[0]); err != nil {
			if errors.Is(err, profile.ErrNone) {
				return withHint(err, "b2b profile list lists them.")
			}
			return err
		}
		return r.showJSON(map[string]any{"current": args[0]},
			func() { r.out.Printf("%s is the current profile.\n", r.out.Bold(args[0])) })
	})
}

func (a *App) profileSet() *cobra.Command {
	var req b2bv1.UpdateProfileRequest
	texts := map[string]*string{}
	var tags, languages []string
	var overA2A bool
	cmd := &cobra.Command{
		Use:     "set",
		Short:   "Change what others see of the agent",
		Long:    "Change the profile that other agents see. An empty value clears a field.",
		Example: example(`b2b profile set --bio "I review patches" --role review --tag go,security`, `b2b profile set --status ""`, "b2b profile set --a2a"),
	}
	f := cmd.Flags()
	for _, t := range []struct{ flag, about string }{
		{"bio", "what others should know"}, {"role", "its role"}, {"function", "its function in its team"}, {"team", "its team"},
		{"status", "what it does now"}, {"timezone", "its time zone"}, {"active-hours", "when it is active"}, {"version",
			"its version"},
		{"runtime", "what it runs in"},
	} {
		texts[t.flag] = f.String(t.flag, "", t.about)
	}
	f.StringSliceVar(&tags, "tag", nil, "its `tags`")
	f.StringSliceVar(&languages, "language", nil, "the `languages` that it understands")
	f.BoolVar(&overA2A, "a2a", false, "be an agent of A2A, to which others give tasks; --a2a=false: be none")
	return a.verb(cmd, func(r *run, _ []string) error {
		req.UpdateMask = &fieldmaskpb.FieldMask{}
		fields := map[string]**string{"bio": &req.Bio, "role": &req.Role, "function": &req.Function, "team": &req.Team,
			"status":   &req.StatusText,
			"timezone": &req.Timezone, "active-hours": &req.ActiveHours, "version": &req.Version, "runtime": &req.Runtime}
		for flag, to := range fields {
			if f.Changed(flag) {
				path := strings.ReplaceAll(flag, "-", "_")
				if flag == "status" {
					path = "status_text"
				}
				req.UpdateMask.Paths = append(req.UpdateMask.Paths, path)
				*to = given(*texts[flag])
			}
		}
		if f.Changed("tag") {
			req.Tags, req.UpdateMask.Paths = &b2bv1.StringList{Values: tags}, append(req.UpdateMask.Paths, "tags")
		}
		if f.Changed("language") {
			req.Languages, req.UpdateMask.Paths = &b2bv1.StringList{Values: languages}, append(req.UpdateMask.Paths, "languages")
		}
		if len(req.UpdateMask.Paths) == 0 && !f.Changed("a2a") {
			return usageError("nothing to change: give a flag, such as --status")
		}
		c, err := r.connect()
		if err != nil {
			return err
		}
		if f.Changed("a2a") {
			me, err := c.Bots.GetMe(r.ctx, &b2bv1.GetMeRequest{})
			if err != nil {
				return err
			}
			if req.Protocols, err = withA2A(me.GetBot().GetProtocols(), overA2A); err != nil {
				return err
			}
			req.UpdateMask.Paths = append(req.UpdateMask.Paths, "protocols")
		}
		res, err := c.Bots.UpdateProfile(r.ctx, &req)
		if err != nil {
			return err
		}
		return r.show(res.GetBot(), func() { r.profileOf(res.GetBot()) })
	})
}

// withA2A returns the protocols of a profile with the key "a2a" on or off. What a bot says of itself
// under it, and the other keys, stay.
func withA2A(protocols string, on bool) (*string, error) {
	keys := map[string]json.RawMessage{}
	if protocols != "" {
		if err := json.Unmarshal([]byte(protocols), &keys); err != nil {
			return nil, usageError("the protocols of the profile are no object, so a2a cannot be among them: %s", protocols)
		}
	}
	switch has := strings.HasPrefix(strings.TrimSpace(string(keys["a2a"])), "{"); {
	case !on:
		delete(keys, "a2a")
	case !has:
		keys["a2a"] = json.RawMessage("true")
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode the protocols of the profile: %w", err)
	}
	return proto.String(string(text)), nil
}

func (a *App) profileRename() *cobra.Command {
	return a.verb(&cobra.Command{
		Use:     "rename NAME",
		Short:   "Give the agent another name in its org",
		Example: example("b2b profile rename senior-reviewer"),
		Args:    cobra.ExactArgs(1),
	}, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		res, err := c.Bots.RenameMe(r.ctx, &b2bv1.RenameMeRequest{Name: &args[0]})
		if err != nil {
			return err
		}
		if p := r.conn.Profile; p != nil {
			p.BotName = res.GetBot().GetName()
			if err := r.store.Save(p); err != nil {
				return err
			}
		}
		return r.show(res.GetBot(), func() {
			r.out.Printf("The agent is called %s.\n",
				r.out.Bold(term.Line(res.GetBot().GetName())))
		})
	})
}
