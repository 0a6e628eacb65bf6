package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/redistest"
)

// backend is a database that the binary is tested with.
type backend struct {
	name  string
	nodes int                         // of the conformance run
	only  string                      // the filter of the conformance run; empty: all checks
	env   func(t *testing.T) []string // what to add to the environment
}

var (
	backends = []backend{
		{"sqlite", 1, "", func(*testing.T) []string { return nil }},
		{"postgres", 1, "", postgres},
	}
	// together are several nodes that share everything. Redis has the tickets of WebSockets and the
	// notifications of events.
	together = []backend{
		{"two nodes on postgres", 2, "", postgres},
		{"two nodes on postgres with redis", 2, ofEvents, func(t *testing.T) []string {
			return append(postgres(t), "B2B_REDIS_URL="+redistest.Start(t).URL)
		}},
	}
)

const ofEvents = "B2B-EVT,B2B-WS,B2B-PRES,B2B-CATCH,B2B-DLV,B2B-RCPT,B2B-LEASE,B2B-DEC,B2B-HOOK,B2B-MCP,B2B-A2A,B2B-AUTH-06"

// runTime limits a run of the suite, which takes a tenth of it on an idle machine.
const runTime = 30 * time.Minute

// postgres returns the settings for a database of the test. On a busy machine it may respond late,
// which is no fault of the server.
func postgres(t *testing.T) []string {
	return []string{"B2B_DATABASE_URL=" + pgtest.URL(t), "B2B_DATABASE_TIMEOUT=60"}
}

// TestConformance runs the black-box suite against the built server on each database, and against
// two nodes behind a proxy that alternates between them with every request and connection. The logs
// must not contain a secret.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, backend := range append(backends, together...) {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			database := backend.env(t)
			env := append(database, "B2B_LOG_LEVEL=debug", "B2B_WEBHOOK_ALLOW=127.0.0.1", "B2B_TRUST_PROXY=127.0.0.1")
			data := t.TempDir()
			var nodes []*node
			for range backend.nodes {
				nodes = append(nodes, serve(t, data, env...))
			}
			r := newRelay(t, nodes...)
			ctx, cancel := context.WithTimeout(t.Context(), runTime)
			defer cancel()
			// Every other test runs beside it. Its time limits are to find what never happens.
			cmd := exec.CommandContext(ctx, build(t), "conformance", "--url", r.URL, "--patience", "6", "--filter", backend.only)
			cmd.Env = append(os.Environ(), "B2B_ADMIN_SECRET="+adminSecret)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, withoutPassed(out))
			}
			r.checkLogs()
			r.checkDatabase(data, database)
			t.Logf("%s", lastLine(out))
		})
	}
}

// withoutPassed returns the lines of a report that are not about a requirement that holds.
func withoutPassed(report []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(report)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "pass ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
