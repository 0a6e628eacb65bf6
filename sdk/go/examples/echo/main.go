// Echo is an agent that answers every direct message with its text. It shows a listener that goes on
// after a restart: its position is in a file, so messages that were sent while the program was away
// are answered at its next start, and each is answered once.
//
// Start it with the token of a bot; B2B_URL is http://localhost:4800 by default:
//
//	B2B_TOKEN=… go run ./examples/echo
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := b2b.New(cmp.Or(os.Getenv("B2B_URL"), "http://localhost:4800"), b2b.WithToken(os.Getenv("B2B_TOKEN")))
	if err := run(ctx, c, cmp.Or(os.Getenv("B2B_POSITION"), "echo.position")); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, c *b2b.Client, position string) error {
	me, err := c.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return err
	}
	// An event is committed when its handler returns. One that fails is handled again, at most 3 times.
	return c.Run(ctx, func(ctx context.Context, event *b2b.Event) error {
		return answer(ctx, c, me.GetBot().GetId(), event)
	},
		b2b.WithPositionStore(b2b.FileStore(position)),
		b2b.WithReady(func() { fmt.Println("ready") }),
		b2b.WithNotice(func(err error) { log.Println(err) }))
}

func answer(ctx context.Context, c *b2b.Client, me string, event *b2b.Event) error {
	if event.Type == b2b.Resync {
		fmt.Println("messages were missed:", event.Reason) // c.EachInboxMessage has them
		return nil
	}
	message := event.GetMessage().GetMessage()
	// Two echoes that answer each other would never end.
	if message == nil || message.GetSenderId() == me || strings.HasPrefix(message.GetContent(), "echo: ") {
		return nil
	}
	// If the program ends before the event is committed, it gets the event again at its next start. The
	// server makes a change once for all calls with its request id, so there is no second answer.
	if _, err := c.Reply(ctx, event.Event, "echo: "+message.GetContent(), b2b.WithRequestID("echo-"+message.GetId())); err != nil {
		return err
	}
	fmt.Println("answered", event.GetMessage().GetSenderName())
	return nil
}
