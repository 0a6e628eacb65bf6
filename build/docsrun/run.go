package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long a block with until may take to print its text.
const patience = 30 * time.Second

// A run runs the blocks of one page.
type run struct {
	*page
	project    *project
	programs   map[*unit]program
	addr       string // of the server of the page, host:port
	folder     string // in which its programs start
	shell      *shell
	background []*process
	verbose    bool
}

// failure is the error of a unit: where it is, what it is, and what it printed.
func failure(u *unit, err error, out string) error {
	var text strings.Builder
	for _, b := range u.blocks {
		text.WriteString(b.text)
	}
	return fmt.Errorf("%s:%d: the block (%s) fails: %w\n%s--- its output:\n%s", u.page, u.line(), u.language, err, text.String(), out)
}

// do runs the page with this environment, until a block fails.
func (r *run) do(ctx context.Context, env []string) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	name := strings.Trim(strings.NewReplacer("/", "-", ".md", "").Replace(r.name), "-")
	r.folder = filepath.Join(r.project.dir(), "pages", name, "start")
	state := filepath.Join(r.project.folder, "pages", name)
	for _, folder := range []string{r.folder, state} { // a page may also use folders beside its own
		if err := os.RemoveAll(strings.TrimSuffix(folder, "/start")); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := os.Symlink("../../../.venv", filepath.Join(r.folder, ".venv")); err != nil {
		return err // the environment of Python is where the SDK is installed
	}
	if r.shell, err = startShell(state, r.folder, env); err != nil {
		return err
	}
	defer r.shell.close()
	defer func() {
		for _, p := range r.background {
			p.end()
		}
	}()
	if _, err := r.shell.run(ctx, ":"); err != nil { // so that it has a state
		return err
	}
	for _, u := range r.units {
		if u.not != "" || u.compile != "" || u.install {
			continue
		}
		begun := time.Now()
		out, err := r.unit(ctx, u)
		if err != nil {
			return failure(u, err, out)
		}
		if r.verbose {
			fmt.Printf("%s:%d (%s, %.1f s)\n%s", u.page, u.line(), u.language, time.Since(begun).Seconds(), out)
		}
	}
	for i, p := range r.background {
		select {
		case <-p.done:
			return fmt.Errorf("%s: background block %d ended before the page: %w\n%s", r.name, i+1, p.err, p.out)
		default:
		}
	}
	return nil
}

// unit runs one unit and returns what it printed.
func (r *run) unit(ctx context.Context, u *unit) (out string, err error) {
	whole := ctx // a background block goes on after this function
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("%v have passed", longest))
	defer cancel()
	text := strings.ReplaceAll(u.blocks[0].text, documented, r.addr)
	if u.file != "" {
		return "", os.WriteFile(filepath.Join(r.folder, u.file), []byte(text), 0o600)
	}
	if u.language == "sh" && !u.server && !u.background && u.until == "" {
		if out, err = r.shell.run(ctx, text); err == nil {
			err = u.printed(out)
		}
		if err == nil && u.shows != "" {
			err = r.shown(ctx, u.shows)
		}
		return out, err
	}
	env, folder, err := r.shell.state()
	if err != nil {
		return "", err
	}
	program := r.programs[u]
	if u.language == "sh" {
		program.args = []string{"bash", "-c", prelude + text}
		if _, port, err := net.SplitHostPort(r.addr); err == nil && u.server {
			program.env = append(program.env, "QUICKSTART_PORT="+port)
		}
	}
	p, err := start(folder, append(env, program.env...), program.args...)
	if err != nil {
		return "", err
	}
	keep := u.server || u.background
	defer func() {
		if out = p.out.String(); !keep || err != nil {
			p.end()
		}
	}()
	during, stop := context.WithCancel(ctx)
	defer stop()
	if !keep && u.until == "" {
		go r.meanwhile(during, u, env, folder)
		if err := p.wait(ctx); err != nil {
			return "", err
		}
		return "", u.printed(p.out.String())
	}
	if keep {
		r.background = append(r.background, p)
		go r.meanwhile(whole, u, env, folder)
		if u.peer != "" {
			peer, err := newPeer(ctx, append([]string{"B2B_URL=http://" + r.addr}, env...))
			if err != nil {
				return "", err
			}
			go peer.say(whole, u.peer)
		}
		return "", r.ready(during, p, u)
	}

	during, stop = context.WithTimeoutCause(during, patience, fmt.Errorf("%v have passed", patience))
	defer stop()
	peer, err := newPeer(during, append([]string{"B2B_URL=http://" + r.addr}, env...))
	if err != nil && u.peer != "" {
		return "", err
	}
	var received <-chan struct{}
	if err == nil { // a page may have no other-bot
		received = peer.received(during, u.until)
		if u.peer != "" {
			go peer.say(during, u.peer)
		}
	}
	go r.meanwhile(during, u, env, folder)
	if err := p.printed(during, u.until, received); err != nil {
		return "", err
	}
	return "", u.printed(p.out.String())
}

// ready waits for a block that goes on, if it says when it is ready.
func (r *run) ready(ctx context.Context, p *process, u *unit) error {
	switch {
	case u.server:
		return p.printed(ctx, cmp.Or(u.ready, `"listening"`), nil)
	case u.ready != "":
		return p.printed(ctx, u.ready, nil)
	}
	return nil
}

// shown waits until a background block has printed the text.
func (r *run) shown(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v have passed", patience))
	defer cancel()
	if len(r.background) == 0 {
		return errors.New("no block before it runs in the background")
	}
	// The newest one is what the page has started last: its agent.
	return r.background[len(r.background)-1].printed(ctx, text, nil)
}

// printed checks the directive prints.
func (u *unit) printed(out string) error {
	if !strings.Contains(out, u.prints) {
		return fmt.Errorf("it has not printed %q", u.prints)
	}
	return nil
}

// meanwhile runs the commands for the time of a block every half second, until ctx ends.
func (r *run) meanwhile(ctx context.Context, u *unit, env []string, folder string) {
	if strings.TrimSpace(u.meanwhile) == "" {
		return
	}
	code := prelude + strings.ReplaceAll(u.meanwhile, documented, r.addr)
	for ctx.Err() == nil {
		if p, err := start(folder, env, "bash", "-c", code); err == nil {
			_ = p.wait(ctx) // it may come too early; the block does not end if it never works
			if r.verbose {
				fmt.Print(p.out)
			}
		}
		pause(ctx)
	}
}
