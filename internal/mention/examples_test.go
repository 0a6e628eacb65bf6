package mention

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write sdk/testdata/mentions.json")

const examplesFile = "../../sdk/testdata/mentions.json"

// example is what the parser of an SDK must find (B2B-SDK-030).
type example struct {
	Content      string    `json:"content"`
	Participants []mention `json:"participants"`
	Mentions     []mention `json:"mentions"`
	MentionAll   bool      `json:"mention_all"`
}

type mention struct {
	BotID string `json:"bot_id"`
	Name  string `json:"name"`
}

func list(all []Participant) []mention {
	out := make([]mention, len(all))
	for i, p := range all {
		out[i] = mention{BotID: p.ID, Name: p.Name}
	}
	return out
}

// examples returns texts that reach each rule of B2B-MSG-030 to 033, texts of a random order of
// difficult pieces, and what Scan finds in them.
func examples() []example {
	here := people("bob", "Nova", "a-b_c", "9", "-x", "allan", "al", "mybot", "mybot-2", "ALL-in")
	twins := people("Ann", "ann", "ANN", "bob")
	var crowd []Participant
	var everyone strings.Builder
	for i := range 25 {
		crowd = append(crowd, people(fmt.Sprintf("bot%d", i))...)
		fmt.Fprintf(&everyone, "@bot%d ", i)
	}
	cases := []struct {
		participants []Participant
		contents     []string
	}{
		{here, []string{
			"", "@", "@@", "no mention", "@bob", "hi @bob, hi @NOVA!", "Thanks @Nova, cc @all",
			"x@bob", "-@bob", "_@bob 9@bob Z@bob", "@@bob", "@bob@nova", "@bob @@nova", "请@bob", "请@bob吧", "(@bob)",
			"@bob.", "é@bob", "@bobé", "@bobby", "@bo", "@ bob", "@a-b_c", "@a-b_c-", "@-x @9", "@al @all @allan",
			"@mybot-2 please", "@mybot, please", "@mybot_2", "@BOB @bob @Bob", "bob@example.com", "@bob\n@nova\t@al",
			"@ALL", "@aLL!", "x@all", "@all-in", "@allx", "@All@all", "@所有人", "@所有人 ", "@所有人。", "@所有人!", "@所有人吧",
			"x@所有人", "请@所有人", "@所有人\u00a0", "@所有人\u200b", "@所有人\ufeff", "@所有人\u0085", "@所有人\u3000", "@所有人+", "@所有人$", "@所有人🙂", "@所有人_", "@所有人-", "@@所有人", "@所有人@bob",
			"@ſ", "@K", "@ａｌｌ", "＠bob", "\u0000@bob", "@bob\u0000",
		}},
		{twins, []string{"@ann", "@Ann", "@ANN", "@aNN", "@aNN @ann @Ann @ANN", "@ANN @bob @aNN @aNN"}},
		{crowd, []string{everyone.String(), everyone.String() + "@all", everyone.String() + "@bot24 @所有人", "@bot1 " + everyone.String()}},
		{nil, []string{"@bob", "@all", "@所有人"}},
	}
	pieces := []string{"@", "@", "@", "bob", "Nova", "all", "所有人", "mybot", "-2", "_", "-", "9", " ", "。", "é", "x", ",", "a-b_c", "\n"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		var b strings.Builder
		for range 3 + random.IntN(9) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		cases[0].contents = append(cases[0].contents, b.String())
	}
	var all []example
	for _, c := range cases {
		for _, content := range c.contents {
			found, everybody := scan(content, c.participants)
			all = append(all, example{content, list(c.participants), list(found), everybody})
		}
	}
	return all
}

// TestExamplesFile: the examples for the SDKs are what this package finds (B2B-SDK-030).
func TestExamplesFile(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	want.WriteString("[")
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	for i, e := range examples() {
		if i > 0 {
			want.WriteString(",")
		}
		if err := encoder.Encode(e); err != nil { // a line for each
			t.Fatal(err)
		}
	}
	want.WriteString("]\n")
	if *update {
		if err := os.WriteFile(examplesFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(examplesFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what this package finds: run this test with -update", examplesFile)
	}
}
