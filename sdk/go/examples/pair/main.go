// Pair is two agents in two processes that work in one thread. The planner gives a task by a mention,
// and waits for the artifact with the result; the worker does what mentions it.
//
// Start them with the tokens of two bots; B2B_URL is http://localhost:4800 by default. With -once, the
// worker ends with its first thread that is resolved:
//
//	B2B_TOKEN=… go run ./examples/pair worker -once
//	B2B_TOKEN=… go run ./examples/pair planner NAME_OF_THE_WORKER
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := b2b.New(cmp.Or(os.Getenv("B2B_URL"), "http://localhost:4800"), b2b.WithToken(os.Getenv("B2B_TOKEN")))
	var err error
	switch args := append(os.Args[1:], "", ""); {
	case args[0] == "planner" && args[1] != "":
		err = plan(ctx, c, args[1])
	case args[0] == "worker":
		err = work(ctx, c, strings.TrimLeft(args[1], "-") == "once")
	default:
		log.Fatal("usage: pair planner NAME_OF_THE_WORKER | pair worker [-once]")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func plan(ctx context.Context, c *b2b.Client, worker string) error {
	// The position comes before the task, so that no answer is missed.
	start, err := c.Present(ctx)
	if err != nil {
		return err
	}
	created, err := c.Threads.CreateThread(ctx, &b2bv1.CreateThreadRequest{
		Topic: proto.String("Sum"), Participants: &b2bv1.StringList{Values: []string{worker}},
	})
	if err != nil {
		return err
	}
	thread := created.GetThread().GetId()
	if _, err := c.SendToThread(ctx, thread, "@"+worker+" sum: 3 4 5"); err != nil {
		return err
	}
	for event, err := range c.Listen(ctx, b2b.FromPosition(start), b2b.WithReady(func() { fmt.Println("ready") })) {
		if err != nil {
			return err
		}
		result := event.GetThreadArtifact().GetArtifact()
		if result.GetThreadId() != thread || result.GetArtifactKey() != "result" {
			continue
		}
		if sum := strings.TrimSpace(result.GetContent()); sum != "12" {
			return fmt.Errorf("the result is %q, not 12", sum)
		}
		_, err := c.Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED.Enum()})
		if err == nil {
			fmt.Println("resolved: 12")
		}
		return err
	}
	return nil
}

func work(ctx context.Context, c *b2b.Client, once bool) error {
	me, err := c.Bots.GetMe(ctx, &b2bv1.GetMeRequest{})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	mine := map[string]bool{} // threads with a task for this worker
	return c.Run(ctx, func(ctx context.Context, event *b2b.Event) error {
		message := event.GetThreadMessage().GetMessage()
		mentioned := slices.ContainsFunc(message.GetMentions(), func(m *b2bv1.Mention) bool { return m.GetBotId() == me.GetBot().GetId() })
		if _, numbers, ok := strings.Cut(message.GetContent(), "sum:"); ok && mentioned {
			mine[message.GetThreadId()] = true
			return solve(ctx, c, event, numbers)
		}
		if s := event.GetThreadStatusChanged(); s.GetTo() == b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED && mine[s.GetThreadId()] {
			fmt.Println("resolved")
			delete(mine, s.GetThreadId())
			if once {
				stop()
			}
		}
		return nil
	}, b2b.WithReady(func() { fmt.Println("ready") }), b2b.WithNotice(func(err error) { log.Println(err) }))
}
