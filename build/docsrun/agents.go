package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// inOrder runs steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// echo checks that each message is answered once, also those that come while the agent is away,
// and that echoes do not answer each other.
func (e *examples) echo(ctx context.Context, sdk string) error {
	u, tokens, err := e.users(ctx, "user", "echo")
	if err != nil {
		return err
	}
	position := filepath.Join(e.project.dir(), "examples-"+sdk+".position")
	if err := os.RemoveAll(position); err != nil { // of an earlier run
		return err
	}
	var a *agent
	begin := func() (err error) {
		a, err = e.start(ctx, sdk, "echo", tokens[1], position)
		return err
	}
	defer func() {
		if a != nil {
			a.end()
		}
	}()
	var channel string
	send := func(text string) func() error {
		return func() error {
			res, err := u.Send(ctx, "echo", text)
			channel = res.GetChannelId()
			return err
		}
	}
	messages := func(want ...string) func() error {
		return func() error {
			if err := u.answers(ctx, channel, want...); err != nil {
				return a.failed(err)
			}
			return nil
		}
	}
	all := []string{"one", "echo: one", "echo: me", "two", "echo: two", "three", "echo: three", "four", "five", "echo: four", "echo: five"}
	return inOrder(
		begin, send("one"), messages(all[:2]...),
		send("echo: me"), send("two"), messages(all[:5]...),
		func() error { a.kill(); return nil }, send("three"), begin, messages(all[:7]...),
		func() error { return a.stop(ctx, syscall.SIGTERM) }, send("four"), send("five"), begin, messages(all...),
		func() error { return a.stop(ctx, syscall.SIGINT) })
}

// review checks that each version of an artifact is reviewed once, those before the start included.
func (e *examples) review(ctx context.Context, sdk string) error {
	u, tokens, err := e.users(ctx, "author", "reviewer")
	if err != nil {
		return err
	}
	var a *agent
	begin := func() (err error) {
		a, err = e.start(ctx, sdk, "reviewer", tokens[1], "")
		return err
	}
	defer func() {
		if a != nil {
			a.end()
		}
	}()
	early, err := u.open(ctx, "reviewer")
	if err != nil {
		return err
	}
	var late string
	check := func(thread *string, status b2bv1.ThreadStatus, said []string, artifacts ...string) func() error {
		return func() error {
			err := inOrder(
				func() error { return u.said(ctx, *thread, said...) },
				func() error { return u.status(ctx, *thread, status) },
				func() error { return u.artifacts(ctx, *thread, artifacts...) })
			if err != nil {
				return a.failed(err)
			}
			return nil
		}
	}
	first := []string{"Review of notes version 1: 2 findings", "Review of notes version 2: 0 findings"}
	second := []string{"Review of empty version 1: 1 findings", "Review of last version 1: 0 findings"}
	const reviewing, resolved = b2bv1.ThreadStatus_THREAD_STATUS_REVIEWING, b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED
	return inOrder(
		func() error { return u.add(ctx, early, "notes", "A TODO\n"+strings.Repeat("x", 101)+"\nfine") },
		begin, check(&early, reviewing, first[:1], "notes 1", "review-notes 1"),
		func() error { return u.change(ctx, early, "notes", "fine") },
		check(&early, resolved, first, "notes 2", "review-notes 2"),
		func() (err error) { late, err = u.open(ctx, "reviewer"); return err },
		func() error { return u.add(ctx, late, "empty", " ") },
		check(&late, reviewing, second[:1], "empty 1", "review-empty 1"),
		func() error { return a.stop(ctx, syscall.SIGTERM) }, begin,
		func() error { return u.add(ctx, late, "last", "fine") },
		check(&late, reviewing, second, "empty 1", "last 1", "review-empty 1", "review-last 1"),
		check(&early, resolved, first, "notes 2", "review-notes 2"),
		func() error { return a.stop(ctx, syscall.SIGINT) })
}

// pair checks that a planner and a worker, also of two languages, solve a task together.
func (e *examples) pair(ctx context.Context, planner, worker string) error {
	u, tokens, err := e.users(ctx, "planner", "worker")
	if err != nil {
		return err
	}
	w, err := e.start(ctx, worker, "pair", tokens[1], "", "worker", "--once")
	if err != nil {
		return err
	}
	defer w.end()
	p, err := e.start(ctx, planner, "pair", tokens[0], "", "planner", "worker")
	if err != nil {
		return err
	}
	defer p.end()
	err = inOrder(
		func() error { return p.printed(ctx, "resolved: 12", nil) },
		func() error { return p.ended(ctx) },
		func() error { return w.ended(ctx) },
		func() error {
			for t, err := range u.EachThread(ctx, &b2bv1.ListThreadsRequest{}) {
				if err != nil {
					return err
				}
				return inOrder(
					func() error { return u.said(ctx, t.GetId(), "@worker sum: 3 4 5", "working on it") },
					func() error { return u.artifacts(ctx, t.GetId(), "result 1") },
					func() error { return u.status(ctx, t.GetId(), b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED) })
			}
			return fmt.Errorf("there is no thread")
		})
	if err != nil {
		return p.failed(fmt.Errorf("with the worker in %s: %w\n--- output of the worker:\n%s\n---", worker, err, w.out))
	}
	return nil
}
