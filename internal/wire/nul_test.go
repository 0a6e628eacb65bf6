package wire

import (
	"errors"
	"net/url"
	"testing"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// The character U+0000 is refused in texts of any source; in raw JSON it is an escape like others.
func TestNUL(t *testing.T) {
	t.Parallel()
	const want = "must not hold the character U+0000"
	refused := func(path string, err error) {
		t.Helper()
		var fault *FieldError
		if !errors.As(err, &fault) || fault.Path != path || fault.Want != want {
			t.Errorf("got %v, want %s: %s", err, path, want)
		}
	}
	body := func(m proto.Message, text string) error { return Decode([]byte(text), m) }
	refused("content", body(&b2bv1.SendThreadMessageRequest{}, `{"content":"a\u0000b"}`))
	refused("parts[1].content", body(&b2bv1.SendThreadMessageRequest{}, `{"parts":[{"type":"text","content":""},{"type":"text","content":"\u0000"}]}`))
	refused("tags[0]", body(&b2bv1.CreateThreadRequest{}, `{"tags":["\u0000"]}`))
	refused("context", body(&b2bv1.CreateThreadRequest{}, `{"context":"\u0000"}`))
	refused("thread_id", SetText(&b2bv1.GetThreadRequest{}, "thread_id", "a\x00"))
	refused("q", DecodeQuery(url.Values{"q": {"\x00"}}, &b2bv1.ListThreadsRequest{}))
	for _, text := range []string{
		`{"metadata":{"a":"\u0000"},"content":"\\u0000"}`,
		`{"unknown":"\u0000","\u0000":1}`,
	} {
		if err := body(&b2bv1.SendThreadMessageRequest{}, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}

	part := func(text string) *b2bv1.PartList {
		return &b2bv1.PartList{Values: []*b2bv1.Part{{}, {Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: &text}}}}}
	}
	refused("thread_id", CheckTexts(&b2bv1.GetThreadRequest{ThreadId: "\x00"}))
	refused("parts.values[1].text.content", CheckTexts(&b2bv1.SendThreadMessageRequest{Parts: part("\x00")}))
	refused("tags.values[1]", CheckTexts(&b2bv1.CreateThreadRequest{Tags: &b2bv1.StringList{Values: []string{"", "\x00"}}}))
	refused("metadata", CheckTexts(&b2bv1.SendThreadMessageRequest{Metadata: proto.String("\x00")}))
	if err := CheckTexts(&b2bv1.SendThreadMessageRequest{ThreadId: "a", Parts: part("b"), Metadata: proto.String(`"\u0000"`)}); err != nil {
		t.Error(err)
	}
}
