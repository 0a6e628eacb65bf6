package repository_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxReadmeBytes limits the README to the first steps; details belong in docs/.
const maxReadmeBytes = 6000

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if n := len(read(t, "README.md")); n > maxReadmeBytes {
		t.Errorf("README.md has %d bytes, the limit is %d: move details to docs/", n, maxReadmeBytes)
	}
}

// TestDocumentsAreInTheSite checks that the navigation of mkdocs.yml has an entry for each page
// and no entry without a page. `make docs` checks the links.
func TestDocumentsAreInTheSite(t *testing.T) {
	t.Parallel()
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
	for entry, found := range entries {
		if !found {
			t.Errorf("mkdocs.yml has an entry for %s, which does not exist", entry)
		}
	}
}

// TestUnitIsHardened checks that the systemd unit runs as a dedicated user that can write only
// its data folder, and that it contains no secret.
func TestUnitIsHardened(t *testing.T) {
	t.Parallel()
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
		t.Error("deploy/b2b.service sets a secret, which every user of the machine can read: use /etc/b2b/env")
	}
}

// TestDocumentsNameExistingFiles checks that the files and folders of the repository that
// documents name exist.
func TestDocumentsNameExistingFiles(t *testing.T) {
	t.Parallel()
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

// TestDecisionsAreWellFormed checks that the decision pages are numbered without a gap, have the
// three required parts and are listed in the index.
func TestDecisionsAreWellFormed(t *testing.T) {
	t.Parallel()
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
			t.Errorf("%s begins with %q: want decision number %d", file, title, number)
		}
		if !strings.Contains(index, fmt.Sprintf("| %d | [%s](%s) |\n", number, text, name)) {
			t.Errorf("docs/decisions/index.md has no line for %s", file)
		}
		if !regexp.MustCompile(`(?s)\n## Context\n.*\n## Decision\n.*\n## Consequences\n`).MatchString(page) {
			t.Errorf("%s lacks one of the parts Context, Decision and Consequences, or has them in another order", file)
		}
	}
	if number == 0 {
		t.Error("docs/decisions has no page")
	}
}
