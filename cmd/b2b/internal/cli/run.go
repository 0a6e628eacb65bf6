package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/profile"
	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

// common has the flags that every verb has.
type common struct {
	profile, url, tokenFile, color string
	json, quiet, verbose, noPager  bool
	timeout                        time.Duration
}

const usualTimeout = time.Minute

func (c *common) flags(timeout time.Duration) *pflag.FlagSet {
	f := pflag.NewFlagSet("common", pflag.ContinueOnError)
	f.BoolVar(&c.json, "json", false, "print JSON, one value a line; errors too")
	f.DurationVar(&c.timeout, "timeout", timeout, "give up after this time; 0 never")
	f.StringVar(&c.profile, "profile", "", "act as the bot of this profile (default B2B_PROFILE, or the current one)")
	f.StringVar(&c.url, "url", "", "address of the server (default B2B_URL, or that of the profile)")
	f.StringVar(&c.tokenFile, "token-file", "", "file with the token (default B2B_TOKEN, B2B_TOKEN_FILE, or that of the profile)")
	f.StringVar(&c.color, "color", "auto", "colours: auto, always or never")
	f.BoolVar(&c.noPager, "no-pager", false, "print long output at once")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "print no notes")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "print the requests, on standard error")
	return f
}

// run is one run of a verb.
type run struct {
	app *App
	cmd *cobra.Command
	ctx context.Context
	common
	out   *term.Printer
	notes *term.Printer // on standard error
	clock *clock

	answers *bufio.Reader // of a person to questions

	store  profile.Store
	conn   *profile.Connection
	client *b2b.Client
	logout func() error // ends the session of admin
}

type verbOption func(*verbSettings)

type verbSettings struct {
	timeout time.Duration
	paged   bool
}

// noTimeout is for verbs that take as long as they take.
func noTimeout(s *verbSettings) { s.timeout = 0 }

// paged is for verbs with long output.
func paged(s *verbSettings) { s.paged = true }

// verb makes a command of a function.
func (a *App) verb(cmd *cobra.Command, do func(*run, []string) error, opts ...verbOption) *cobra.Command {
	settings := verbSettings{timeout: usualTimeout}
	for _, o := range opts {
		o(&settings)
	}
	r := &run{app: a, cmd: cmd}
	common := r.flags(settings.timeout)
	own := cmd.Flags()
	own.SortFlags = false
	cmd.SetUsageFunc(func(c *cobra.Command) error { return usage(c, common) })
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return a.fail(cmd, usageError("%w", err)) })
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return a.fail(cmd, usageError("%w", err))
		}
		return nil
	}
	own.AddFlagSet(common)
	if err := cmd.RegisterFlagCompletionFunc("profile", a.completeProfiles); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(c *cobra.Command, args []string) error {
		return a.fail(cmd, r.start(c.Context(), settings, func() error { return do(r, args) }))
	}
	return cmd
}

// start runs a verb with its output and its deadline.
func (r *run) start(ctx context.Context, settings verbSettings, do func() error) (err error) {
	a := r.app
	r.ctx = ctx
	if r.timeout < 0 {
		return usageError("--timeout %v is negative", r.timeout)
	}
	if r.timeout > 0 {
		var cancel context.CancelFunc
		r.ctx, cancel = context.WithTimeoutCause(ctx, r.timeout, errTimeout)
		defer cancel()
	}
	defer func() { err = r.explain(err) }() // runs before the deadline is taken away
	color := a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
	switch r.color {
	case "auto":
	case "always", "never":
		color = r.color == "always"
	default:
		return usageError("--color %q is not auto, always or never", r.color)
	}
	r.clock = &clock{next: a.Transport, now: a.Now, log: r.logRequest}
	r.out = &term.Printer{W: a.Out, Now: r.clock.Now, Color: color && (a.OutTerminal || r.color == "always")}
	r.notes = &term.Printer{W: a.Err, Now: r.clock.Now, Color: color && (a.ErrTerminal || r.color == "always")}
	if a.OutTerminal {
		r.out.Width = a.Width()
	}
	if settings.paged && a.OutTerminal && a.InTerminal && !r.json && !r.noPager {
		end, failed := r.page(ctx)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	err = do()
	if r.logout != nil {
		err = errors.Join(err, r.logout())
	}
	if err != nil {
		return err
	}
	return r.out.Err()
}

// page sends the output through a pager.
func (r *run) page(ctx context.Context) (end func() error, err error) {
	command := r.app.Getenv("B2B_PAGER")
	if command == "" {
		command = r.app.Getenv("PAGER")
	}
	if command == "cat" {
		return func() error { return nil }, nil
	}
	w, end, err := term.Pager(ctx, command, r.app.Environ(), r.app.Out, r.app.Err)
	if err != nil && command == "" { // there is no less
		return func() error { return nil }, nil
	}
	if err == nil {
		r.out.W = w
	}
	return end, err
}

// logRequest prints a request, for --verbose. It has no header and no query, which could be secret.
func (r *run) logRequest(format string, args ...any) {
	if r.verbose {
		r.notes.Printf("%s\n", r.notes.Dim(term.Line(fmt.Sprintf(format, args...))))
	}
}

// note tells something beside the result, on standard error.
func (r *run) note(format string, args ...any) {
	if !r.quiet && !r.json {
		r.notes.Printf("%s\n", r.notes.Dim(fmt.Sprintf(format, args...)))
	}
}

const mostInput = 4 << 20

// input returns the text of a message: the arguments, or standard input if there are none or only "-".
func (r *run) input(args []string, what string) (string, error) {
	if len(args) > 0 && !(len(args) == 1 && args[0] == "-") {
		return strings.Join(args, " "), nil
	}
	if r.app.InTerminal {
		r.note("Type the %s, then Ctrl-D.", what)
	}
	text, err := io.ReadAll(io.LimitReader(r.app.In, mostInput+1))
	if err != nil {
		return "", fmt.Errorf("read the %s from standard input: %w", what, err)
	}
	if len(text) > mostInput {
		return "", usageError("the %s on standard input has more than %d bytes: send it as a file", what, mostInput)
	}
	content := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if content == "" {
		return "", usageError("the %s is empty: give it as arguments, or on standard input", what)
	}
	return content, nil
}
