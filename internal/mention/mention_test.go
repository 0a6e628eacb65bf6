package mention

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/b2b-protocol/b2b/internal/complexitytest"
	"github.com/b2b-protocol/b2b/internal/limits"
)

func people(names ...string) []Participant {
	out := make([]Participant, len(names))
	for i, name := range names {
		out[i] = Participant{ID: "id-" + name, Name: name}
	}
	return out
}

func named(mentions []Participant) string {
	names := make([]string, len(mentions))
	for i, m := range mentions {
		names[i] = m.Name
		if m.ID != "id-"+m.Name {
			names[i] = "!" + m.ID
		}
	}
	return strings.Join(names, " ")
}

func TestScan(t *testing.T) {
	t.Parallel()
	here := people("bob", "Nova", "a-b_c", "9", "-x", "allan", "al")
	for _, c := range []struct {
		content string
		want    string
		all     bool
	}{
		{"", "", false},
		{"@", "", false},
		{"no mention", "", false},
		{"@bob", "bob", false},
		{"hi @bob, hi @NOVA!", "bob Nova", false},
		{"Thanks @Nova, cc @all", "Nova", true},
		{"x@bob", "", false},
		{"-@bob", "", false},
		{"_@bob 9@bob Z@bob", "", false},
		{"@@bob", "bob", false},
		{"@bob@nova", "bob", false},
		{"@bob @@nova", "bob Nova", false},
		{"请@bob", "bob", false},
		{"请@bob吧", "bob", false},
		{"(@bob)", "bob", false},
		{"@bob.", "bob", false},
		{"é@bob", "bob", false},
		{"@bobby", "", false},
		{"@bo", "", false},
		{"@ bob", "", false},
		{"@a-b_c", "a-b_c", false},
		{"@a-b_c-", "", false},
		{"@-x @9", "-x 9", false},
		{"@BOB @bob @Bob", "bob", false},
		{"@nova @bob @nova", "Nova bob", false},
		{"@nobody @bob", "bob", false},
		{"@allan", "allan", false},
		{"@al", "al", false},
		{"@ALL", "", true},
		{"@aLl.", "", true},
		{"x@all", "", false},
		{"@all-", "", false},
		{"@@all", "", true},
		{"@all @bob", "bob", true},
		{"@所有人", "", true},
		{"@所有人 hi", "", true},
		{"@所有人，大家好", "", true},
		{"@所有人!", "", true},
		{"@所有人\u3000", "", true},
		{"@所有人\ufeff", "", true},
		{"@所有人\n", "", true},
		{"@所有人_", "", true},
		{"@所有人-", "", true},
		{"@所有人@bob", "bob", true},
		{"@所有人们", "", false},
		{"@所有人x", "", false},
		{"@所有人1", "", false},
		{"@所有人+", "", false},
		{"@所有人$", "", false},
		{"@所有人\u0085", "", false},
		{"x@所有人", "", false},
		{"-@所有人", "", false},
		{"请@所有人", "", true},
		{"@@所有人", "", true},
		{"@所有", "", false},
		{"@所有人们 @所有人", "", true},
		{"＠bob", "", false},
		{"@bob\xff@nova\xff", "bob Nova", false},
		{"@所有人\xff", "", false},
	} {
		got, all := scan(c.content, here)
		if named(got) != c.want || all != c.all {
			t.Errorf("Scan(%q) = %q, %v, want %q, %v", c.content, named(got), all, c.want, c.all)
		}
	}
}

func TestNamesThatDifferInCase(t *testing.T) {
	t.Parallel()
	here := people("bot", "Bot", "BOT")
	for content, want := range map[string]string{"@Bot": "Bot", "@BOT @bot": "BOT bot", "@bOT": "bot", "@bot": "bot",
		"@bot @Bot @BOT": "bot Bot BOT", "@bot @bOT": "bot", "@bOT @Bot @bot": "bot Bot"} {
		if got, _ := scan(content, here); named(got) != want {
			t.Errorf("Scan(%q) = %q, want %q", content, named(got), want)
		}
	}
}

// After 20 mentions further names are ignored, but a later @all still counts, in either spelling.
func TestCap(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 25 {
		names = append(names, fmt.Sprintf("bot%d", i))
	}
	here := people(names...)
	content := "@nobody @bot0 @" + strings.Join(names, " @")
	got, all := scan(content, here)
	if len(got) != limits.MaxMentions || named(got) != strings.Join(names[:limits.MaxMentions], " ") || all {
		t.Errorf("Scan took %q, %v", named(got), all)
	}
	for _, tail := range []string{" @all", " @ALL!", " @所有人"} {
		if got, all := scan(content+tail, here); len(got) != limits.MaxMentions || !all {
			t.Errorf("after the cap, %q: %d mentions, all %v", tail, len(got), all)
		}
	}
	// Names of bots that are not participants do not count.
	if got, _ := scan(strings.Repeat("@ghost ", 100)+"@bot7", here); named(got) != "bot7" {
		t.Errorf("Scan took %q", named(got))
	}
}

func TestNoParticipants(t *testing.T) {
	t.Parallel()
	if got, all := scan("@bob @all", nil); len(got) != 0 || !all {
		t.Errorf("Scan = %v, %v", got, all)
	}
}

