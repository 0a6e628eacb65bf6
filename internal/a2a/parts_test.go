package a2a

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

var at = places{base: "https://b2b.example/hub", agent: "bot-1"}

// B2B-A2A-015: what a client sends comes back as it was sent.
func TestPartsComeBack(t *testing.T) {
	t.Parallel()
	in := a2a.ContentParts{
		a2a.NewTextPart("one"), a2a.NewTextPart("two"), a2a.NewDataPart(map[string]any{"big": json.Number("12345678901234567890")}),
		{Content: a2a.URL("https://example.com/x"), Filename: "x"},
	}
	s, err := received(in)
	if err != nil || s.text != "one\n\ntwo" || len(s.parts) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	out, err := json.Marshal(at.partsOf(s.text, s.parts))
	want := `[{"text":"one\n\ntwo"},{"data":{"big":12345678901234567890},"mediaType":"application/json"},{"url":"https://example.com/x","filename":"x"}]`
	if err != nil || string(out) != want {
		t.Errorf("got  %s, %v\nwant %s", out, err, want)
	}
	s, err = received(a2a.ContentParts{a2a.NewTextPart("a"), a2a.NewRawPart([]byte("x")), a2a.NewDataPart([]any{1})})
	if err != nil || len(s.files) != 1 || s.files[0].at != 0 || s.files[0].name != "file-2" || s.parts[0] != nil || s.parts[1] == nil {
		t.Errorf("with a file: %+v, %v", s, err)
	}
}

func TestPartsRefused(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string]a2a.ContentParts{
		"none": nil, "null": {nil}, "an empty text": {a2a.NewTextPart("")}, "no content": {{}},
		"a script": {a2a.NewFileURLPart("javascript:alert(1)", "")}, "a path": {a2a.NewFileURLPart("/etc/passwd", "")}, "no host": {a2a.NewFileURLPart("https:///x", "")},
		"a number": {a2a.NewDataPart(1)}, "too many": make(a2a.ContentParts, mostParts+1), "a long text": {a2a.NewTextPart(strings.Repeat("é", mostText+1))},
	} {
		if _, err := received(parts); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := received(a2a.ContentParts{a2a.NewFileURLPart("http://example.com", "")}); err != nil {
		t.Error(err)
	}
}

// The URLs of files of the server are those that a client of A2A can read.
func TestFileURLs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/api/files/f-1":                        "https://b2b.example/hub/a2a/bot-1/files/f-1",
		"https://b2b.example/hub/api/files/f-1": "https://b2b.example/hub/a2a/bot-1/files/f-1",
		"/api/files/f-1/info":                   "https://b2b.example/hub/api/files/f-1/info",
		"/other":                                "https://b2b.example/hub/other",
		"https://example.com/api/files/f-1":     "https://example.com/api/files/f-1",
		"data:text/plain,x":                     "data:text/plain,x",
	} {
		if got := at.file(in); got != want {
			t.Errorf("%s is at %s, want %s", in, got, want)
		}
	}
}

func TestPartsOfMessages(t *testing.T) {
	t.Parallel()
	parts := []*b2bv1.Part{
		{Part: &b2bv1.Part_Markdown{Markdown: &b2bv1.MarkdownPart{Content: proto.String("in the text")}}},
		{Part: &b2bv1.Part_Text{Text: &b2bv1.TextPart{Content: proto.String("more")}}},
		{Part: &b2bv1.Part_Json{Json: &b2bv1.JsonPart{Content: proto.String("{broken")}}},
		{Part: &b2bv1.Part_File{File: &b2bv1.FilePart{Url: proto.String("/api/files/f"), Name: proto.String("f.txt"), MimeType: proto.String("text/plain")}}},
		{Part: &b2bv1.Part_Image{Image: &b2bv1.ImagePart{Url: proto.String("https://example.com/i.png"), Alt: proto.String("i")}}},
	}
	out, err := json.Marshal(at.partsOf("what is in the text", parts))
	want := `[{"text":"what is in the text"},{"text":"more","mediaType":"text/plain"},{"text":"{broken"},` +
		`{"url":"https://b2b.example/hub/a2a/bot-1/files/f","filename":"f.txt","mediaType":"text/plain"},` +
		`{"url":"https://example.com/i.png","filename":"i","mediaType":"image/*"}]`
	if err != nil || string(out) != want {
		t.Errorf("got  %s, %v\nwant %s", out, err, want)
	}
	if got := at.partsOf("", nil); len(got) != 1 {
		t.Errorf("an empty message has %d parts, and A2A wants one", len(got))
	}
}

