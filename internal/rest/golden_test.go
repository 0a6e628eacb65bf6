package rest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

var update = flag.Bool("update", false, "write testdata/routes.golden")

// TestRoutes compares all routes with a list for reviewers: a changed path or status breaks
// clients, and a changed caller or scope changes who has access. Tools that check the schema do not
// see these.
func TestRoutes(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, op := range (call.Services{}).Operations() {
		for _, rule := range op.HTTP {
			lines = append(lines, describe(op, rule))
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	file := filepath.Join("testdata", "routes.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	old := strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")
	for _, line := range old {
		if !slices.Contains(lines, line) {
			t.Errorf("gone: %s", line)
		}
	}
	for _, line := range lines {
		if !slices.Contains(old, line) {
			t.Errorf("new: %s", line)
		}
	}
	t.Error("If that is meant, run: go test ./internal/rest -run TestRoutes -update")
}

// describe returns a line of the list: METHOD path → procedure, success statuses, callers, scope.
func describe(op *call.Operation, rule *annotations.HttpRule) string {
	method, path := call.Route(rule)
	status := fmt.Sprint(max(200, op.Rest.GetStatus()))
	for _, when := range op.Rest.GetStatusWhen() {
		status += fmt.Sprintf("|%d if %s=%s", when.GetStatus(), when.GetField(), when.GetEquals())
	}
	if tag := op.Rest.GetEtag(); tag != "" {
		status += " etag=" + tag
	}
	var callers []string
	for _, c := range op.Access.GetCallers() {
		callers = append(callers, strings.ToLower(strings.TrimPrefix(c.String(), "CALLER_")))
	}
	scope := "-"
	if s := op.Access.GetScope(); s != optionsv1.Scope_SCOPE_UNSPECIFIED {
		scope = strings.ToLower(strings.TrimPrefix(s.String(), "SCOPE_"))
	}
	return fmt.Sprintf("%-6s %-68s %-52s %-34s %-26s %s", method, path, op.Procedure[1:], status, strings.Join(callers, ","), scope)
}
