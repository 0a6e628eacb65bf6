package b2b_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// startInbox starts a stand-in for a server with one delivery.
func startInbox() *httptest.Server {
	d, mux := newDesk("Ready to start?"), http.NewServeMux()
	mux.Handle(b2bv1connect.NewDeliveryServiceHandler(d))
	mux.Handle(b2bv1connect.NewChannelServiceHandler(d))
	return httptest.NewServer(mux)
}

func ExampleClient_Work() {
	server := startInbox()
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	err := b2b.New(server.URL, b2b.WithToken("token")).Work(ctx, func(ctx context.Context, item *b2b.InboxItem) error {
		fmt.Println(item.GetEvent().GetMessage().GetMessage().GetContent())
		_, err := item.Reply(ctx, "I am on it.") // the message, and the delivery is settled
		cancel()
		return err
	}, b2b.WithConcurrency(4))
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// Ready to start?
	// true
}

func ExampleClient_Inbox() {
	server := startInbox()
	defer server.Close()
	for item, err := range b2b.New(server.URL, b2b.WithToken("token")).Inbox(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(item.GetEvent().GetMessage().GetMessage().GetContent())
		if err := item.Ack(context.Background()); err != nil {
			fmt.Println(err)
		}
		break
	}
	// Output: Ready to start?
}
