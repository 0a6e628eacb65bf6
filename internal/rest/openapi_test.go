package rest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/api"
	"github.com/b2b-protocol/b2b/internal/call"
)

// TestOpenAPINamesEveryRoute checks that the OpenAPI document and the routes agree: the same paths,
// success statuses and callers.
func TestOpenAPINamesEveryRoute(t *testing.T) {
	t.Parallel()
	var document struct {
		Paths map[string]map[string]struct {
			Responses map[string]any
			Access    struct{ Callers []string } `json:"x-b2b-access"`
		}
	}
	if err := json.Unmarshal(api.OpenAPI(), &document); err != nil {
		t.Fatal(err)
	}
	var described, bound []string
	for path, item := range document.Paths {
		for method, op := range item {
			var statuses []string
			for status := range op.Responses {
				if !slices.Contains([]string{"default", "304", "206"}, status) { // any read, or any download, may have these
					statuses = append(statuses, status)
				}
			}
			slices.Sort(statuses)
			described = append(described, fmt.Sprintln(strings.ToUpper(method), path, statuses, op.Access.Callers))
		}
	}
	for _, op := range (call.Services{}).Operations() {
		statuses := []string{fmt.Sprint(max(200, op.Rest.GetStatus()))}
		for _, when := range op.Rest.GetStatusWhen() {
			statuses = append(statuses, fmt.Sprint(when.GetStatus()))
		}
		slices.Sort(statuses)
		var callers []string
		for _, c := range op.Access.GetCallers() {
			callers = append(callers, strings.ToLower(strings.TrimPrefix(c.String(), "CALLER_")))
		}
		for _, rule := range op.HTTP {
			method, path := call.Route(rule)
			bound = append(bound, fmt.Sprintln(method, path, statuses, callers))
		}
	}
	for _, route := range bound {
		if !slices.Contains(described, route) {
			t.Errorf("not described: %s", route)
		}
	}
	for _, route := range described {
		if !slices.Contains(bound, route) {
			t.Errorf("described, but not bound: %s", route)
		}
	}
}
