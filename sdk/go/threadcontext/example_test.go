package threadcontext_test

import (
	"context"
	"fmt"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	"github.com/b2b-protocol/b2b/sdk/go/threadcontext"
)

// An agent answers in a thread when it is mentioned, and knows what was said before.
func ExampleNew() {
	client := b2b.New("http://localhost:4800", b2b.WithToken("the-token-of-the-bot"))
	var threads *threadcontext.Context
	threads = threadcontext.New(client, threadcontext.Options{BotNames: []string{"planner"}},
		func(ctx context.Context, d *threadcontext.Delivery) error {
			answer := "You said:\n" + threads.Prompt(d.ThreadID, threadcontext.Full) // ask your model
			_, err := client.SendToThread(ctx, d.ThreadID, answer)
			return err
		})
	err := client.Run(context.Background(), threads.Handle, b2b.WithPositionStore(b2b.FileStore("position")))
	fmt.Println("listening ended:", err)
}
