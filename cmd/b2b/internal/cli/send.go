package cli

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/term"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// outgoing has the flags of verbs that send a message.
type outgoing struct {
	files                        []string
	noReply, automatic, receipts bool
	ackBy                        time.Duration
	escalateTo, settles          string
	requestID, contentType       string
}

func (o *outgoing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.files, "file", nil, "upload this `file` and attach it; several times for several")
	f.StringVar(&o.settles, "settles", "", "settle a delivery together with it: `ID:LEASE` of b2b wait")
	f.BoolVar(&o.receipts, "receipts", false, "receive an event when an addressee takes it up or settles it")
	f.DurationVar(&o.ackBy, "ack-by", 0, "it must be acknowledged within this time")
	f.StringVar(&o.escalateTo, "escalate-to", "", "the `agent` that is notified if it is not")
	f.BoolVar(&o.noReply, "no-reply", false, "it wants no answer")
	f.BoolVar(&o.automatic, "automatic", false, "no person and no model wrote it")
	f.StringVar(&o.contentType, "content-type", "", "type of the text, for its readers")
	f.StringVar(&o.requestID, "request-id", "", "send the message with this `id` once, however often the verb runs in 24 hours")
}

// request is what the requests of all messages have in common.
type request struct {
	content, contentType, requestID *string
	parts                           *b2bv1.PartList
	noReply, automatic, receipts    *bool
	ackBy                           *int32
	escalateTo                      *string
	settles                         *b2bv1.Settles
}

// request reads the text and uploads the files of a message.
func (o *outgoing) request(r *run, c *b2b.Client, words []string) (*request, error) {
	out := &request{
		contentType: given(o.contentType), escalateTo: given(o.escalateTo), requestID: given(o.requestID),
		noReply: truth(o.noReply), automatic: truth(o.automatic), receipts: truth(o.receipts),
	}
	if o.requestID == "" {
		out.requestID = proto.String(rand.Text())
	}
	if o.ackBy != 0 {
		if o.ackBy < time.Second {
			return nil, usageError("--ack-by %v is less than a second", o.ackBy)
		}
		out.ackBy = proto.Int32(int32(o.ackBy / time.Second))
	}
	if o.settles != "" {
		id, lease, ok := strings.Cut(o.settles, ":")
		if !ok || id == "" || lease == "" {
			return nil, usageError("--settles %q is not ID:LEASE, as b2b wait prints it", o.settles)
		}
		out.settles = &b2bv1.Settles{DeliveryId: &id, Lease: &lease}
	}
	if len(words) > 0 || len(o.files) == 0 {
		text, err := r.input(words, "message")
		if err != nil {
			return nil, err
		}
		out.content = &text
	}
	if len(o.files) == 0 {
		return out, nil
	}
	out.parts = &b2bv1.PartList{}
	if out.content != nil {
		out.parts.Values = append(out.parts.Values, &b2bv1.Part{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: out.content}}})
	}
	for _, path := range o.files {
		file, err := r.upload(c, path, "", "")
		if err != nil {
			return nil, err
		}
		out.parts.Values = append(out.parts.Values, partOf(file))
	}
	return out, nil
}

func truth(set bool) *bool {
	if !set {
		return nil
	}
	return &set
}

// partOf returns the part of a message that refers to a file.
func partOf(f *b2bv1.File) *b2bv1.Part {
	if strings.HasPrefix(f.GetMimeType(), "image/") {
		return &b2bv1.Part{Part: &b2bv1.Part_Image{Image: &b2bv1.ImagePart{Url: &f.Url, Alt: &f.Name}}}
	}
	return &b2bv1.Part{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{Url: &f.Url, Name: &f.Name, MimeType: &f.MimeType,
		Size: &f.Size}}}
}

// sent returns the error of a message, with what to do if it may have been sent.
func (o *outgoing) sent(r *run, err error, req *request, verb string) error {
	if err == nil || b2b.DetailOf(err) != nil {
		return err
	}
	return withHint(err, "It may have been sent. To send it once, run it again with --request-id %s (%s).", *req.requestID, verb)
}

func (a *App) send() *cobra.Command {
	var o outgoing
	cmd := &cobra.Command{
		Use:   "send AGENT [TEXT… | -]",
		Short: "Send a direct message",
		Long: "Send a direct message to an agent, by its name or id. Without a text, or with \"-\", it is\n" +
			"read from standard input. A message that the agent does not get now waits for it.",
		Example: example(`b2b send engineering "Can you look at the login bug?"`, "git diff | b2b send reviewer",
			`b2b send ops "Deploy now?" --ack-by 10m --escalate-to lead`, "b2b send reviewer Here it is --file patch.diff",
			`b2b send research Done --settles 42:LEASE`),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeBots,
	}
	o.flags(cmd)
	return a.verb(cmd, func(r *run, args []string) error {
		c, err := r.connect()
		if err != nil {
			return err
		}
		q, err := o.request(r, c, args[1:])
		if err != nil {
			return err
		}
		res, err := c.Channels.SendDirectMessage(r.ctx, &b2bv1.SendDirectMessageRequest{
			To: &args[0], Content: q.content, ContentType: q.contentType, Parts: q.parts, Automatic: q.automatic, NoReply: q.noReply,
			Receipts: q.receipts, AckBy: q.ackBy, EscalateTo: q.escalateTo, Settles: q.settles, RequestId: q.requestID,
		})
		if err != nil {
			return o.sent(r, hintFor(err, notFound, "b2b agents lists the agents of the org."), q, "b2b send")
		}
		return r.show(res, func() {
			r.out.Printf("Sent to %s: message %s\n", r.out.Bold(term.Line(args[0])), res.GetMessage().GetId())
			r.recipients(res.GetRecipients())
		})
	})
}
