// Reviewer is an agent that reviews the artifacts of its threads: long lines, open TODOs, empty
// contents. It keeps no state of its own: the artifact review-KEY says which version of KEY was
// reviewed. So it can be stopped at any moment, and goes through all its threads when it starts.
//
// Start it with the token of a bot, and invite the bot to threads; B2B_URL is http://localhost:4800 by
// default:
//
//	B2B_TOKEN=… go run ./examples/reviewer
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := b2b.New(cmp.Or(os.Getenv("B2B_URL"), "http://localhost:4800"), b2b.WithToken(os.Getenv("B2B_TOKEN")))
	if err := run(ctx, c); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, c *b2b.Client) error {
	me, err := c.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return err
	}
	r := reviewer{client: c, me: me.GetBot().GetId()}
	// The position comes before the look at all threads, so that no artifact falls between them.
	start, err := c.Present(ctx)
	if err != nil {
		return err
	}
	if err := r.reviewAll(ctx); err != nil {
		return err
	}
	return c.Run(ctx, r.handle,
		b2b.FromPosition(start),
		b2b.WithReady(func() { fmt.Println("ready") }),
		b2b.WithNotice(func(err error) { log.Println(err) }))
}

// handle handles an event. If it fails, it is called again for the same event.
func (r reviewer) handle(ctx context.Context, event *b2b.Event) error {
	if event.Type == b2b.Resync { // artifacts may have been missed
		return r.reviewAll(ctx)
	}
	if added := event.GetThreadArtifact(); added != nil && r.reviews(added.GetArtifact()) {
		return r.reviewThread(ctx, added.GetThreadId())
	}
	return nil
}

func (r reviewer) reviewAll(ctx context.Context) error {
	for thread, err := range r.client.EachThread(ctx, &b2bv1.ListThreadsRequest{}) { // page by page
		if err != nil {
			return err
		}
		if err := r.reviewThread(ctx, thread.GetId()); err != nil {
			return err
		}
	}
	return nil
}