func TestArtifacts(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		artifact *b2bv1.Artifact
		want     string
	}{
		{&b2bv1.Artifact{Type: b2bv1.ArtifactType_ARTIFACT_TYPE_CODE, Content: proto.String("x := 1"), Language: proto.String("go")},
			`{"artifactId":"k","metadata":{"language":"go","version":2},"parts":[{"text":"x := 1","mediaType":"text/plain"}]}`},
		{&b2bv1.Artifact{Type: b2bv1.ArtifactType_ARTIFACT_TYPE_JSON, Content: proto.String(`{"a":1}`), Title: proto.String("T")},
			`{"artifactId":"k","metadata":{"version":2},"name":"T","parts":[{"data":{"a":1},"mediaType":"application/json"}]}`},
		{&b2bv1.Artifact{Type: b2bv1.ArtifactType_ARTIFACT_TYPE_FILE, Url: proto.String("/api/files/f"), MimeType: proto.String("a/b"), ContributorId: proto.String("c")},
			`{"artifactId":"k","metadata":{"contributor_id":"c","version":2},"parts":[{"url":"https://b2b.example/hub/a2a/bot-1/files/f","mediaType":"a/b"}]}`},
	} {
		x.artifact.ArtifactKey, x.artifact.Version = "k", 2
		if got, err := json.Marshal(at.artifactOf(x.artifact)); err != nil || string(got) != x.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, x.want)
		}
	}
}

func TestTopics(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                              "A2A task",
		" \n\t\n":                       "A2A task",
		"\ufeff":                        "A2A task",
		"\n  Plan it  \nnow":            "Plan it",
		"a\x00b\x1b[2J":                 "a b [2J",
		strings.Repeat("é", mostTopic):  strings.Repeat("é", mostTopic),
		strings.Repeat("x ", mostTopic): strings.TrimSpace(strings.Repeat("x ", mostTopic/2)) + "…",
	} {
		if got := topicOf(in); got != want || utf8.RuneCountInString(got) > mostTopic {
			t.Errorf("the topic of %q is %q, want %q", in, got, want)
		}
	}
}

// Page tokens of pages come back, and others are refused.
func FuzzTokens(f *testing.F) {
	f.Add("", int64(0))
	f.Add("MTIgeA", int64(12))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		if got, err := parseToken(text); err == nil && text != "" && got.id == "" {
			t.Errorf("%q is the token of no task", text)
		}
		in := token{at: at, id: "01a00000-0000-7000-8000-000000000000"}
		if got, err := parseToken(in.String()); err != nil || got != in {
			t.Errorf("%+v came back as %+v, %v", in, got, err)
		}
	})
}

// The tasks after a token are those that were changed before it, and at the same time those with a larger id.
func TestTokensOrder(t *testing.T) {
	t.Parallel()
	mark := token{at: 1000, id: "b"}
	for _, x := range []struct {
		ms   int64
		id   string
		want bool
	}{{1000, "a", false}, {1000, "b", false}, {1000, "c", true}, {1001, "c", false}, {999, "a", true}} {
		if got := mark.before(&b2bv1.Thread{Id: x.id, UpdatedAt: stampOf(0), LastActivityAt: stampOf(x.ms)}); got != x.want {
			t.Errorf("%d %s: %v, want %v", x.ms, x.id, got, x.want)
		}
	}
	if !(token{}).before(&b2bv1.Thread{Id: "a"}) {
		t.Error("the first page leaves out a task")
	}
}

func stampOf(ms int64) *timestamppb.Timestamp {
	return &timestamppb.Timestamp{Seconds: ms / 1000, Nanos: int32(ms % 1000 * 1e6)}
}

// B2B-A2A-002, 003: who is an agent, and what its card says.
func TestCards(t *testing.T) {
	t.Parallel()
	for protocols, want := range map[string]bool{
		``: false, `null`: false, `[]`: false, `{}`: false, `{"a2a":false}`: false, `{"a2a":"yes"}`: false, `{"a2a":1}`: false,
		`{"a2a":true}`: true, `{"a2a":{}}`: true, `{"a2a":{"skills":"of somebody else"}}`: true, `{"a2a": {"skills":[{}]}}`: true,
	} {
		bot := &b2bv1.Bot{Id: "bot-1", Name: "ann", Version: "1.0.0"}
		if protocols != "" {
			bot.Protocols = &protocols
		}
		if got := Serves(bot); got != want {
			t.Errorf("%s: %v, want %v", protocols, got, want)
		}
		card := cardOf(bot, at, true)
		for _, s := range card.Skills {
			if s.ID == "" || s.Name == "" || s.Description == "" || len(s.Tags) == 0 {
				t.Errorf("%s: the skill %+v lacks something", protocols, s)
			}
		}
		if len(card.Skills) == 0 || card.Name != "ann" || card.Description == "" || card.Version == "" || card.SupportedInterfaces[0].URL != "https://b2b.example/hub/a2a/bot-1" {
			t.Errorf("%s: the card is %+v", protocols, card)
		}
	}
}

// B2B-A2A-007.
func TestVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"1.0": true, " 1.0 ": true, "1.0.3": true, "": false, "1": false, "1.1": false, "0.3": false, "10.0": false} {
		if supported(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
