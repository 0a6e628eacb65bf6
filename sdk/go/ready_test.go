package b2b_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2btest"
)

// TestReady: a listener says once that it is connected, not while its connections are refused.
func TestReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := b2btest.NewFakeServer()
		defer server.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ready := make(chan time.Time, 2)
		ended := make(chan error)
		server.Fail(2, b2btest.Failure{RetryAfter: 30 * time.Second})
		began := time.Now()
		c := server.Client("bob")
		go func() {
			ended <- c.Run(ctx, func(context.Context, *b2b.Event) error { return nil }, b2b.WithReady(func() { ready <- time.Now() }))
		}()
		if at := <-ready; at.Sub(began) < time.Minute {
			t.Errorf("it was ready after %v, but was refused for a minute", at.Sub(began))
		}
		server.Drop()
		time.Sleep(time.Minute)
		if len(ready) > 0 {
			t.Error("it was ready twice")
		}
		cancel()
		<-ended
	})
}

// TestRequestIDOfReply: replies with the same request id are one reply, to messages of both kinds.
func TestRequestIDOfReply(t *testing.T) {
	t.Parallel()
	server := b2btest.NewFakeServer()
	defer server.Close()
	ann, bob := server.Client("ann"), server.Client("bob")
	start, err := bob.Present(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ann.Send(t.Context(), "bob", "hello"); err != nil {
		t.Fatal(err)
	}
	thread, err := ann.Threads.CreateThread(t.Context(), &b2bv1.CreateThreadRequest{Topic: proto.String("T"), Participants: &b2bv1.StringList{Values: []string{"bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ann.SendToThread(t.Context(), thread.GetThread().GetId(), "hello"); err != nil {
		t.Fatal(err)
	}
	for event, err := range bob.Listen(t.Context(), b2b.FromPosition(start)) {
		if err != nil {
			t.Fatal(err)
		}
		if event.GetMessage() == nil && event.GetThreadMessage() == nil {
			continue
		}
		var ids []string
		for _, id := range []string{"r", "r", "s"} {
			reply, err := bob.Reply(t.Context(), event.Event, "hi", b2b.WithRequestID(event.Type+id))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, reply)
		}
		if ids[0] != ids[1] || ids[1] == ids[2] {
			t.Errorf("%s: the replies are %v", event.Type, ids)
		}
		if event.GetThreadMessage() != nil {
			break
		}
	}
}

// TestMarksOfReply: a reply has the marks that its options set, in a channel and in a thread
// (B2B-LOOP-010).
func TestMarksOfReply(t *testing.T) {
	t.Parallel()
	server := b2btest.NewFakeServer()
	defer server.Close()
	ann, bob := server.Client("ann"), server.Client("bob")
	sent, err := ann.Send(t.Context(), "bob", "hello")
	if err != nil {
		t.Fatal(err)
	}
	thread, err := ann.Threads.CreateThread(t.Context(), &b2bv1.CreateThreadRequest{Topic: proto.String("T"), Participants: &b2bv1.StringList{Values: []string{"bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	direct := &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{ChannelId: sent.GetChannelId(), Message: sent.GetMessage()}}}
	said, err := ann.SendToThread(t.Context(), thread.GetThread().GetId(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	inThread := &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: said.GetThreadId(), Message: said}}}
	for _, to := range []*b2bv1.Event{direct, inThread} {
		for _, opts := range [][]b2b.ReplyOption{{b2b.WithAutomatic(), b2b.WithNoReply()}, nil} {
			if _, err := bob.Reply(t.Context(), to, "noted", opts...); err != nil {
				t.Fatal(err)
			}
		}
	}
	channel, err := ann.Channels.ListChannelMessages(t.Context(), &b2bv1.ListChannelMessagesRequest{ChannelId: sent.GetChannelId()})
	if err != nil {
		t.Fatal(err)
	}
	list, err := ann.Threads.ListThreadMessages(t.Context(), &b2bv1.ListThreadMessagesRequest{ThreadId: said.GetThreadId()})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false} {
		c, m := channel.GetMessages()[i], list.GetItems()[i]
		if got := []bool{c.GetAutomatic(), c.GetNoReply(), m.GetAutomatic(), m.GetNoReply()}; !slices.Equal(got, slices.Repeat([]bool{want}, 4)) {
			t.Errorf("message %d: the marks are %v, want %v", i, got, want)
		}
	}
}

// A program that asks and then listens takes the position first, so that it gets the answer, however
// fast that comes.
func ExampleClient_Present() {
	ctx := context.Background()
	server := b2btest.NewFakeServer() // for this example
	defer server.Close()
	c, other := server.Client("agent"), server.Client("other-bot")

	start, err := c.Present(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := other.Send(ctx, "agent", "The build is green."); err != nil { // before the loop begins
		fmt.Println(err)
		return
	}
	for event, err := range c.Listen(ctx, b2b.FromPosition(start)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if message := event.GetMessage(); message != nil {
			fmt.Println(message.GetSenderName()+":", message.GetMessage().GetContent())
			break
		}
	}
	// Output: other-bot: The build is green.
}
