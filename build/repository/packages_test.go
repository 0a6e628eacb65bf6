package repository_test

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackagesHaveTheLicence checks that the folder of each SDK, which users get without the rest of
// the repository, has a copy of the licence. There is no NOTICE: no part of the packages has one.
func TestPackagesHaveTheLicence(t *testing.T) {
	t.Parallel()
	licence := read(t, "LICENSE")
	for _, file := range []string{"sdk/go/LICENSE", "sdk/python/LICENSE", "sdk/typescript/LICENSE"} {
		if !bytes.Equal(read(t, file), licence) {
			t.Errorf("%s differs from LICENSE: copy it", file)
		}
	}
	for _, file := range committed(t) {
		if strings.HasSuffix(file, "NOTICE") {
			t.Errorf("%s is in no package: add it to those of the SDKs that contain the part", file)
		}
	}
}

// TestPackagesNeedLittle checks that an SDK makes no program depend on more than it needs.
func TestPackagesNeedLittle(t *testing.T) {
	t.Parallel()
	direct := slices.Collect(func(yield func(string) bool) {
		for line := range strings.Lines(string(read(t, "sdk/go/go.mod"))) {
			found := regexp.MustCompile(`^\s+(\S+) v\S+$`).FindStringSubmatch(strings.TrimRight(line, "\n"))
			if found != nil && !yield(found[1]) {
				return
			}
		}
	})
	want := []string{
		"connectrpc.com/connect", "github.com/coder/websocket",
		"google.golang.org/genproto/googleapis/api", // google.api.http, of the schema
		"google.golang.org/protobuf",
	}
	if !slices.Equal(direct, want) {
		t.Errorf("sdk/go/go.mod requires %q, want %q", direct, want)
	}
	if manifest := string(read(t, "sdk/typescript/package.json")); strings.Contains(manifest, `"dependencies"`) {
		t.Error("sdk/typescript/package.json has dependencies, want none")
	}
	if !strings.Contains(string(read(t, "sdk/python/pyproject.toml")), "\ndependencies = [\"httpx>=0.28,<1\"]\n") {
		t.Error("sdk/python/pyproject.toml does not have httpx as its only dependency")
	}
}

// TestTypeScriptEntriesAreListed checks that the README of the package names its entries.
func TestTypeScriptEntriesAreListed(t *testing.T) {
	t.Parallel()
	entries := make(map[string]bool)
	for _, found := range regexp.MustCompile(`(?m)^    "\.(/[a-z]+(?:/[a-z]+)?)?": \{$`).FindAllSubmatch(read(t, "sdk/typescript/package.json"), -1) {
		entries["`@b2b-protocol/sdk"+string(found[1])+"`"] = true
	}
	if len(entries) < 5 {
		t.Fatalf("found only the entries %q", slices.Sorted(maps.Keys(entries)))
	}
	readme := string(read(t, "sdk/typescript/README.md"))
	for _, entry := range slices.Sorted(maps.Keys(entries)) {
		if !strings.Contains(readme, "| "+entry+" |") {
			t.Errorf("sdk/typescript/README.md has no line for the entry %s", entry)
		}
	}
}
