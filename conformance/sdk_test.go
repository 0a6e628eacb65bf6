package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sdkTests are the folders with the tests of each SDK.
var sdkTests = map[string]string{
	"Go":         "../sdk/go",
	"TypeScript": "../sdk/typescript/test",
	"Python":     "../sdk/python/tests",
}

// TestSDKTestsNameRequirements: each id of a requirement that the tests of an SDK name is in
// SPEC.md.
func TestSDKTestsNameRequirements(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	reqs, _ := parseSpec(string(text))
	named := regexp.MustCompile(`\bB2B-[A-Z]+-[0-9]{3}\b`)
	for language, folder := range sdkTests {
		files := 0
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(d.Name(), "test") {
				return err
			}
			files++
			code, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, id := range named.FindAllString(string(code), -1) {
				if _, known := reqs[id]; !known {
					t.Errorf("%s names %s, which SPEC.md does not define", path, id)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if files == 0 {
			t.Errorf("the SDK for %s has no tests in %s", language, folder)
		}
	}
}
