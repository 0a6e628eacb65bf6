package eventtype_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/eventtype"
)

// TestSpecListsDelivered: the first table of the section EVT of SPEC.md lists the types of events
// that clients receive, each once, and no others (B2B-EVT-001).
func TestSpecListsDelivered(t *testing.T) {
	t.Parallel()
	same(t, codes(t, "\n## EVT\n", "\n*Org admins*", regexp.MustCompile("(?m)^\\| (`[a-z_`, ]+) \\|")), eventtype.Delivered())
	for _, kind := range eventtype.Delivered() {
		if !eventtype.IsDelivered(kind) {
			t.Errorf("%s is not delivered", kind)
		}
	}
	for _, kind := range []string{eventtype.AccessChanged, eventtype.WebhookChanged, eventtype.ImportedRow, ""} {
		if eventtype.IsDelivered(kind) {
			t.Errorf("%q is delivered", kind)
		}
	}
}

// TestSpecListsPosted: B2B-HOOK-001 lists the types of events that webhooks receive, each once,
// and no others.
func TestSpecListsPosted(t *testing.T) {
	t.Parallel()
	same(t, codes(t, `<a id="b2b-hook-001">`, `<a id="b2b-hook-002">`, regexp.MustCompile("((?:[ ,\n]*`[a-z_]+`)+):")), eventtype.Posted())
}

// codes returns the words in backquotes of the matches of a pattern in SPEC.md, between two texts
// of which the first is in it once. The head of the table, `type`, does not count.
func codes(t *testing.T, from, to string, pattern *regexp.Regexp) (words []string) {
	t.Helper()
	text, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), from)
	if !found || strings.Contains(section, from) {
		t.Fatalf("%q is not in SPEC.md once", from)
	}
	section, _, found = strings.Cut(section, to)
	if !found {
		t.Fatalf("%q does not follow %q in SPEC.md", to, from)
	}
	for _, match := range pattern.FindAllStringSubmatch(section, -1) {
		for _, word := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(match[1], -1) {
			if word[1] != "type" {
				words = append(words, word[1])
			}
		}
	}
	return words
}

// same compares lists, whatever their order.
func same(t *testing.T, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("SPEC.md lists\n%q, the schema\n%q", got, want)
	}
}
