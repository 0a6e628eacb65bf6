package repository_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestVersionsAgree checks that every place that names the version has that of the file VERSION,
// from which build/version.sh writes them.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	version := strings.TrimSpace(string(read(t, "VERSION")))
	if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
		t.Fatalf("VERSION has %q: want three numbers such as 0.3.0", version)
	}
	for file, line := range map[string]string{
		"server/server.go":            `(?m)^const Version = "(.*)"$`,
		"go.mod":                      `(?m)^\tgithub.com/b2b-protocol/b2b/sdk/go v(.*)$`,
		"buf.gen.yaml":                `(?m)^    opt: version=(.*)$`,
		"api/openapi.json":            `(?s)^\{\s*"openapi": "3[0-9.]*",\s*"info": \{.*?"version": "(.*?)"`,
		"SPEC.md":                     `(?m)^Version (\S+) of this document`,
		"CHANGELOG.md":                `(?m)^## (\d\S*)`, // the newest comes first
		"sdk/typescript/package.json": `"name": "@b2b-protocol/sdk",\s*"version": "(.*?)"`,
		"docs/operate/container.md":   `docker build -t b2b:(\S+) \.`,
		"docs/operate/install.md":     `install -m 0755 b2b-(\d+\.\d+\.\d+)-linux-amd64 `,
		"package-lock.json":           `"name": "@b2b-protocol/sdk",\s*"version": "(.*?)"`,
		"sdk/python/pyproject.toml":   `(?m)^name = "b2b-protocol"\nversion = "(.*)"$`,
	} {
		found := regexp.MustCompile(line).FindSubmatch(read(t, file))
		if found == nil {
			t.Errorf("%s has no version that matches %s", file, line)
		} else if string(found[1]) != version {
			t.Errorf("%s has version %s, VERSION has %s: run build/version.sh", file, found[1], version)
		}
	}
}
