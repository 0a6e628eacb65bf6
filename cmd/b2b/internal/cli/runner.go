package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// running has the flags of run.
type running struct {
	template, input, state, mode  string
	remote                        remote
	kinds, from, threads          []string
	modes                         map[string]string
	noDirect                      bool
	concurrency, burst, maxFileMB int
	every, lease, maxTime, drain  time.Duration
}

// usualKinds are the deliveries that want an answer.
const usualKinds = "direct,mention,reply,all,decision"

func (a *App) runner() *cobra.Command {
	var o running
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT…]",
		Short: "Make an agent of a command, or of an A2A agent: run it for what is addressed to you",
		Long: "Take up what is addressed to you, and run a command for each: it reads the message on its\n" +
			"standard input, and what it prints is the reply. While it runs nobody else gets the message,\n" +
			"and the reply and the settlement are one step: a message is answered once.\n\n" +
			"The exit status of the command: 0 done (it need not print anything), 65 failed for good,\n" +
			"others: again later. In a thread, [SKIP] alone is no reply.\n\n" +
			"With --template, COMMAND is further arguments of the agent program.\n\n" +
			"With --a2a there is no command: what is addressed to you becomes tasks of an agent elsewhere\n" +
			"that speaks A2A 1.0, and its updates, artifacts and questions come back. B2B_A2A_TOKEN is the\n" +
			"token for it, if it wants one.",
		Example: example(`b2b run --input text -- tr a-z A-Z`, "b2b run --concurrency 4 -- ./handle.py",
			"b2b run --template claude -- --permission-mode acceptEdits", "b2b run --template codex --mode smart --from engineering,ops", "b2b run --a2a https://agent.example.com"),
		Args: cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.template, "template", "", "run this agent `program`: "+strings.Join(runner.Templates(), ", "))
	f.StringVar(&o.input, "input", "", "what the command reads: json (the default), text (of the message) or prompt (with its context); with --a2a what is sent: text (the default) or prompt")
	f.StringVar(&o.remote.url, "a2a", "", "`URL` of an agent elsewhere, or of its agent card, instead of a command")
	f.StringVar(&o.remote.tokenFile, "a2a-token-file", "", "`file` with the token for that agent (default B2B_A2A_TOKEN)")
	f.StringSliceVar(&o.remote.hosts, "a2a-host", nil, "`host` beside that of the card at which the agent may be called")
	f.StringSliceVar(&o.kinds, "kind", strings.Split(usualKinds, ","), "which `kinds` of deliveries to take up; any: all of them")
	f.StringSliceVar(&o.from, "from", nil, "work only for these `agents`")
	f.StringSliceVar(&o.threads, "thread", nil, "of threads, work only in those with these `ids`")
	f.BoolVar(&o.noDirect, "no-direct", false, "take no direct messages")
	f.StringVar(&o.mode, "mode", string(runner.ModeMention), "in threads, run for messages that are addressed to you (mention), for every message, with silence allowed (smart), or as if each was for you (all)")
	f.StringToStringVar(&o.modes, "thread-mode", nil, "`ID=mode` of a thread with another mode")
	f.IntVar(&o.concurrency, "concurrency", 1, "how many commands or tasks run at once, each for another thread or sender")
	f.DurationVar(&o.maxTime, "max-time", 15*time.Minute, "end a command or task that takes longer; 0 never")
	f.DurationVar(&o.drain, "drain", 5*time.Minute, "how long commands may go on after SIGTERM or Ctrl-C")
	f.DurationVar(&o.lease, "lease", usualLease, "how soon another worker gets a message if this one dies")
	f.IntVar(&o.burst, "burst", 10, "commands at once for one sender; 0: no limit")
	f.DurationVar(&o.every, "every", 2*time.Second, "time until a sender beyond its burst gets one more")
	f.IntVar(&o.maxFileMB, "max-file", 10, "fetch attachments up to so many MB; 0: none")
	f.StringVar(&o.state, "state", "", "`folder` for sessions and the position (default below XDG_STATE_HOME or ~/.local/state)")
	return a.verb(cmd, func(r *run, args []string) error { return o.do(r, args) }, noTimeout)
}

func (o *running) do(r *run, args []string) error {
	c, err := o.config(r, args)
	if err != nil {
		return err
	}
	me, err := c.Client.Bots.GetMe(r.ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return err
	}
	if err := o.accept(r, c); err != nil {
		return err
	}
	c.Bot = me.GetBot().GetId()
	folder, err := o.folder(r, c.Bot)
	if err != nil {
		return err
	}
	c.Position = b2b.FileStore(filepath.Join(folder, "position"))
	if o.remote.url != "" {
		c.Executor, err = o.remote.executor(r, o, c, folder)
	} else {
		c.Executor, err = o.command(r, args, folder)
	}
	if err != nil {
		return err
	}
	c.Log.Info("working", "bot", me.GetBot().GetName(), "kinds", strings.Join(o.kinds, ","), "mode", o.mode)
	return runner.Run(r.ctx, *c)
}

