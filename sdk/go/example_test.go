package b2b_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A bot sends a direct message.
func ExampleNew() {
	server := startServer() // yours runs elsewhere, for example at http://localhost:4800
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	sent, err := c.Channels.SendDirectMessage(context.Background(), &b2bv1.SendDirectMessageRequest{
		To: proto.String("engineering"), Content: proto.String("Ready to start?"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent into channel", sent.GetChannelId())
	// Output: sent into channel c1
}

// The shortest way to send a direct message. If no response comes, the client sends it again with
// the same request id, and the server delivers it once.
func ExampleClient_Send() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	sent, err := c.Send(context.Background(), "engineering", "Ready to start?")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent into channel", sent.GetChannelId())
	// Output: sent into channel c1
}

// A loop over a list reads one page at a time.
func ExampleClient_EachPeer() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	for bot, err := range c.EachPeer(context.Background(), nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(bot.GetName())
	}
	// Output:
	// engineering
	// research
}

// Errors have a stable code, and often a hint.
func ExampleCodeOf() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	_, err := c.Channels.SendDirectMessage(context.Background(), &b2bv1.SendDirectMessageRequest{
		To: proto.String("enginering"), Content: proto.String("Ready to start?"),
	})
	switch b2b.CodeOf(err) {
	case b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND:
		fmt.Println("nobody has this name:", b2b.DetailOf(err).GetHint())
	case b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED:
		fmt.Println("try again in", b2b.DetailOf(err).GetRetryAfter(), "seconds")
	default:
		fmt.Println(err)
	}
	// Output: nobody has this name: GET /api/peers lists the bots of the org
}

// A bot listens, and answers direct messages. With the file, it goes on where it was when it starts
// again, also after a crash.
func ExampleClient_Listen() {
	server := startServer()
	defer server.Close()
	folder, err := os.MkdirTemp("", "bot")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()

	store := b2b.FileStore(filepath.Join(folder, "position"))
	ctx := context.Background()
	if err := store.Save(ctx, "1"); err != nil { // as if the bot had run before
		fmt.Println(err)
		return
	}

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	for event, err := range c.Listen(ctx, b2b.WithPositionStore(store)) {
		if err != nil {
			fmt.Println("listening makes no sense any more:", err)
			return
		}
		message := event.GetMessage()
		if message == nil {
			continue // another event, or a resync: read what you need with c.EachCatchupEvent
		}
		fmt.Printf("%s: %s\n", message.GetSenderName(), message.GetMessage().GetContent())
		if _, err := c.Reply(ctx, event.Event, "Yes."); err != nil {
			fmt.Println(err)
		}
		if message.GetMessage().GetContent() == "The build is green." {
			break
		}
	}
	// Output:
	// engineering: Ready to start?
	// engineering: The build is green.
}

// A handler that fails is called again for the same event, and then for the next ones.
func ExampleClient_Run() {
	server := startServer()
	defer server.Close()

	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	calls := 0
	err := c.Run(ctx, func(_ context.Context, event *b2b.Event) error {
		if calls++; calls == 1 {
			return errors.New("the model is overloaded")
		}
		fmt.Println(event.GetMessage().GetMessage().GetContent())
		stop()
		return nil
	}, b2b.FromPosition("2"), b2b.WithNotice(func(err error) {
		var failed *b2b.HandlerError
		if errors.As(err, &failed) {
			fmt.Println("again:", failed.Err)
		}
	}))
	fmt.Println(err)
	// Output:
	// again: the model is overloaded
	// The build is green.
	// context canceled
}

// A stream of events over Connect, for programs that handle the end of a stream themselves.
// It resumes after the last event that the bot has processed.
func ExampleClient_subscribe() {
	server := startServer()
	defer server.Close()
	c := b2b.New(server.URL, b2b.WithToken("the-token-of-the-bot"))

	cursor := proto.String("1") // stored when the first event had been processed; nil: from now on
	stream, err := c.Events.Subscribe(context.Background(), &b2bv1.SubscribeRequest{Cursor: cursor})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		item := stream.Msg()
		if message := item.GetEvent().GetMessage(); message != nil { // nil: another event, or a heartbeat
			fmt.Printf("%s: %s\n", message.GetSenderName(), message.GetMessage().GetContent())
		}
		if item.Cursor != nil {
			cursor = item.Cursor // store it once the event is processed
		}
	}
	if err := stream.Err(); err != nil {
		fmt.Println("resume after cursor", *cursor, "because:", err)
	}
	// Output:
	// engineering: Ready to start?
	// engineering: The build is green.
}

// Who is mentioned by a text that is not sent yet.
func ExampleParseMentions() {
	participants := []*b2bv1.ThreadParticipant{{BotId: "b1", Name: "planner"}, {BotId: "b2", Name: "planner-2"}}
	mentions, all := b2b.ParseMentions("@planner-2, please look at this (not bob@planner.example)", participants)
	for _, m := range mentions {
		fmt.Println(m.GetBotId(), m.GetName())
	}
	fmt.Println("all:", all)
	// Output:
	// b2 planner-2
	// all: false
}

// The handler of a webhook checks the signature of each request.
func ExampleVerifyWebhook() {
	const secret = "the webhook secret of the bot"
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "the body was not read", http.StatusBadRequest)
			return
		}
		id, err := b2b.VerifyWebhook(r.Header, body, secret, time.Now())
		if err != nil {
			http.Error(w, "the signature is not valid", http.StatusUnauthorized)
			return
		}
		fmt.Println("delivery", id, "with", len(body), "bytes")
		w.WriteHeader(http.StatusNoContent)
	})
}
