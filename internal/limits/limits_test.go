package limits

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/b2b-protocol/b2b/internal/jstext"
)

// refused reports whether err is a *Violation of the field.
func refused(err error, field string) bool {
	var v *Violation
	return errors.As(err, &v) && v.Field == field && strings.HasPrefix(err.Error(), field+" ")
}

func TestBotName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "Z", "0", "-", "_", "-x", "9lives", "ALLan", "al", "all-", "_all", strings.Repeat("x", 128)} {
		if err := BotName(name); err != nil {
			t.Errorf("BotName(%q): %v", name, err)
		}
	}
	for _, name := range []string{"all", "ALL", "aLl"} {
		if err := BotName(name); !errors.Is(err, ErrReservedName) {
			t.Errorf("BotName(%q): %v", name, err)
		}
	}
	for _, name := range []string{"", " ", "a b", "bot!", "é", "所有人", "a.b", "a/b", "a\x00", "ａｌｌ", "ſ", "\xff", "all ", strings.Repeat("x", 129)} {
		if err := BotName(name); !refused(err, "name") {
			t.Errorf("BotName(%q): %v", name, err)
		}
	}
	for b := range 256 {
		c := byte(b)
		want := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-'
		if got := BotName("x"+string([]byte{c})) == nil; got != want {
			t.Errorf("a name with byte %#x: accepted %v", c, got)
		}
	}
}

func TestLikeID(t *testing.T) {
	t.Parallel()
	const id = "0198c1de-7a3b-7c11-9f00-5d1e0a6b2c3f"
	bare := strings.ReplaceAll(id, "-", "")
	for _, text := range []string{id, strings.ToUpper(id), bare, strings.ToUpper(bare), strings.Repeat("0", 32), "AbCdEfAb-0000-0000-0000-000000000000"} {
		if !LikeID(text) || !refused(BotName(text), "name") {
			t.Errorf("%q passes for no id", text)
		}
	}
	for _, text := range []string{
		"", "bot-" + id, id + "0", id[1:], bare[1:], bare + "0", "g" + bare[1:], "g" + id[1:], strings.Repeat("-", 36), strings.Repeat("-", 32),
		strings.Repeat("a", 36), strings.ReplaceAll(id, "-", "_"), "\x10" + bare[1:],
	} {
		if LikeID(text) {
			t.Errorf("%q passes for an id", text)
		}
	}
	for _, name := range []string{"bot-" + id, "agent" + bare, strings.ReplaceAll(id, "-", "_"), strings.Repeat("a", 36)} {
		if err := BotName(name); err != nil {
			t.Errorf("BotName(%q): %v", name, err)
		}
	}
}

func TestArtifactKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"plan.v1", "~", "a_b-c.d~e", "...", ".a", "a..", strings.Repeat("k", 256)} {
		if err := errors.Join(ArtifactKey(key), NewArtifactKey(key)); err != nil {
			t.Errorf("ArtifactKey(%q): %v", key, err)
		}
	}
	for _, key := range []string{".", ".."} {
		if err := ArtifactKey(key); err != nil {
			t.Errorf("ArtifactKey(%q): %v: an artifact that was imported cannot be found", key, err)
		}
		if err := NewArtifactKey(key); !refused(err, "artifact_key") {
			t.Errorf("NewArtifactKey(%q): %v", key, err)
		}
	}
	for _, key := range []string{"", "a/b", "a b", "a%20", "é", "a\n", "k:1", strings.Repeat("k", 257)} {
		if err, made := ArtifactKey(key), NewArtifactKey(key); !refused(err, "artifact_key") || !refused(made, "artifact_key") {
			t.Errorf("ArtifactKey(%q): %v, %v", key, err, made)
		}
	}
	for b := range 256 {
		c := byte(b)
		want := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("._~-", c) >= 0
		if got := ArtifactKey(string([]byte{c})) == nil; got != want {
			t.Errorf("a key with byte %#x: accepted %v", c, got)
		}
	}
}

// Each unit at its bound and one above.
func TestChecks(t *testing.T) {
	t.Parallel()
	const most = 64
	for name, c := range map[string]struct {
		check       func(string) error
		fits, above string
	}{
		"bytes":      {func(s string) error { return CheckBytes("x", s, most) }, strings.Repeat("é", most/2), strings.Repeat("é", most/2) + "x"},
		"characters": {func(s string) error { return CheckCharacters("x", s, most) }, strings.Repeat("👍", most/2), strings.Repeat("👍", most/2) + "x"},
		"JSON": {func(s string) error { return CheckJSON("x", s, most) },
			`[ "` + strings.Repeat("t", most-4) + "\" ]\n", `["` + strings.Repeat("t", most-3) + `"]`},
		"a text as JSON": {func(s string) error { return CheckJSON("x", s, most) }, `"` + strings.Repeat("t", most) + `"`, `"` + strings.Repeat("t", most+1) + `"`},
		"a list": {func(s string) error { return CheckList("x", strings.Split(s, ","), most) },
			strings.Repeat("t", most-4), strings.Repeat("t", most-4) + ","},
		"items": {func(s string) error { return CheckItems("x", len(s), most) }, strings.Repeat("t", most), strings.Repeat("t", most+1)},
		"depth": {func(s string) error { return CheckDepth("x", s) },
			strings.Repeat("[", MaxJSONDepth) + `"[["` + strings.Repeat("]", MaxJSONDepth), strings.Repeat(`{"a":`, MaxJSONDepth) + "[]"},
		"a number": {func(s string) error { return CheckLeast("x", int64(len(s)), 1) }, "t", ""},
	} {
		if err := c.check(c.fits); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.check(c.above); !refused(err, "x") {
			t.Errorf("%s: %v for what is above", name, err)
		}
	}
}

