package wire_test

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const text = "The draft of the release notes is ready, please have a look at \"Breaking changes\" first. 所有人"

// hundred is a page of thread messages as clients read it.
func hundred() *b2bv1.ListThreadMessagesResponse {
	page := &b2bv1.ListThreadMessagesResponse{Paged: true, HasMore: true, NextCursor: proto.String("tm-100")}
	for range 100 {
		page.Items = append(page.Items, &b2bv1.ThreadMessage{
			Id: "018f2c3e-7a00-7000-8000-000000000001", ThreadId: "018f2c3e-7a00-7000-8000-000000000002",
			SenderId: proto.String("018f2c3e-7a00-7000-8000-000000000003"), SenderName: "nova", Content: text, ContentType: "text",
			Parts:    []*b2bv1.Part{{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: proto.String(text)}}}},
			Mentions: []*b2bv1.Mention{{BotId: "018f2c3e-7a00-7000-8000-000000000004", Name: "atlas"}},
			Metadata: proto.String(`{"lang":"en","n":9007199254740993}`), CreatedAt: timestamppb.New(timestamppb.Now().AsTime()),
		})
	}
	return page
}

func TestAppendDoesNotAllocate(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	page := hundred()
	event := &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{Message: page.Items[0]}}}
	buf := make([]byte, 0, 256<<10)
	for _, m := range []proto.Message{page, event} {
		if n := testing.AllocsPerRun(100, func() { buf, _ = wire.Append(buf[:0], m) }); n != 0 {
			t.Errorf("%T: %v allocations", m, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	page := hundred()
	b.ReportAllocs()
	for b.Loop() {
		buf := wire.GetBuffer()
		buf.B, _ = wire.Append(buf.B, page)
		b.SetBytes(int64(len(buf.B)))
		wire.PutBuffer(buf)
	}
}

func BenchmarkAppendProtoJSON(b *testing.B) {
	page := hundred()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protojson.Marshal(page); err != nil {
			b.Fatal(err)
		}
	}
}

// plain is a thread message for encoding/json.
type plain struct {
	ID          string           `json:"id"`
	ThreadID    string           `json:"thread_id"`
	SenderID    *string          `json:"sender_id"`
	SenderName  string           `json:"sender_name"`
	Content     string           `json:"content"`
	ContentType string           `json:"content_type"`
	Parts       []plainPart      `json:"parts"`
	Mentions    []*b2bv1.Mention `json:"mentions"`
	MentionAll  bool             `json:"mention_all"`
	ReplyToID   *string          `json:"reply_to_id"`
	Metadata    json.RawMessage  `json:"metadata"`
	CreatedAt   int64            `json:"created_at"`
}

type plainPart struct {
	Type    string `json:"type"`
	Content string `json:"content"`
}

func plainPage() any {
	var page struct {
		Items      []plain `json:"items"`
		HasMore    bool    `json:"has_more"`
		NextCursor string  `json:"next_cursor,omitempty"`
	}
	page.HasMore, page.NextCursor = true, "tm-100"
	for _, m := range hundred().Items {
		page.Items = append(page.Items, plain{
			ID: m.Id, ThreadID: m.ThreadId, SenderID: m.SenderId, SenderName: m.SenderName, Content: m.Content, ContentType: m.ContentType,
			Parts: []plainPart{{"text", text}}, Mentions: m.Mentions, Metadata: json.RawMessage(m.GetMetadata()), CreatedAt: m.CreatedAt.AsTime().UnixMilli(),
		})
	}
	return page
}

func BenchmarkAppendPlainStructs(b *testing.B) {
	page := plainPage()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(page); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"content":"` + "The draft is ready\\n, please look at it" + `","content_type":"text","metadata":{"lang":"en"},` +
		`"parts":[{"type":"text","content":"The draft is ready"},{"type":"file","url":"/f/1","name":"a.txt","mime_type":"text/plain","size":12}]}`)
	b.Run("wire", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var m b2bv1.SendThreadMessageRequest
			if err := wire.Decode(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain structs", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var m struct {
				Content  *string         `json:"content"`
				Type     *string         `json:"content_type"`
				Metadata json.RawMessage `json:"metadata"`
				Parts    []struct {
					Type    string  `json:"type"`
					Content *string `json:"content"`
					URL     *string `json:"url"`
					Name    *string `json:"name"`
					Mime    *string `json:"mime_type"`
					Size    *int64  `json:"size"`
				} `json:"parts"`
			}
			if err := json.Unmarshal(body, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
