package a2apeer

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestPartsOf(t *testing.T) {
	t.Parallel()
	i := &runner.Item{Delivery: &b2bv1.Delivery{}, Text: "look", Message: "m", SenderName: "ann", Addressed: true, Parts: []*b2bv1.Part{
		{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: proto.String("look")}}},
		{Part: &b2bv1.Part_Markdown{Markdown: &b2bv1.MarkdownPart{Content: proto.String("# more")}}},
		{Part: &b2bv1.Part_Json{Json: &b2bv1.JsonPart{Content: proto.String(`{"n":12345678901234567890}`)}}},
		{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{
			Url: proto.String("/api/files/01890a5d-ac96-774b-bcce-b302099a8057"), Name: proto.String("a.pdf"), MimeType: proto.String("application/pdf")}}},
		{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{Url: proto.String("https://example.com/b.pdf"), Name: proto.String("b.pdf"), MimeType: proto.String("application/pdf")}}},
		{Part: &b2bv1.Part_Link{Link: &b2bv1.LinkPart{Url: proto.String("/relative")}}},
		{},
	}}
	parts, err := partsOf(i, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"text":"look"},{"text":"# more","mediaType":"text/markdown"},{"data":{"n":12345678901234567890},"mediaType":"application/json"},` +
		`{"text":"[file: a.pdf (application/pdf), which was not sent]"},` +
		`{"url":"https://example.com/b.pdf","filename":"b.pdf","mediaType":"application/pdf"},{"text":"[link:  — /relative]"}]`
	if string(got) != want {
		t.Errorf("the parts are %s\nwant %s", got, want)
	}
	if parts, err = partsOf(i, true); err != nil || !strings.Contains(parts[0].Text(), "<current-message>\n[ann]: look") {
		t.Errorf("the prompt is %q, %v", parts[0].Text(), err)
	}
	if parts, err = partsOf(&runner.Item{Delivery: &b2bv1.Delivery{}}, false); err != nil || len(parts) != 0 {
		t.Errorf("of nothing: %v, %v", parts, err)
	}
	question := &runner.Item{Text: "Ship it?", Delivery: &b2bv1.Delivery{
		Kind: b2bv1.DeliveryKind_DELIVERY_KIND_DECISION,
		Event: &b2bv1.Event{Event: &b2bv1.Event_DecisionAsked{DecisionAsked: &b2bv1.DecisionAskedEvent{
			Decision: &b2bv1.Decision{Question: "Ship it?", Choices: []string{"yes", "no"}},
		}}},
	}}
	if parts, err = partsOf(question, false); err != nil || parts[0].Text() != "Ship it?\n\nAnswer with one of these, and nothing else:\n- yes\n- no" {
		t.Errorf("the question is %v, %v", parts, err)
	}
}
