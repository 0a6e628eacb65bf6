package conformance

import (
	"context"
	"slices"
	"testing"
)

// TestRunIsHeldAgainstTheDocument gives a server a document that fits what it answers,
// and one that does not.
func TestRunIsHeldAgainstTheDocument(t *testing.T) {
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
		{"integer", others + `,"uri":{}`, []string{"Thing (GET) 200: answer at /id breaks type: is string"}},
		{"string", others, []string{"Thing (GET) 200: answer at /uri breaks properties: this key is not described"}},
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

// TestRunGoesOnWithoutDocument is about servers that have none, or a broken one.
func TestRunGoesOnWithoutDocument(t *testing.T) {
	for _, document := range []string{"", "{}", "nonsense"} {
		f := newFake(t)
		f.openAPI = document
		rep, err := Run(context.Background(), Options{URL: f.URL, AdminSecret: "correct", Checks: []Check{{[]string{"B2B-ORG-001"}, "things", passing}}})
		if err != nil || len(rep.Checks) != 1 || !rep.OK() {
			t.Errorf("%q: %+v, %v", document, rep, err)
		}
	}
}