// config checks the flags.
func (o *running) config(r *run, args []string) (*runner.Config, error) {
	c := &runner.Config{
		Rate:        runner.Rate{Burst: o.burst, Every: o.every},
		Modes:       runner.Modes{Usual: runner.Mode(o.mode), Threads: map[string]runner.Mode{}},
		Concurrency: o.concurrency, Lease: o.lease, Drain: o.drain, MostFile: int64(o.maxFileMB) << 20, Now: r.app.Now, Log: o.logger(r),
	}
	if err := o.checkExecutor(args); err != nil {
		return nil, err
	}
	switch {
	case o.concurrency < 1 || o.concurrency > 100:
		return nil, usageError("--concurrency %d is not between 1 and 100", o.concurrency)
	case o.lease < 3*time.Second:
		return nil, usageError("--lease %v is too short: at least 3s, so that it can be extended", o.lease)
	case o.maxTime < 0 || o.drain < 0 || o.burst < 0 || o.every < 0 || o.maxFileMB < 0:
		return nil, usageError("--max-time, --drain, --burst, --every and --max-file cannot be negative")
	}
	for thread, mode := range o.modes {
		c.Modes.Threads[thread] = runner.Mode(mode)
	}
	for _, mode := range append(slices.Collect(maps.Values(c.Modes.Threads)), c.Modes.Usual) {
		if !slices.Contains(runner.ModeNames(), mode) {
			return nil, usageError("the mode %q is not mention, smart or all", mode)
		}
	}
	var err error
	if !slices.Equal(o.kinds, []string{"any"}) {
		if c.Kinds, err = enumsOf[b2bv1.DeliveryKind]("--kind", o.kinds); err != nil {
			return nil, err
		}
	}
	c.Client, err = r.connect()
	return c, err
}

// checkExecutor checks what says who does the work: a command, a template or an agent elsewhere.
func (o *running) checkExecutor(args []string) error {
	if o.remote.url != "" {
		return o.remote.check(o, args)
	}
	program := o.template
	switch {
	case o.remote.tokenFile != "" || len(o.remote.hosts) > 0:
		return usageError("--a2a-token-file and --a2a-host are for --a2a")
	case o.template != "" && runner.TemplateOf(o.template) == nil:
		return usageError("--template %q is none of: %s", o.template, strings.Join(runner.Templates(), ", "))
	case o.template == "" && len(args) == 0:
		return usageError("the command is missing: b2b run -- COMMAND")
	case !slices.Contains([]runner.Input{"", runner.InputJSON, runner.InputText, runner.InputPrompt}, runner.Input(o.input)):
		return usageError("--input %q is not json, text or prompt", o.input)
	case o.template == "":
		program = args[0]
	}
	if _, err := exec.LookPath(program); err != nil {
		return usageError("the command %q cannot be run: %w", program, errors.Unwrap(err))
	}
	return nil
}

// logger returns a logger on standard error, in lines of text or of JSON.
func (o *running) logger(r *run) *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if r.quiet {
		opts.Level = slog.LevelWarn
	}
	if r.json {
		return slog.New(slog.NewJSONHandler(r.app.Err, opts))
	}
	return slog.New(slog.NewTextHandler(r.app.Err, opts))
}

// accept finds the agents that are worked for: their ids, because names can change hands.
func (o *running) accept(r *run, c *runner.Config) error {
	c.Access = runner.Access{Threads: o.threads, Direct: !o.noDirect}
	for _, name := range o.from {
		bot, err := r.bot(c.Client, name)
		if err != nil {
			if b2b.CodeOf(err) == notFound {
				return usageError("--from %q: no agent of the org has this name or id; b2b agents lists them", name)
			}
			return err
		}
		c.Access.Senders = append(c.Access.Senders, bot.GetId())
	}
	return nil
}

// folder makes the folder of what outlives the runner.
func (o *running) folder(r *run, bot string) (string, error) {
	folder := o.state
	if folder == "" {
		var err error
		if folder, err = r.stateFolder("run", bot); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make the folder of the state: %w", err)
	}
	return folder, nil
}

// command returns what runs the command or the template.
func (o *running) command(r *run, args []string, folder string) (runner.Executor, error) {
	sessions, err := runner.OpenSessions(filepath.Join(folder, "sessions.json"), r.app.Now)
	if err != nil {
		return nil, err
	}
	c := &runner.Command{
		Args: args, Template: runner.TemplateOf(o.template), Input: runner.Input(o.input), Timeout: o.maxTime,
		Sessions: sessions, Environ: r.app.Environ(), Errs: r.app.Err,
	}
	if p := r.conn.Profile; p != nil { // so that the command can use b2b as this bot
		c.Environ = append(c.Environ, "B2B_PROFILE="+p.Name)
	}
	return c, nil
}

// stateFolder returns the folder of what a verb keeps for a bot, which may be lost: in XDG_STATE_HOME, or
// else in ~/.local/state.
func (r *run) stateFolder(verb, bot string) (string, error) {
	base := r.app.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		home := r.app.Getenv("HOME")
		if home == "" {
			return "", usageError("no folder for the state: set HOME or XDG_STATE_HOME")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "b2b", verb, bot), nil
}
