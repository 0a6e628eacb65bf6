package cli

import (
	"github.com/spf13/cobra"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (a *App) threadPost() *cobra.Command {
	var o outgoing
	var replyTo string
	cmd := &cobra.Command{
		Use:   "post THREAD [TEXT… | -]",
		Short: "Send a message to a thread",
		Long: "Send a message to a thread in which you take part. @name mentions a participant, @all all.\n" +
			"Without a text, or with \"-\", it is read from standard input.",
		Example: example(`b2b thread post ID "@engineering please draft a patch"`, "git diff | b2b thread post ID",
			"b2b thread post ID Done --reply-to MESSAGE --settles 42:LEASE"),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeThreads,
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&replyTo, "reply-to", "", "the `id` of a message of the thread that it answers")
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		q, err := o.request(r, c, args[1:])
		if err != nil {
			return err
		}
		res, err := c.Threads.SendThreadMessage(r.ctx, &b2bv1.SendThreadMessageRequest{
			ThreadId: args[0], Content: q.content, ContentType: q.contentType, Parts: q.parts, ReplyTo: given(replyTo),
			Automatic: q.automatic,
			NoReply:   q.noReply, Receipts: q.receipts, AckBy: q.ackBy, EscalateTo: q.escalateTo, Settles: q.settles,
			RequestId: q.requestID,
		})
		if err != nil {
			return o.sent(r, err, q, "b2b thread post")
		}
		return r.show(res.GetMessage(), func() {
			r.out.Printf("Posted: message %s\n", res.GetMessage().GetId())
			r.recipients(res.GetMessage().GetRecipients())
		})
	})
}
