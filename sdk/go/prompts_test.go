package b2b_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// readTestdata reads a file that all SDKs share.
func readTestdata(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatal(err)
	}
}

// TestParseMentions: the parser finds what the server finds (B2B-SDK-030).
func TestParseMentions(t *testing.T) {
	t.Parallel()
	var examples []struct {
		Content      string
		Participants []struct {
			BotID string `json:"bot_id"`
			Name  string
		}
		Mentions []struct {
			BotID string `json:"bot_id"`
			Name  string
		}
		MentionAll bool `json:"mention_all"`
	}
	readTestdata(t, "mentions.json", &examples)
	if len(examples) < 200 {
		t.Fatalf("only %d examples", len(examples))
	}
	for _, e := range examples {
		var participants []*b2bv1.ThreadParticipant
		for _, p := range e.Participants {
			participants = append(participants, &b2bv1.ThreadParticipant{BotId: p.BotID, Name: p.Name})
		}
		got, all := b2b.ParseMentions(e.Content, participants)
		same := len(got) == len(e.Mentions) && all == e.MentionAll
		for i := 0; same && i < len(got); i++ {
			same = got[i].GetBotId() == e.Mentions[i].BotID && got[i].GetName() == e.Mentions[i].Name
		}
		if !same {
			t.Errorf("%q mentions %v, all: %v; want %v, %v", e.Content, got, all, e.Mentions, e.MentionAll)
		}
	}
}

// TestPrompts: the texts for prompts are those of the other SDKs (B2B-SDK-032).
func TestPrompts(t *testing.T) {
	t.Parallel()
	var shared struct {
		Events []struct {
			Event json.RawMessage
			Names map[string]string
			Text  *string
		}
		Statuses map[string]string
	}
	readTestdata(t, "lifecycle.json", &shared)
	if len(shared.Events) < 15 || len(shared.Statuses) != 5 {
		t.Fatalf("only %d events and %d statuses", len(shared.Events), len(shared.Statuses))
	}
	for _, e := range shared.Events {
		event, err := b2b.ParseEvent(e.Event)
		if err != nil {
			t.Fatal(err)
		}
		var name func(string) string
		if e.Names != nil {
			name = func(id string) string { return e.Names[id] }
		}
		want := ""
		if e.Text != nil {
			want = *e.Text
		}
		if got := b2b.FormatLifecycleEvent(event.Event, name); got != want {
			t.Errorf("%s\n is %q,\nwant %q", e.Event, got, want)
		}
	}
	for status, want := range shared.Statuses {
		value := b2bv1.ThreadStatus_value["THREAD_STATUS_"+strings.ToUpper(status)]
		if got := b2b.StatusGuide(b2bv1.ThreadStatus(value)); got != want {
			t.Errorf("the guide of %s is %q, want %q", status, got, want)
		}
	}
	if got := b2b.StatusGuide(99); got != "Unknown status: 99" {
		t.Errorf("the guide of an unknown status is %q", got)
	}
	for language, got := range map[string]string{"en": b2b.ProtocolGuide(), "zh": b2b.ProtocolGuideChinese()} {
		want, err := os.ReadFile("../testdata/guide." + language + ".md")
		if err != nil {
			t.Fatal(err)
		}
		if got != strings.TrimRight(string(want), "\n") {
			t.Errorf("the guide in %s is not that of the other SDKs", language)
		}
	}
}
