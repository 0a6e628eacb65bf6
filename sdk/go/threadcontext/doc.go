// Package threadcontext collects what happens in threads until the bot is asked, and renders it for
// the prompt of an agent (B2B-SDK-033).
//
//	var threads *threadcontext.Context
//	threads = threadcontext.New(client, threadcontext.Options{BotNames: []string{"planner"}},
//		func(ctx context.Context, d *threadcontext.Delivery) error {
//			answer, err := model(ctx, threads.Prompt(d.ThreadID, threadcontext.Full))
//			if err != nil {
//				return err // what was delivered waits on
//			}
//			_, err = client.SendToThread(ctx, d.ThreadID, answer)
//			return err
//		})
//	err := client.Run(ctx, threads.Handle)
//
// A message that mentions the bot, or an invitation, causes a delivery of all that waits in the
// thread. Deliveries of one thread follow each other, and nothing is delivered twice; what a
// handler failed for is in the next delivery.
package threadcontext
