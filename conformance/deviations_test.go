package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDeviationsAreRequirements checks that every row of the table of deviations links to the
// requirements that state it, and that these are checked.
func TestDeviationsAreRequirements(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	reqs, _ := parseSpec(string(text))
	named := namedRequirements(t)
	_, table, found := strings.Cut(string(text), "\n## DEV\n")
	table, _, _ = strings.Cut(table, "\n## ")
	if !found {
		t.Fatal("SPEC.md has no section DEV")
	}
	link := regexp.MustCompile(`\[(?:B2B-)?((?:[A-Z][A-Z0-9]*-)?[0-9]{3})\]\(#(b2b-[a-z][a-z0-9]*-[0-9]{3})\)`)
	rows := 0
	for _, line := range strings.Split(table, "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| HXA-Connect") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 3 {
			t.Errorf("%d cells, not 3: %s", len(cells), line)
			continue
		}
		see := cells[2]
		links := link.FindAllStringSubmatch(see, -1)
		if rest := strings.TrimSpace(strings.NewReplacer(",", "", " to ", "").Replace(link.ReplaceAllString(see, ""))); len(links) == 0 || rest != "" && rest != "to" {
			t.Errorf("%q is not a list of links to requirements: %s", see, line)
		}
		for _, l := range links {
			id := strings.ToUpper(l[2])
			if !strings.HasSuffix(id, l[1]) {
				t.Errorf("%s links to %s", l[0], id)
			}
			if _, ok := reqs[id]; !ok {
				t.Errorf("%s is not a requirement: %s", id, line)
			}
			if !named[id] {
				t.Errorf("%s, which states a deviation, is named by no check and no test", id)
			}
		}
	}
	if rows < 40 {
		t.Errorf("found only %d deviations", rows)
	}
}

// TestEveryRequirementIsNamed checks that every requirement of servers is named by a check or a
// test. Tests of this server name those that a client cannot observe: MAY, and SHOULD that takes
// days or needs a broken database.
func TestEveryRequirementIsNamed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	reqs, _ := parseSpec(string(text))
	named := namedRequirements(t)
	for id, r := range reqs {
		if !named[id] && !ofSDKs(id) {
			t.Errorf("%s (%s) is named by no check and no test", id, r.level)
		}
	}
}

// namedRequirements returns the ids that a check or a test of the repository names, in full or in
// a list such as B2B-LIFE-001, 005.
func namedRequirements(t *testing.T) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	for _, c := range Checks() {
		for _, id := range c.Requirements {
			named[id] = true
		}
	}
	mention := regexp.MustCompile(`B2B-([A-Z][A-Z0-9]*)-([0-9]{3})((?:(?:,| and|,\s+//) [0-9]{3})*)`)
	number := regexp.MustCompile(`[0-9]{3}`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || path != ".." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") || path == "../conformance/spec_test.go" {
			return nil
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range mention.FindAllStringSubmatch(string(code), -1) {
			for _, n := range append([]string{m[2]}, number.FindAllString(m[3], -1)...) {
				named["B2B-"+m[1]+"-"+n] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return named
}