func TestPlaceOfAViolation(t *testing.T) {
	t.Parallel()
	inner := CheckBytes("content", "xx", 1)
	for want, err := range map[string]error{
		"parts[2].content must be at most 1 bytes": In("parts", At(2, inner)),
		"parts must be at most 1":                  In("parts", CheckItems("", 2, 1)),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
	if other := errors.New("x"); In("parts", other) != other {
		t.Error("another error was changed")
	}
}

func TestTopic(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"x": "x", "  Release notes\n": "Release notes", "\ufeff所\u3000": "所", strings.Repeat("👍", 256): strings.Repeat("👍", 256),
		" " + strings.Repeat("x", 512) + " ": strings.Repeat("x", 512),
	} {
		if got, err := Topic(sent); err != nil || got != want {
			t.Errorf("Topic(%q) = %q, %v", sent, got, err)
		}
	}
	for _, sent := range []string{"", " ", "\u00a0\ufeff\n", strings.Repeat("x", 513), strings.Repeat("👍", 256) + "x"} {
		if got, err := Topic(sent); !refused(err, "topic") || got != "" {
			t.Errorf("Topic(%.20q) = %q, %v", sent, got, err)
		}
	}
}

func TestThreadTags(t *testing.T) {
	t.Parallel()
	ten := strings.Split("a b c d e f g h i j", " ")
	for _, c := range []struct{ sent, want []string }{
		{nil, nil},
		{[]string{}, []string{}},
		{[]string{" ", ""}, []string{}},
		{[]string{" docs ", ""}, []string{"docs"}},
		{[]string{"b", "a", "b"}, []string{"b", "a", "b"}},
		{ten, ten},
	} {
		got := ThreadTags(c.sent)
		if !slices.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("ThreadTags(%q) = %#v", c.sent, got)
		}
	}
	sent := []string{" a "}
	if ThreadTags(sent); sent[0] != " a " {
		t.Errorf("the caller's slice became %q", sent)
	}
}

func TestResolveContent(t *testing.T) {
	t.Parallel()
	content := func(s string) *string { return &s }
	text, markdown := Part{"text", "words"}, Part{"markdown", "# words"}
	image, link, jsonPart := Part{Type: "image"}, Part{Type: "link"}, Part{Type: "json"}
	for _, c := range []struct {
		content *string
		parts   []Part
		want    string // empty means refused
	}{
		{content("hi"), nil, "hi"},
		{content("hi"), []Part{text}, "hi"},
		{content(" "), nil, " "},
		{content(""), nil, ""},
		{content(""), []Part{text}, ""},
		{nil, nil, ""},
		{nil, []Part{}, "[]"},
		{nil, []Part{text}, "words"},
		{nil, []Part{image, markdown, text}, "# words"},
		{nil, []Part{image, link}, "[image, link]"},
		{nil, []Part{jsonPart}, "[json]"},
		{nil, []Part{{"text", ""}, markdown}, ""},
	} {
		got, err := ResolveContent(c.content, c.parts)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ResolveContent(%v, %v) = %q, %v", c.content, c.parts, got, err)
		}
		if err != nil && err.Error() != "content or parts is required" {
			t.Errorf("clients match %q", err)
		}
	}
}

func TestSharedQuery(t *testing.T) {
	t.Parallel()
	if err := SharedQuery(strings.Repeat("所", 200)); err != nil {
		t.Errorf("q of 200: %v", err)
	}
	if err := SharedQuery(strings.Repeat("所", 201)); !refused(err, "q") || !strings.Contains(err.Error(), "q too long") {
		t.Errorf("q of 201: %v", err)
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                               "",
		"short":                          "short",
		strings.Repeat("x", 200):         strings.Repeat("x", 200),
		strings.Repeat("x", 201):         strings.Repeat("x", 200) + "…",
		strings.Repeat("所", 201):         strings.Repeat("所", 200) + "…",
		strings.Repeat("👍", 100):         strings.Repeat("👍", 100),
		"x" + strings.Repeat("👍", 100):   "x" + strings.Repeat("👍", 99) + "…",
		strings.Repeat("👍", 100) + "end": strings.Repeat("👍", 100) + "…",
	} {
		if got := Preview(content); got != want {
			t.Errorf("Preview(%q) = %q", content, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("  Release notes ")
	f.Add(strings.Repeat("👍", 300))
	f.Add("all")
	f.Fuzz(func(t *testing.T, s string) {
		if topic, err := Topic(s); err == nil {
			if again, err := Topic(topic); err != nil || again != topic || topic == "" || jstext.Len(topic) > MaxTopic {
				t.Fatalf("Topic(%q) = %q is not stable", s, topic)
			}
		}
		if short := Preview(s); utf8.ValidString(s) && !utf8.ValidString(short) || jstext.Len(short) > MaxPreview+1 {
			t.Fatalf("Preview(%q) = %q", s, short)
		}
		if BotName(s) == nil && ArtifactKey(s) != nil {
			t.Fatalf("%q is a name and no key", s)
		}
	})
}

func TestShapeAndWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]int{
		`{}`: {1, 1, 1}, `[1,2,3]`: {1, 3, 3}, `{"a":[1,2],"b":{"c":"[,]"}}`: {2, 5, 2},
		`"a,b"`: {0, 0, 1}, `["\",",[],[[]]]`: {3, 6, 3}, `[`: {1, 1, 1}, ``: {0, 0, 1},
	} {
		depth, elements := Shape(text)
		if got := [3]int{depth, elements, Width(text)}; got != want {
			t.Errorf("%s: depth, elements, width %v, want %v", text, got, want)
		}
	}
}
