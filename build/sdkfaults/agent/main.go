// Command agent sends or listens with the Go SDK, for the tests of faults. Its settings are in the
// environment.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client := b2b.New(os.Getenv("B2B_URL"), b2b.WithToken(os.Getenv("B2B_TOKEN")), b2b.WithRetries(30), b2b.WithTimeout(20*time.Second))
	run := send
	if os.Getenv("B2B_ROLE") == "listen" {
		run = listen
	}
	if err := run(ctx, client); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func listen(ctx context.Context, client *b2b.Client) error {
	transport := b2b.AnyTransport
	if os.Getenv("B2B_TRANSPORT") == "sse" {
		transport = b2b.ServerSentEvents
	}
	for event, err := range client.Listen(ctx,
		b2b.WithPositionStore(b2b.FileStore(os.Getenv("B2B_POSITIONS"))), b2b.FromPosition(os.Getenv("B2B_POSITION")),
		b2b.WithTransport(transport), b2b.WithNotice(func(err error) { log.Print(err) }),
	) {
		if err != nil {
			return err
		}
		position := event.Position
		if position == "" {
			position = "-"
		}
		switch event.Type {
		case "message":
			fmt.Println("event", position, event.GetMessage().GetMessage().GetContent())
		case b2b.Resync:
			fmt.Println("resync", position, code(event.Reason))
		default:
			fmt.Println("other", position, event.Type)
		}
	}
	return nil
}

// code returns the text of a code on the wire.
func code(c b2bv1.ErrorCode) string { return c.String()[len("ERROR_CODE_"):] }

func send(ctx context.Context, client *b2b.Client) error {
	start, err := strconv.Atoi(os.Getenv("B2B_FROM"))
	if err != nil {
		return err
	}
	end, err := strconv.Atoi(os.Getenv("B2B_UNTIL"))
	if err != nil {
		return err
	}
	kind := "text"
	for n := start; n < end && ctx.Err() == nil; n++ {
		// Half of the sends have the request_id of this program, which repeats them; the others that
		// of the SDK.
		own := n%2 == 1 || n == end-1
		fmt.Println("sending", n)
		for {
			_, err := client.Send(ctx, os.Getenv("B2B_TO"), strconv.Itoa(n), func(r *b2bv1.SendDirectMessageRequest) {
				r.ContentType = &kind
				if own {
					id := fmt.Sprintf("%s-%d", os.Getenv("B2B_SEED"), n)
					r.RequestId = &id
				}
			})
			if err == nil {
				fmt.Println("sent", n)
				break
			}
			log.Print(n, " ", err)
			if ctx.Err() != nil {
				return nil // the outcome of this one stays unknown
			}
			if !own {
				fmt.Println("failed", n)
				break
			}
		}
	}
	return nil
}
