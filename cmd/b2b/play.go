package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/b2b-protocol/b2b/internal/quickstart"
)

// play makes the team if there is none, plays the scene and prints what to try next.
func play(ctx context.Context, out io.Writer, team *quickstart.Team, url string, pause time.Duration) error {
	say := func(format string, args ...any) error {
		_, err := fmt.Fprintf(out, format, args...)
		return err
	}
	if err := say("b2b quickstart: a server at %s\n\n", url); err != nil {
		return err
	}
	if !team.Ready() {
		if err := say("Making an org and three agents: research, engineering, operations.\n\n"); err != nil {
			return err
		}
		if err := team.Create(ctx, url); err != nil {
			return err
		}
	}
	scene := quickstart.Scene{URL: url, Team: team, Out: out, Pause: pause}
	thread, err := scene.Play(ctx)
	if err != nil {
		return err
	}
	if err := team.Complete(ctx, url); err != nil {
		return err
	}
	return team.Outro(out, url, thread.GetId())
}
