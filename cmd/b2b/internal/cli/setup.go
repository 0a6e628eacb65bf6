package cli

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/agentconfig"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
)

// configured is a change of a configuration, as JSON.
type configured struct {
	Program string `json:"program"`
	Path    string `json:"path"`
	Diff    string `json:"diff"`
	Done    bool   `json:"done"`
}

func (a *App) setup() *cobra.Command {
	var yes, hooks bool
	cmd := &cobra.Command{
		Use:   "setup [PROGRAM…]",
		Short: "Let an agent program of this machine act as the agent",
		Long: "Write the MCP server of the profile (b2b mcp) into the configuration of agent programs:\n" +
			strings.Join(agentconfig.Names(), ", ") + ". Each change is shown before it is made;\n" +
			"b2b leave takes them back. Without PROGRAM, list the programs that are found. No token is written.\n\n" +
			"With --hooks, the program also runs b2b hook between its turns, so that it learns what is addressed\n" +
			"to the agent: Claude Code, Codex, Gemini CLI, Cursor and, by a plugin, OpenCode.",
		Example:   example("b2b setup", "b2b setup codex gemini", "b2b setup claude-code --hooks", "b2b setup zed --yes --profile reviewer"),
		Args:      cobra.OnlyValidArgs,
		ValidArgs: agentconfig.Names(),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "make the changes without asking")
	cmd.Flags().BoolVar(&hooks, "hooks", false, "let the program run b2b hook between its turns, too")
	return a.verb(cmd, func(r *run, args []string) error {
		if err := r.open(); err != nil {
			return err
		}
		p, err := r.stored()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			done, err := r.configure(p, args, yes)
			if err == nil && hooks {
				var more []configured
				more, err = r.hookUp(p, args, yes)
				done = append(done, more...)
			}
			if err != nil {
				return err
			}
			return r.configuredJSON(done)
		}
		for _, program := range agentconfig.Programs() {
			found := map[string]any{"program": program.Name, "path": program.Path(r.app.Getenv),
				"installed":  program.Installed(r.app.Getenv),
				"configured": slices.ContainsFunc(p.Configured, func(c profile.Configured) bool { return c.Program == program.Name })}
			if err := r.showJSON(found, func() {
				state := r.out.Dim("not found")
				switch {
				case found["configured"] == true:
					state = r.out.Green("set up")
				case found["installed"] == true:
					state = "found: " + r.b2b("setup %s", program.Name)
				}
				r.out.Printf("%s %s\n", pad(program.Title, 12), state)
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// stored returns the profile that the caller names, or the current one.
func (r *run) stored() (*profile.Profile, error) {
	name := r.profile
	if name == "" {
		name = r.app.Getenv(profile.EnvProfile)
	}
	if name == "" {
		var err error
		if name, err = r.store.Current(); err != nil {
			return nil, err
		}
	}
	if name == "" {
		return nil, fmt.Errorf("%w: join an org first (b2b join LINK), or name one with --profile", profile.ErrNoConnection)
	}
	return r.store.Load(name)
}

// configure writes the server of a profile into programs, after the caller has agreed.
func (r *run) configure(p *profile.Profile, names []string, yes bool) (done []configured, err error) {
	s, err := r.server(p)
	if err != nil {
		return nil, err
	}
	var changes []*agentconfig.Change
	for _, name := range names {
		program, ok := agentconfig.Find(name)
		if !ok {
			return nil, usageError("%q is none of: %s", name, strings.Join(agentconfig.Names(), ", "))
		}
		c, err := program.Add(r.app.Getenv, s)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	for _, c := range changes {
		made, err := r.make(p, c, yes)
		done = append(done, made)
		if err != nil {
			return done, err
		}
		if made.Done && !r.json {
			r.out.Printf("%s acts as %s. %s\n", r.out.Bold(c.Program.Title), r.out.Bold(p.BotName), c.Program.Hint)
		}
	}
	return done, nil
}

// hookUp writes the hooks of a profile into programs, after the caller has agreed.
func (r *run) hookUp(p *profile.Profile, names []string, yes bool) (done []configured, err error) {
	s, err := r.server(p)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		program, _ := agentconfig.Find(name) // configure has found it
		if !program.HasHooks() {
			r.note("%s runs no commands between its turns.", program.Title)
			continue
		}
		c, err := program.AddHooks(r.app.Getenv, s)
		if err != nil {
			return done, err
		}
		made, err := r.make(p, c, yes)
		done = append(done, made)
		if err != nil {
			return done, err
		}
		if made.Done && !r.json {
			r.out.Printf("%s learns between its turns what is addressed to %s.\n", r.out.Bold(program.Title), r.out.Bold(p.BotName))
			if name == "codex" {
				r.note("Codex asks in its terminal whether it may run them.")
			}
		}
	}
	return done, nil
}

// server returns how programs start the MCP server and the hooks of a profile.
func (r *run) server(p *profile.Profile) (agentconfig.Server, error) {
	command, err := r.app.Executable()
	if err != nil {
		return agentconfig.Server{}, fmt.Errorf("find the file of this program: %w", err)
	}
	return agentconfig.Server{Command: command, Profile: p.Name, ConfigHome: r.app.Getenv("XDG_CONFIG_HOME")}, nil
}

// make makes a change, if the caller agrees, and notes it in the profile.
func (r *run) make(p *profile.Profile, c *agentconfig.Change, yes bool) (configured, error) {
	ok, err := r.change(c, yes)
	made := configured{Program: c.Program.Name, Path: c.Path, Diff: c.Diff(), Done: ok}
	if err != nil || !ok {
		return made, err
	}
	created := !c.Exists
	p.Configured = slices.DeleteFunc(p.Configured, func(old profile.Configured) bool {
		created = created || old.Created && old.Path == c.Path // by this program before
		return old.Program == c.Program.Name && old.Path == c.Path && old.Hooks == c.Hooks
	})
	p.Configured = append(p.Configured, profile.Configured{Program: c.Program.Name, Path: c.Path, Created: created, Hooks: c.Hooks})
	return made, r.store.Save(p)
}

// change shows a change and makes it, if the caller agrees.
func (r *run) change(c *agentconfig.Change, yes bool) (bool, error) {
	if !r.json {
		if c.Before == c.After {
			r.note("%s is set up already.", c.Program.Title)
			return true, nil
		}
		r.diff(c.Diff())
	}
	if !yes {
		ok, err := r.agree(fmt.Sprintf("Change %s?", term.Line(c.Path)))
		if err != nil || !ok {
			return false, err
		}
	}
	return true, c.Apply()
}

// agree asks a person. Without a terminal the answer is no, and --yes is how to say yes.
func (r *run) agree(question string) (bool, error) {
	if !r.app.InTerminal || r.json {
		r.note("%s Not done: --yes does it.", question)
		return false, nil
	}
	r.notes.Printf("%s [y/N] ", question)
	if r.answers == nil {
		r.answers = bufio.NewReader(r.app.In)
	}
	line, err := r.answers.ReadString('\n')
	if err != nil && line == "" {
		return false, nil
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// configuredJSON writes what was changed, as JSON.
func (r *run) configuredJSON(done []configured) error {
	if !r.json {
		return nil
	}
	for _, c := range done {
		if err := encode(r.out, c); err != nil {
			return err
		}
	}
	return nil
}
