package conformance

import (
	"context"
	"slices"
	"testing"
)

// TestRunIsValidatedAgainstOpenAPI runs against servers with a document that matches their
// responses, and with documents that do not.
func TestRunIsValidatedAgainstOpenAPI(t *testing.T) {
	t.Parallel()
	const others = `,"n":{},"null":{},"list":{},"auth":{}`
	describing := func(kind, others string) string {
		return `{"openapi":"3.1.0","paths":{"/thing":{"get":{"operationId":"Thing","responses":{"200":{"content":{"*/*":{}, "application/json":{"schema":{"properties":{"id":{"type":"` + kind + `"}` + others + `}}}}}}}},
			"/api/openapi.json":{"get":{"operationId":"Self","responses":{"200":{"content":{"*/*":{}}}}}}}}`
	}
	thing := Check{[]string{"B2B-ORG-001"}, "things", func(t *T) { t.Get("/thing", nil).Status(200) }}
	for _, c := range []struct {
		kind, others string
		want         []string
	}{
		{"string", others + `,"uri":{}`, nil},
		{"integer", others + `,"uri":{}`, []string{"Thing (GET) 200: response at /id violates type: is string"}},
		{"string", others, []string{"Thing (GET) 200: response at /uri violates properties: this key is not described"}},
	} {
		kind, want := c.kind, c.want
		f := newFake(t)
		f.openAPI = describing(kind, c.others)
		rep, err := Run(context.Background(), Options{URL: f.URL, AdminSecret: "correct", Checks: []Check{thing}})
		if err != nil {
			t.Fatal(err)
		}
		whole := rep.Checks[len(rep.Checks)-1]
		if !slices.Equal(whole.Requirements, []string{wholeRun}) || !slices.Equal(whole.Failures, want) || rep.OK() != (want == nil) {
			t.Errorf("%s: %+v", kind, whole)
		}
	}
}

// TestRunWithoutOpenAPI runs against servers without a valid document.
func TestRunWithoutOpenAPI(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"", "{}", "nonsense"} {
		f := newFake(t)
		f.openAPI = document
		rep, err := Run(context.Background(), Options{URL: f.URL, AdminSecret: "correct", Checks: []Check{{[]string{"B2B-ORG-001"}, "things", passing}}})
		if err != nil || len(rep.Checks) != 1 || !rep.OK() {
			t.Errorf("%q: %+v, %v", document, rep, err)
		}
	}
}
