package conformance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProfilesAreThoseOfTheSpec compares the profiles with the table of SPEC.md.
func TestProfilesAreThoseOfTheSpec(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n### Profiles\n")
	table, _, _ = strings.Cut(table, "\n### ")
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (.*) \\|$")
	link := regexp.MustCompile(`\[([A-Z0-9]+)\]\(#`)
	rows := row.FindAllStringSubmatch(table, -1)
	if len(rows) != len(profiles())+1 || rows[0][1] != core {
		t.Fatalf("the table has %d rows, want core and %d more", len(rows), len(profiles()))
	}
	for i, p := range profiles() {
		var sections []string
		for _, m := range link.FindAllStringSubmatch(rows[i+1][2], -1) {
			sections = append(sections, m[1])
		}
		if rows[i+1][1] != p.name || !slices.Equal(sections, p.sections) {
			t.Errorf("SPEC.md has %s with %v, want %s with %v", rows[i+1][1], sections, p.name, p.sections)
		}
	}
}

func TestProfileOfRoute(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/api/threads/t/decisions?limit=1": "decisions",
		"/api/decisions":                   "decisions",
		"/api/inbox/claim":                 "inbox",
		"/api/inbox":                       core,
		"/api/messages/m/receipts":         "inbox",
		"/api/messages/m":                  core,
		"/api/leases/x/renew":              "leases",
		"/api/files/f":                     "files",
		"/api/search?q=x":                  "search",
		"/api/filesystem":                  core,
	} {
		if got := profileOfRoute(path); got != want {
			t.Errorf("%s is of %s, want %s", path, got, want)
		}
	}
}

// TestServersAreHeldToTheirProfiles: what a server does not declare is not checked, and a check that
// calls routes of a profile must be of it.
func TestServersAreHeldToTheirProfiles(t *testing.T) {
	t.Parallel()
	checks := []Check{
		{[]string{"B2B-ORG-001"}, "core", passing},
		{[]string{"B2B-ORG-002", "B2B-DEC-001"}, "two profiles", passing},
		{[]string{"B2B-LEASE-001"}, "leases", failing},
	}
	for name, c := range map[string]struct {
		profiles       []string
		passed, failed int
		line           string
	}{
		"all":          {nil, 3, 1, "leases           0 passed, 1 failed"}, // the fake server declares none
		"one":          {[]string{"decisions"}, 3, 0, "leases           not checked: the server does not have it"},
		"core alone":   {[]string{core}, 1, 0, "core             1 passed, 0 failed"},
		"one that has": {[]string{"inbox"}, 1, 0, "inbox            not checked\n"},
	} {
		rep, out := try(t, Options{Checks: checks, Profiles: c.profiles})
		if rep.Passed != c.passed || rep.Failed != c.failed || !strings.Contains(out, c.line) {
			t.Errorf("%s: %d passed, %d failed, want %d and %d and %q:\n%s", name, rep.Passed, rep.Failed, c.passed, c.failed, c.line, out)
		}
	}
	rep, out := try(t, Options{Checks: []Check{
		{[]string{"B2B-ORG-001"}, "goes astray", func(t *T) { t.Get("/api/leases", nil) }},
		{[]string{"B2B-ORG-002", "B2B-LEASE-001"}, "names it", func(t *T) { t.Get("/api/leases", nil) }},
	}})
	if rep.Failed != 1 || !strings.Contains(out, "of the profile leases") {
		t.Errorf("%d failed, want the check that goes astray:\n%s", rep.Failed, out)
	}
}
