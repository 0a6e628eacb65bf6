package invite_test

import (
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/invite"
)

func TestLink(t *testing.T) {
	t.Parallel()
	for _, i := range []invite.Invitation{
		{URL: "http://localhost:4800", OrgID: "o-1", Ticket: "tkt_1"},
		{URL: "https://example.org/agents/b2b", OrgID: "o&1", Ticket: "t #=%+/"},
		{URL: "https://[::1]:4800", OrgID: "組織", Ticket: "t"},
	} {
		link := i.String()
		if before, _, _ := strings.Cut(link, "#"); before != i.URL+"/skill.md" {
			t.Errorf("%s: a program sends %s to the server", link, before)
		}
		if !invite.IsLink(link) {
			t.Errorf("%s is no link", link)
		}
		if got, err := invite.Parse(" " + link + "\n"); err != nil || got != i {
			t.Errorf("%s: %+v, %v", link, got, err)
		}
	}
}

// TestForms: what others may write, and members that a later version adds.
func TestForms(t *testing.T) {
	t.Parallel()
	want := invite.Invitation{URL: "http://h", OrgID: "o", Ticket: "t"}
	for _, link := range []string{"http://h/skill.md#ticket=t&org=o", "http://h/#org=o&ticket=t", "http://h#org=o&ticket=t&later=1"} {
		if got, err := invite.Parse(link); err != nil || got != want {
			t.Errorf("%s: %+v, %v", link, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"":                                        "begins with",
		"h/#org=o&ticket=secret":                  "begins with",
		"ftp://h/#org=o&ticket=secret":            "begins with",
		"http:///#org=o&ticket=secret":            "begins with",
		"http://secret@h/#org=o&ticket=secret":    "no user",
		"http://h/?ticket=secret&org=o":           "no user",
		"http://h/skill.md#ticket=secret":         "no org",
		"http://h/skill.md#org=o":                 "no ticket",
		"http://h/skill.md#org=%zz&ticket=secret": "begins with",
		"http://h/skill.md#org=o;ticket=secret":   "cannot be read",
	} {
		_, err := invite.Parse(link)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
	}
}
