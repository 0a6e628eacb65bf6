package house_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxReadmeBytes is what a newcomer reads at one sitting. The rest goes to docs/.
const maxReadmeBytes = 6000

func TestReadmeIsShort(t *testing.T) {
	if n := len(read(t, "README.md")); n > maxReadmeBytes {
		t.Errorf("README.md has %d bytes: what is over %d belongs into docs/", n, maxReadmeBytes)
	}
}

// TestDocumentsAreInTheSite: each page has a place in the navigation, and no entry is without
// a page. `make docs` checks the links.
func TestDocumentsAreInTheSite(t *testing.T) {
	entries := map[string]bool{}
	for _, entry := range regexp.MustCompile(`(?m)^ +- (?:.+: )?(\S+\.md)$`).FindAllSubmatch(read(t, "mkdocs.yml"), -1) {
		entries[string(entry[1])] = false
	}
	for _, file := range committed(t) {
		if _, entry := entries[file]; entry {
			entries[file] = true
		} else if strings.HasPrefix(file, "docs/") && strings.HasSuffix(file, ".md") {
			t.Errorf("mkdocs.yml has no entry for %s", file)
		}
	}
	for entry, there := range entries {
		if !there {
			t.Errorf("mkdocs.yml has an entry for %s, which is not there", entry)
		}
	}
}

// TestUnitIsHardened: the systemd unit runs as a user of its own that can write its data
// folder alone, and holds no secret.
func TestUnitIsHardened(t *testing.T) {
	unit := string(read(t, "deploy/b2b.service"))
	for _, line := range []string{
		"User=b2b", "StateDirectory=b2b", "StateDirectoryMode=0700", "EnvironmentFile=/etc/b2b/env",
		"NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes",
		"PrivateTmp=yes", "PrivateDevices=yes", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
		"MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("deploy/b2b.service has no line %s", line)
		}
	}
	if strings.Contains(unit, "SECRET=") {
		t.Error("deploy/b2b.service holds a secret, which every user of the machine could read")
	}
}

// TestDocumentsNameWhatIsThere: a folder or file of the repository that a document names is
// there.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	names := regexp.MustCompile("`((?:api|bench|build|cmd|conformance|deploy|sdk|server)(?:/[a-z0-9_./]*)?)`")
	for _, file := range committed(t) {
		if path.Ext(file) != ".md" || file == "SPEC.md" {
			continue
		}
		for _, name := range names.FindAllSubmatch(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join(root, string(name[1]))); err != nil {
				t.Errorf("%s names %s: %v", file, name[1], err)
			}
		}
	}
}

// TestDecisionsHaveTheirForm: the pages are numbered without a hole, say what each decision
// page says, and are in the index.
func TestDecisionsHaveTheirForm(t *testing.T) {
	index := string(read(t, "docs/decisions/index.md"))
	number := 0
	for _, file := range committed(t) { // in the order of their names
		name, decision := strings.CutPrefix(file, "docs/decisions/")
		if !decision || name == "index.md" {
			continue
		}
		number++
		page := string(read(t, file))
		title, _, _ := strings.Cut(page, "\n")
		text, numbered := strings.CutPrefix(title, fmt.Sprintf("# %d. ", number))
		if !numbered || !strings.HasPrefix(name, fmt.Sprintf("%04d-", number)) {
			t.Errorf("%s begins with %q: decision %d comes here", file, title, number)
		}
		if !strings.Contains(index, fmt.Sprintf("| %d | [%s](%s) |\n", number, text, name)) {
			t.Errorf("the index has no line for %s", file)
		}
		if !regexp.MustCompile(`(?s)\n## Context\n.*\n## Decision\n.*\n## Consequences\n`).MatchString(page) {
			t.Errorf("%s does not have the parts Context, Decision and Consequences", file)
		}
	}
	if number == 0 {
		t.Error("there is no decision")
	}
}
