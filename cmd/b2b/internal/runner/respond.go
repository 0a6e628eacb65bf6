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

// silent reports whether an answer is none.
func (a *Answer) silent(inThread bool) bool { return len(a.Parts) == 0 && silent(a.Text, inThread) }

// respond sends the answer and settles the delivery. It reports whether there was an answer.
func (r *runner) respond(ctx context.Context, item *b2b.InboxItem, i *Item, a *Answer) (bool, error) {
	a.Text = strings.TrimRight(strings.ReplaceAll(a.Text, "\x00", ""), "\r\n\t ")
	says := !a.silent(i.Delivery.GetThreadId() != "") && i.Scope() != ""
	if a.Failed != "" {
		if says {
			if err := r.post(ctx, i, a, requestOf("failed", item.GetId(), a.Text), nil); err != nil {
				return false, err
			}
		}
		return says, item.Nack(ctx, a.Failed, final)
	}
	if !says {
		return false, item.Ack(ctx)
	}
	if d := i.Decision(); d != nil {
		_, err := r.Client.Decisions.AnswerDecision(ctx, &b2bv1.AnswerDecisionRequest{
			Id: d.GetId(), Answer: proto.String(strings.TrimSpace(a.Text)), RequestId: item.Lease,
		})
		if b2b.CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_DECISION_CLOSED {
			err = nil // somebody else was first, or this answer was sent before
		}
		if err != nil {
			return false, fmt.Errorf("answer the decision: %w", err)
		}
		return true, item.Ack(ctx)
	}
	if fits(a.Text) && len(a.Parts) == 0 {
		_, err := item.Reply(ctx, a.Text)
		return err == nil, err
	}
	return true, r.post(ctx, i, a, item.GetLease(), item.Settles())
}

// requestOf returns a request id of texts: the same ones have the same.
func requestOf(texts ...string) string {
	return uuid.NewSHA1(fileIDs, []byte(strings.Join(texts, "\x00"))).String()
}

// post sends an answer of any length. The request id makes it one message if it is sent again.
func (r *runner) post(ctx context.Context, i *Item, a *Answer, requestID string, settles *b2bv1.Settles) error {
	text, parts := a.Text, a.Parts
	if !fits(text) {
		file, err := r.Client.UploadFile(ctx, &b2bv1.UploadFileRequest{
			Name: proto.String("reply.txt"), MimeType: proto.String("text/plain"), RequestId: proto.String(requestOf(requestID)),
		}, strings.NewReader(text))
		if err != nil {
			return fmt.Errorf("store the reply as a file: %w", err)
		}
		part := &b2bv1.FilePart{
			Url: proto.String(file.GetUrl()), Name: proto.String("reply.txt"), MimeType: proto.String("text/plain"),
			Size: proto.Int64(file.GetSize()),
		}
		parts = append([]*b2bv1.Part{{Part: &b2bv1.Part_File{File: part}}}, parts...)
		text = string([]rune(text)[:previewSize]) + " …\n\n(The file reply.txt has all of it.)"
	}
	var content *string // the server takes that of the parts
	if text != "" {
		content = &text
	}
	var list *b2bv1.PartList
	if len(parts) > 0 {
		list = &b2bv1.PartList{Values: parts[:min(len(parts), limits.MaxParts)]}
	}
	if thread := i.Delivery.GetThreadId(); thread != "" {
		_, err := r.Client.SendToThread(ctx, thread, text, func(q *b2bv1.SendThreadMessageRequest) {
			q.Parts, q.RequestId, q.Settles = list, &requestID, settles
			if i.Message != "" {
				q.ReplyTo = &i.Message
			}
		})
		return err
	}
	_, err := r.Client.Channels.SendChannelMessage(ctx, &b2bv1.SendChannelMessageRequest{
		ChannelId: proto.String(i.Delivery.GetChannelId()), Content: content, Parts: list, RequestId: &requestID, Settles: settles,
	})
	return err
}
