package b2btest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// answer is an agent: it answers the first direct message.
func answer(ctx context.Context, c *b2b.Client, opts ...b2b.ListenOption) error {
	for event, err := range c.Listen(ctx, opts...) {
		if err != nil {
			return err
		}
		if event.GetMessage() != nil {
			_, err := c.Reply(ctx, event.Event, "42")
			return err
		}
	}
	return nil
}

// An agent is tested without a network and without a real server.
func ExampleNewFakeServer() {
	ctx := context.Background()
	server := b2btest.NewFakeServer()
	defer server.Close()
	agent, user := server.Client("agent"), server.Client("user")

	start, err := agent.Present(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := user.Send(ctx, "agent", "What is 6 × 7?"); err != nil {
		fmt.Println(err)
		return
	}
	server.Lose(1) // the response to the reply: the client sends it again, the server stores it once
	if err := answer(ctx, agent, b2b.FromPosition(start)); err != nil {
		fmt.Println(err)
		return
	}
	for message, err := range user.EachInboxMessage(ctx, &b2bv1.GetInboxRequest{Since: timestamppb.New(time.Unix(0, 0))}) {
		fmt.Println(message.GetMessage().GetSenderName(), message.GetMessage().GetContent(), err)
	}
	// Output: agent 42 <nil>
}

// In a bubble of synctest, pauses take no time: that of a client that is refused for 30 seconds, and
// those between connections.
func ExampleFakeServer_Fail() {
	test := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := b2btest.NewFakeServer()
			defer server.Close()
			server.Token("agent")
			server.Fail(2, b2btest.Failure{Code: b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, RetryAfter: 30 * time.Second})
			if _, err := server.Client("user").Send(t.Context(), "agent", "What is 6 × 7?"); err != nil {
				t.Error(err)
			}
		})
	}
	_ = test // is a function Test… of your package
}

// The same agent against the real server: B2B_BINARY is the file of the program b2b.
func ExampleStart() {
	test := func(t *testing.T) {
		server := b2btest.Start(t)
		clients := server.Clients("agent", "user") // the first is an admin of its org
		agent, user := clients[0], clients[1]

		ended := make(chan error)
		go func() { ended <- answer(t.Context(), agent) }()
		server.Kill() // as a crash does
		server.Restart()
		if _, err := user.Send(t.Context(), "agent", "What is 6 × 7?"); err != nil {
			t.Error(err)
		}
	}
	_ = test // is a function Test… of your package
}
