package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// examples runs the example agents of the three SDKs, which have the same behaviour. This program
// plays the bots around them.
type examples struct {
	project *project
	server  *server
}

// sdks are the languages of the example agents.
var sdks = []string{"go", "typescript", "python"}

// goExample returns an example in Go as a unit of the program that has the blocks of the pages, and
// its files.
func goExample(root, name string) (u *unit, files map[string]string, err error) {
	folder := "sdk/go/examples/" + name
	found, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		return nil, nil, err
	}
	u = &unit{page: folder + "/main.go", language: "go", blocks: []part{{line: 1}}}
	files = map[string]string{}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		switch base := filepath.Base(file); {
		case base == "main.go":
			u.blocks[0].text = string(text)
			if files[base], err = u.goSource(root); err != nil {
				return nil, nil, err
			}
		case !strings.HasSuffix(base, "_test.go"):
			files[base] = clause.ReplaceAllString(string(text), "package "+u.id())
		}
	}
	return u, files, nil
}

// command returns the program of an example.
func (e *examples) command(sdk, name string) []string {
	switch sdk {
	case "go":
		return []string{filepath.Join(e.project.dir(), "snippets/go/snippets"), e.project.examples[name].id()}
	case "typescript":
		return []string{"node", filepath.Join(e.project.dir(), "snippets/ts/examples", name+".js")}
	}
	return []string{"python", filepath.Join(e.project.root, "sdk/python/examples", name+".py")}
}

// run runs all examples, each with an org of its own.
func (e *examples) run(ctx context.Context) error {
	var checks []func(context.Context) error
	for i, sdk := range sdks {
		other := sdks[(i+1)%len(sdks)]
		checks = append(checks,
			func(ctx context.Context) error { return e.echo(ctx, sdk) },
			func(ctx context.Context) error { return e.review(ctx, sdk) },
			func(ctx context.Context) error { return e.pair(ctx, sdk, sdk) },
			func(ctx context.Context) error { return e.pair(ctx, sdk, other) })
	}
	errs := make([]error, len(checks))
	slots := make(chan struct{}, 3)
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("%v have passed", longest))
			defer cancel()
			errs[i] = check(ctx)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// An agent is a running example.
type agent struct {
	*process
	name string // of the example and its SDK
}

// start starts an example, and waits until it listens.
func (e *examples) start(ctx context.Context, sdk, name, token, position string, args ...string) (*agent, error) {
	p, err := start(e.project.dir(), append(slices.Clone(e.project.env), "B2B_URL=http://"+e.server.addr, "B2B_TOKEN="+token, "B2B_POSITION="+position),
		append(e.command(sdk, name), args...)...)
	if err != nil {
		return nil, err
	}
	a := &agent{process: p, name: sdk + " " + name}
	if err := p.printed(ctx, "ready", nil); err != nil {
		p.end()
		return nil, a.failed(err)
	}
	return a, nil
}

func (a *agent) failed(err error) error {
	return fmt.Errorf("example %s: %w\n--- its output:\n%s", a.name, err, a.out)
}

// stop ends the agent by a signal, and checks that it ends well.
func (a *agent) stop(ctx context.Context, signal os.Signal) error {
	if err := a.cmd.Process.Signal(signal); err != nil {
		return a.failed(err)
	}
	return a.ended(ctx)
}

// ended waits for the end of the agent, which has to be a success.
func (a *agent) ended(ctx context.Context) error {
	if err := a.wait(ctx); err != nil {
		return a.failed(err)
	}
	return nil
}

// A user is a bot that this program plays.
type user struct{ *b2b.Client }

// users makes an org, and returns the tokens of its bots and the first bot as a user.
func (e *examples) users(ctx context.Context, names ...string) (user, []string, error) {
	_, tokens, err := e.server.org(ctx, names...)
	if err != nil {
		return user{}, nil, err
	}
	return user{b2b.New("http://"+e.server.addr, b2b.WithToken(tokens[0]))}, tokens, nil
}

// eventually waits until the check returns "", and returns what it says at last.
func eventually(ctx context.Context, check func() (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		wrong, err := check()
		if err == nil && wrong == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New(wrong), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers waits until the direct messages of the user with a bot are these, both ways.
func (u user) answers(ctx context.Context, channel string, want ...string) error {
	return eventually(ctx, func() (string, error) {
		var got []string
		for m, err := range u.EachChannelMessage(ctx, &b2bv1.ListChannelMessagesRequest{ChannelId: channel}) {
			if err != nil {
				return "", err
			}
			got = append(got, m.GetContent())
		}
		slices.Reverse(got)
		return differ("the messages", got, want), nil
	})
}

// said waits until the messages of a thread begin with these lines.
func (u user) said(ctx context.Context, thread string, want ...string) error {
	return eventually(ctx, func() (string, error) {
		var got []string
		for m, err := range u.EachThreadMessage(ctx, &b2bv1.ListThreadMessagesRequest{ThreadId: thread}) {
			if err != nil {
				return "", err
			}
			first, _, _ := strings.Cut(m.GetContent(), "\n")
			got = append(got, first)
		}
		slices.Reverse(got)
		return differ("the messages of the thread", got, want), nil
	})
}

// artifacts waits until the latest versions of the artifacts of a thread are these, without an order.
func (u user) artifacts(ctx context.Context, thread string, want ...string) error {
	return eventually(ctx, func() (string, error) {
		var got []string
		for a, err := range u.EachArtifact(ctx, &b2bv1.ListArtifactsRequest{ThreadId: thread}) {
			if err != nil {
				return "", err
			}
			got = append(got, fmt.Sprintf("%s %d", a.GetArtifactKey(), a.GetVersion()))
		}
		slices.Sort(got)
		slices.Sort(want)
		return differ("the artifacts", got, want), nil
	})
}

func differ(what string, got, want []string) string {
	if slices.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("%s are %q, want %q", what, got, want)
}

// status waits until a thread has this status.
func (u user) status(ctx context.Context, thread string, want b2bv1.ThreadStatus) error {
	return eventually(ctx, func() (string, error) {
		res, err := u.Threads.GetThread(ctx, &b2bv1.GetThreadRequest{ThreadId: thread})
		if got := res.GetThread().GetStatus(); err == nil && got != want {
			return fmt.Sprintf("the thread is %v, want %v", got, want), nil
		}
		return "", err
	})
}

// open makes a thread with another bot.
func (u user) open(ctx context.Context, with string) (string, error) {
	res, err := u.Threads.CreateThread(ctx, &b2bv1.CreateThreadRequest{Topic: new("Work"), Participants: &b2bv1.StringList{Values: []string{with}}})
	return res.GetThread().GetId(), err
}

func (u user) add(ctx context.Context, thread, key, content string) error {
	_, err := u.Artifacts.AddArtifact(ctx, &b2bv1.AddArtifactRequest{ThreadId: thread, ArtifactKey: &key, Content: &content})
	return err
}

func (u user) change(ctx context.Context, thread, key, content string) error {
	_, err := u.Artifacts.UpdateArtifact(ctx, &b2bv1.UpdateArtifactRequest{ThreadId: thread, ArtifactKey: key, Content: &content})
	return err
}
