package runner

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/limits"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	previewSize = 2_000 // characters of a long reply that are in the message; a file has all
	skip        = "[SKIP]"
)

// fileIDs is the namespace of the request ids of files with long replies.
var fileIDs = uuid.MustParse("5b1c3f0e-8f5e-5d0a-9c55-2a6f1d6f7c9e")

// silent reports whether a reply is none. In a thread the word [SKIP] alone means that, too.
func silent(reply string, inThread bool) bool {
	return strings.TrimSpace(reply) == "" || inThread && strings.EqualFold(strings.TrimSpace(reply), skip)
}

// fits reports whether a text is short enough for a message.
func fits(text string) bool { return len(utf16.Encode([]rune(text))) <= limits.MaxContent }

// respond sends the reply and settles the delivery. It reports whether there was a reply.
func (r *runner) respond(ctx context.Context, item *b2b.InboxItem, i *Item, reply string) (bool, error) {
	reply = strings.TrimRight(strings.ReplaceAll(reply, "\x00", ""), "\r\n\t ")
	if silent(reply, i.Delivery.GetThreadId() != "") || i.scope() == "" {
		return false, item.Ack(ctx)
	}
	if d := i.decision(); d != nil {
		_, err := r.Client.Decisions.AnswerDecision(ctx, &b2bv1.AnswerDecisionRequest{
			Id: d.GetId(), Answer: proto.String(strings.TrimSpace(reply)), RequestId: item.Lease,
		})
		if b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_DECISION_CLOSED {
			err = nil // somebody else was first, or this answer was sent before
		}
		if err != nil {
			return false, fmt.Errorf("answer the decision: %w", err)
		}
		return true, item.Ack(ctx)
	}
	if fits(reply) {
		_, err := item.Reply(ctx, reply)
		return err == nil, err
	}
	return true, r.post(ctx, i, reply, item.GetLease(), item.Settles())
}

// post sends a reply of any length. The request id makes it one message if it is sent again.
func (r *runner) post(ctx context.Context, i *Item, reply, requestID string, settles *b2bv1.Settles) error {
	var parts *b2bv1.PartList
	if !fits(reply) {
		file, err := r.Client.UploadFile(ctx, &b2bv1.UploadFileRequest{
			Name: proto.String("reply.txt"), MimeType: proto.String("text/plain"), RequestId: proto.String(uuid.NewSHA1(fileIDs, []byte(requestID)).String()),
		}, strings.NewReader(reply))
		if err != nil {
			return fmt.Errorf("store the reply as a file: %w", err)
		}
		part := &b2bv1.FilePart{
			Url: proto.String(file.GetUrl()), Name: proto.String("reply.txt"), MimeType: proto.String("text/plain"),
			Size: proto.Int64(file.GetSize()),
		}
		parts = &b2bv1.PartList{Values: []*b2bv1.Part{{Part: &b2bv1.Part_File{File: part}}}}
		reply = string([]rune(reply)[:previewSize]) + " …\n\n(The file reply.txt has all of it.)"
	}
	if thread := i.Delivery.GetThreadId(); thread != "" {
		_, err := r.Client.SendToThread(ctx, thread, reply, func(q *b2bv1.SendThreadMessageRequest) {
			q.Parts, q.RequestId, q.Settles = parts, &requestID, settles
			if i.Message != "" {
				q.ReplyTo = &i.Message
			}
		})
		return err
	}
	_, err := r.Client.Channels.SendChannelMessage(ctx, &b2bv1.SendChannelMessageRequest{
		ChannelId: proto.String(i.Delivery.GetChannelId()), Content: &reply, Parts: parts, RequestId: &requestID, Settles: settles,
	})
	return err
}