// The time of the worst inputs is linear in their length.
func TestLinearTime(t *testing.T) {
	// Not parallel: it measures time.
	here := people("bob", strings.Repeat("a", 128))
	for _, unit := range []string{"@", "@a", "@ ", "@所有人们", "a", "@bob ", "@" + strings.Repeat("a", 129), "所@"} {
		if g := complexitytest.Growth(4<<10, func(size int) { Scan(strings.Repeat(unit, size/len(unit)), here) }); g > 32 {
			t.Errorf("eight times as many %.10q take %.0f times as long", unit, g)
		}
	}
	if g := complexitytest.Growth(4<<10, func(size int) { Scan("@"+strings.Repeat("a", size), here) }); g > 32 {
		t.Errorf("an eight times longer token takes %.0f times as long", g)
	}
}

var (
	asciiToken = regexp.MustCompile(`@([A-Za-z0-9_-]+)`)
	cjkToken   = regexp.MustCompile(`@所有人`)
)

// oracle is a slow implementation of B2B-MSG-030 to 033 with regular expressions.
func oracle(content string, participants []Participant) (names []string, all bool) {
	follows := func(at int) bool { return at > 0 && isNameByte(content[at-1]) }
	seen := map[string]bool{}
	for _, m := range asciiToken.FindAllStringSubmatchIndex(content, -1) {
		token := content[m[2]:m[3]]
		key := strings.ToLower(token)
		if follows(m[0]) || seen[key] {
			continue
		}
		seen[key] = true
		if key == "all" {
			all = true
			continue
		}
		if len(names) == limits.MaxMentions {
			continue
		}
		i := slices.IndexFunc(participants, func(p Participant) bool { return p.Name == token })
		if i < 0 {
			i = slices.IndexFunc(participants, func(p Participant) bool { return strings.ToLower(p.Name) == key })
		}
		if i >= 0 {
			names = append(names, participants[i].Name)
		}
	}
	for _, m := range cjkToken.FindAllStringIndex(content, -1) {
		rest := []rune(content[m[1]:])
		if !follows(m[0]) && (len(rest) == 0 || rest[0] == 0xFEFF || (unicode.IsSpace(rest[0]) && rest[0] != 0x85) || unicode.IsPunct(rest[0])) {
			all = true
		}
	}
	return names, all
}

// scan returns the mentions of a message.
func scan(content string, participants []Participant) ([]Participant, bool) {
	found := Scan(content, participants)
	return found.Mentions, found.All
}

// What is named and not mentioned is found too: names of no participant, each once as it is written
// first, and participants after the twentieth.
func TestNotMentioned(t *testing.T) {
	t.Parallel()
	var crowd, ghosts []string
	for i := range 45 {
		crowd, ghosts = append(crowd, fmt.Sprintf("bot%d", i)), append(ghosts, fmt.Sprintf("ghost%d", i))
	}
	long := strings.Repeat("x", limits.MaxBotName)
	for _, c := range []struct {
		content string
		here    []Participant
		beyond  string
		others  string
		more    bool
	}{
		{"nobody", people("bob"), "", "", false},
		{"@bob @all", people("bob"), "", "", false},
		{"@Ghost, @bob and @ghost", people("bob"), "", "Ghost", false},
		{"a@ghost.org", people("bob"), "", "", false},
		{"@ghost @specter", nil, "", "ghost specter", false},
		{"@" + long + " @" + long + "x", nil, "", long, false},
		{"@" + strings.Join(crowd[:20], " @"), people(crowd...), "", "", false},
		{"@" + strings.Join(crowd[:22], " @") + " @bot3 @bot21 @ghost", people(crowd...), "bot20 bot21", "ghost", false},
		{"@" + strings.Join(crowd[:40], " @"), people(crowd...), strings.Join(crowd[20:40], " "), "", false},
		{"@" + strings.Join(crowd[:41], " @"), people(crowd...), strings.Join(crowd[20:40], " "), "", true},
		{"@" + strings.Join(ghosts[:20], " @") + " @ghost3", nil, "", strings.Join(ghosts[:20], " "), false},
		{"@" + strings.Join(ghosts[:21], " @"), nil, "", strings.Join(ghosts[:20], " "), true},
	} {
		found := Scan(c.content, c.here)
		if named(found.Beyond) != c.beyond || strings.Join(found.Others, " ") != c.others || found.More != c.more {
			t.Errorf("Scan(%.40q) = %q, %q, %v, want %q, %q, %v", c.content, named(found.Beyond), found.Others, found.More, c.beyond, c.others, c.more)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{"@bob @all", "x@bob", "@@Bob@nova", "@所有人，", "请@Nova\xff@ALL", "@a@b@c@d@e@f"} {
		f.Add(s)
	}
	here := people("bob", "Bob", "Nova", "a", "b", "c", "d", "e", "f", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
		"-", "_", "--", "g", "h", "i", "j", "k", "A-_9")
	f.Fuzz(func(t *testing.T, content string) {
		got, all := scan(content, here)
		want, wantAll := oracle(content, here)
		if named(got) != strings.Join(want, " ") || all != wantAll {
			t.Fatalf("Scan(%q) = %q, %v, want %q, %v", content, named(got), all, want, wantAll)
		}
		found := Scan(content, here)
		if len(found.Others) > limits.MaxNotReached || len(found.Beyond) > limits.MaxNotReached {
			t.Fatalf("Scan(%q) found %d names and %d beyond", content, len(found.Others), len(found.Beyond))
		}
		for _, name := range found.Others {
			if !strings.Contains(content, "@"+name) || slices.ContainsFunc(here, func(p Participant) bool { return strings.EqualFold(p.Name, name) }) {
				t.Fatalf("Scan(%q) found the name %q", content, name)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	here := people("atlas", "nova", "lyra", "orion", "vega")
	content := strings.Repeat("a plain sentence of a message, ", 7) + "cc @nova"
	for b.Loop() {
		Scan(content, here)
	}
}
