package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// core is the profile that every server has.
const core = "core"

// profile is a part of the protocol that a server may leave out (SPEC.md, "Profiles").
type profile struct {
	name     string
	sections []string       // of SPEC.md, whose requirements are all of the profile
	routes   *regexp.Regexp // of the profile alone; nil: it has none
}

// profiles lists the profiles beside core.
func profiles() []profile {
	return []profile{
		{"files", []string{"FILE"}, regexp.MustCompile(`^/api/files(/|$)`)},
		{"webhooks", []string{"HOOK"}, nil},
		{"inbox", []string{"DLV", "RCPT"}, regexp.MustCompile(`^/api/(inbox/|messages/[^/]+/receipts$)`)},
		{"decisions", []string{"DEC"}, regexp.MustCompile(`^/api/(|threads/[^/]+/|channels/[^/]+/)decisions(/|$)`)},
		{"leases", []string{"LEASE"}, regexp.MustCompile(`^/api/leases(/|$)`)},
		{"loop-guard", []string{"LOOP"}, nil},
		{"search", []string{"SRCH"}, regexp.MustCompile(`^/api/search$`)},
		{"mcp", []string{"MCP"}, regexp.MustCompile(`^/mcp$`)},
		{"a2a", []string{"A2A"}, regexp.MustCompile(`^/a2a/`)},
	}
}

// profileNames returns the names of all profiles, core first.
func profileNames() []string {
	names := []string{core}
	for _, p := range profiles() {
		names = append(names, p.name)
	}
	return names
}

// profileOf returns the profile of a requirement.
func profileOf(id string) string {
	for _, p := range profiles() {
		if slices.Contains(p.sections, sectionOf(id)) {
			return p.name
		}
	}
	return core
}

// profilesOf returns the profiles that a server needs for a check.
func profilesOf(c Check) []string {
	var names []string
	for _, id := range c.Requirements {
		if name := profileOf(id); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// profileOfRoute returns the profile to which a path of a request belongs.
func profileOfRoute(path string) string {
	path, _, _ = strings.Cut(path, "?")
	for _, p := range profiles() {
		if p.routes != nil && p.routes.MatchString(path) {
			return p.name
		}
	}
	return core
}

// declared returns the profiles to which a server is held: those that its version lists, and core; all
// if it lists none.
func (tg *target) declared(ctx context.Context) ([]string, error) {
	r, err := tg.send(ctx, "GET", "/api/version", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("conformance: ask for the profiles of the server: %w", err)
	}
	object, _ := r.JSON.(J)
	list, ok := object["profiles"].([]any)
	if !ok {
		return profileNames(), nil
	}
	names := []string{core}
	for _, name := range list {
		if text, isText := name.(string); isText && text != core {
			names = append(names, text)
		}
	}
	return names, nil
}

// knownProfiles returns an error for a name that is no profile.
func knownProfiles(names []string) error {
	all := profileNames()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("conformance: there is no profile %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	return nil
}
