package conformance

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write sdk/REQUIREMENTS.md")

const coverageFile = "../sdk/REQUIREMENTS.md"

// sdk is an SDK, with the folder of its tests.
type sdk struct{ language, folder string }

// sdks are in the order of the table.
var sdks = []sdk{{"Go", "../sdk/go"}, {"TypeScript", "../sdk/typescript/test"}, {"Python", "../sdk/python/tests"}}

var (
	namedID    = regexp.MustCompile(`\bB2B-[A-Z][A-Z0-9]*-[0-9]{3}\b`)
	namedRange = regexp.MustCompile(`\bB2B-SDK-([0-9]{3}) to B2B-SDK-([0-9]{3})\b`)
)

// namedByTests returns the ids that the tests in a folder name, also in ranges, with a file each.
func namedByTests(t *testing.T, folder string, reqs map[string]requirement) map[string]string {
	t.Helper()
	named, files := map[string]string{}, 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), "test") {
			return err
		}
		files++
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, id := range namedID.FindAllString(string(code), -1) {
			named[id] = path
		}
		for _, r := range namedRange.FindAllStringSubmatch(string(code), -1) {
			for id := range reqs {
				if number, ok := strings.CutPrefix(id, "B2B-SDK-"); ok && r[1] <= number && number <= r[2] {
					named[id] = path
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("there are no tests in %s", folder)
	}
	return named
}

// coverage returns the table of the requirements of SDKs: which SDK has a test that names one.
func coverage(ids []string, has func(id, language string) bool) string {
	var b strings.Builder
	b.WriteString("# Requirements of SDKs and their tests\n\n" +
		"Which SDK has tests that name a requirement of the section [SDK](../SPEC.md#sdk). Made by\n" +
		"`go test ./conformance -run TestSDKCoverage -update`; the test fails if a cell claims too much.\n\n| |")
	for _, s := range sdks {
		b.WriteString(" " + s.language + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(sdks)) + "\n")
	for _, id := range ids {
		short := strings.TrimPrefix(id, "B2B-")
		fmt.Fprintf(&b, "| [%s](../SPEC.md#%s) |", short, strings.ToLower(id))
		for _, s := range sdks {
			cell := "–"
			if has(id, s.language) {
				cell = "tested"
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestSDKCoverage: the tests of SDKs name only requirements that SPEC.md has, and together all
// requirements of SDKs; the table of sdk/REQUIREMENTS.md claims no test that is missing.
func TestSDKCoverage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	reqs, _ := parseSpec(string(text))
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(reqs)) {
		if ofSDKs(id) {
			ids = append(ids, id)
		}
	}
	named := map[string]map[string]string{}
	for _, s := range sdks {
		named[s.language] = namedByTests(t, s.folder, reqs)
		for id, path := range named[s.language] {
			if _, known := reqs[id]; !known {
				t.Errorf("%s names %s, which SPEC.md does not define", path, id)
			}
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(sdks, func(s sdk) bool { return named[s.language][id] != "" }) {
			t.Errorf("no test of an SDK names %s", id)
		}
	}
	table := coverage(ids, func(id, language string) bool { return named[language][id] != "" })
	if *update {
		if err := os.WriteFile(coverageFile, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(coverageFile)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range coverageRow.FindAllStringSubmatch(string(got), -1) {
		id := "B2B-" + row[1]
		listed = append(listed, id)
		for i, cell := range strings.Split(row[2], " | ") {
			if language := sdks[min(i, len(sdks)-1)].language; cell == "tested" && named[language][id] == "" {
				t.Errorf("%s claims that tests of the SDK for %s name %s", coverageFile, language, id)
			}
		}
	}
	if !slices.Equal(listed, ids) {
		t.Errorf("%s lists %v, SPEC.md has %v: run this test with -update", coverageFile, listed, ids)
	}
}

var coverageRow = regexp.MustCompile(`(?m)^\| \[(SDK-[0-9]{3})\]\(.*\) \| (.*) \|$`)
