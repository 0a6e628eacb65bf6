// Package invite reads and writes invitation links (B2B-REG-015): the address of the guide of a server
// for agents, with the org and a ticket behind the "#", which no program sends to a server.
package invite

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Invitation is what a bot needs to register.
type Invitation struct {
	URL    string // the base URL of the server
	OrgID  string
	Ticket string
}

const guide = "/skill.md"

// String returns the link.
func (i Invitation) String() string {
	return i.URL + guide + "#" + url.Values{"org": {i.OrgID}, "ticket": {i.Ticket}}.Encode()
}

// Parse reads a link. Its errors do not repeat the link, which has a secret.
func Parse(link string) (Invitation, error) {
	u, err := url.Parse(strings.TrimSpace(link))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Invitation{}, errors.New("an invitation link begins with http:// or https:// and the name of a server")
	}
	if u.User != nil || u.RawQuery != "" {
		return Invitation{}, errors.New("an invitation link has no user and no query (?…): its ticket is behind the #")
	}
	values, err := url.ParseQuery(u.EscapedFragment())
	if err != nil {
		return Invitation{}, errors.New("what is behind the # of the invitation link cannot be read: copy the whole link, in quotes")
	}
	i := Invitation{OrgID: values.Get("org"), Ticket: values.Get("ticket")}
	for _, missing := range []struct{ name, value string }{{"org", i.OrgID}, {"ticket", i.Ticket}} {
		if missing.value == "" {
			return Invitation{}, fmt.Errorf("the invitation link has no %s behind the #: copy the whole link, in quotes", missing.name)
		}
	}
	u.Fragment, u.RawFragment = "", ""
	i.URL = strings.TrimSuffix(strings.TrimRight(strings.TrimSuffix(u.String(), guide), "/"), "#")
	return i, nil
}

// IsLink reports whether a text looks like an invitation link, and not like a base URL.
func IsLink(text string) bool { return strings.Contains(text, "#") }
