package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
)

// backends are the databases that the binary is tested on: what to add to its
// environment.
var backends = []struct {
	name string
	env  func(t *testing.T) []string
}{
	{"sqlite", func(*testing.T) []string { return nil }},
	{"postgres", func(t *testing.T) []string { return []string{"B2B_DATABASE_URL=" + pgtest.URL(t)} }},
}

// TestConformance runs the black-box suite, as a third party would, against the
// built server on each database.
func TestConformance(t *testing.T) {
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			n := serve(t, t.TempDir(), append(backend.env(t), "B2B_LOG_LEVEL=info")...)
			cmd := exec.Command(build(t), "conformance", "--url", n.URL)
			cmd.Env = append(os.Environ(), "B2B_ADMIN_SECRET="+adminSecret)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\nthe server's log:\n%s", err, out, n.logs)
			}
			if logs := n.logs.String(); containsError(logs) {
				t.Errorf("the server logged errors:\n%s", logs)
			}
			t.Logf("%s", lastLine(out))
		})
	}
}
