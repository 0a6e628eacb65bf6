package repository_test

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var (
	// document matches the name of a Markdown file, with or without its folder.
	document = regexp.MustCompile(`[\w./-]*[\w-]\.md\b`)
	// outside matches other references to documents that are not in the repository: a folder
	// beside it, a paper, sections of an unnamed document.
	outside = regexp.MustCompile(`\.\./shared|(?i:white ?paper)|§|\bthe contract('s| \()`)
)

// TestReferencesExist checks that no file refers to a document outside this repository, so that
// a clone has every document its texts refer to. Comments name requirements of SPEC.md, such
// as B2B-THR-014.
func TestReferencesExist(t *testing.T) {
	t.Parallel()
	files := committed(t)
	for _, file := range files {
		if path.Base(file) == "references_test.go" || strings.HasSuffix(file, "-lock.json") || strings.HasSuffix(file, ".sum") {
			continue
		}
		content := read(t, file)
		if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
			continue // an archive or an image
		}
		for _, fault := range missing(string(content), files) {
			t.Errorf("%s refers to %q, which is not in this repository", file, fault)
		}
	}
}

// missing returns the references of a text to documents that are not among the files.
func missing(text string, files []string) (faults []string) {
	known := map[string]bool{}
	for _, file := range files {
		known[path.Base(file)] = true
	}
	for _, name := range document.FindAllString(text, -1) {
		if !known[path.Base(name)] {
			faults = append(faults, name)
		}
	}
	return append(faults, outside.FindAllString(text, -1)...)
}

func TestMissing(t *testing.T) {
	t.Parallel()
	files := []string{"SPEC.md", "docs/hardening.md"}
	for text, faults := range map[string]int{
		"// It is so (B2B-THR-014), see SPEC.md.":       0,
		"[hardening](../docs/hardening.md#users)":       0,
		"// as DESIGN.md says (http-core.md)":           2,
		`os.ReadFile("../../shared/protocol/x")`:        1,
		"// the order of the contract (its list)":       1,
		"// in the contract's order, as in §5.4":        2,
		"// a lease is a contract":                      0,
		"// the curl lines of the whitepaper":           1,
		"a description.mdx, a command such as cmd.mdir": 0,
	} {
		if got := missing(text, files); len(got) != faults {
			t.Errorf("%s: %q", text, got)
		}
	}
}
