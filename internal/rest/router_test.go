package rest

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
)

// routerOf binds patterns such as "GET /a/{b}"; the procedure of each is its text.
func routerOf(t testing.TB, patterns ...string) *router {
	t.Helper()
	var r router
	for _, p := range patterns {
		method, pattern, _ := strings.Cut(p, " ")
		if err := r.add(method, pattern, &route{op: &call.Operation{Procedure: p}}); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

func TestRouter(t *testing.T) {
	t.Parallel()
	r := routerOf(t,
		"GET /api/me", "GET /api/bots/{id}", "GET /api/bots/{name}/profile", "GET /api/bots/online", "POST /api/bots/{bot}",
		"GET /api/{a}/x/{b}", "GET /api/bots/x/y",
	)
	for _, c := range []struct{ method, path, route, values string }{
		{"GET", "/api/me", "GET /api/me", ""},
		{"HEAD", "/api/me", "GET /api/me", ""},
		{"GET", "/API/ME/", "GET /api/me", ""},
		{"GET", "/api/bots/Ann", "GET /api/bots/{id}", "Ann"},
		{"GET", "/api/bots/Online", "GET /api/bots/online", ""},
		{"POST", "/api/bots/online", "POST /api/bots/{bot}", "online"},
		{"GET", "/api/bots/a%2Fb/Profile", "GET /api/bots/{name}/profile", "a/b"},
		{"GET", "/api/bots/x/y", "GET /api/bots/x/y", ""},
		{"GET", "/api/bots/x/z", "GET /api/{a}/x/{b}", "bots z"}, // literals are tried first, then variables
		{"GET", "/api/bots/..", "GET /api/bots/{id}", ".."},
		{"GET", "/api/bots/%2F", "GET /api/bots/{id}", "/"},
		{"GET", "/api/b%6Fts/x", "GET /api/bots/{id}", "x"},
		{"GET", "/api/m\u0435", "", ""}, // Cyrillic
		{"GET", "/api/bots/", "", ""},
		{"GET", "/api/bots//", "", ""},
		{"GET", "/api/bots//profile", "", ""},
		{"GET", "//api/me", "", ""},
		{"GET", "/api/me//", "", ""},
		{"PUT", "/api/me", "", ""},
		{"OPTIONS", "*", "", ""},
		{"CONNECT", "", "", ""},
		{"GET", "/", "", ""},
		{"GET", "api/me", "", ""},
		{"GET", "/api/me" + strings.Repeat("/x", 30), "", ""},
	} {
		m, err := r.find(c.method, c.path)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		got := ""
		if m.route != nil {
			got = m.route.op.Procedure
		}
		if values := strings.TrimSpace(strings.Join(m.values[:], " ")); got != c.route || m.route != nil && values != c.values {
			t.Errorf("%s %s: %q with %q, want %q with %q", c.method, c.path, got, values, c.route, c.values)
		}
	}
	for _, bad := range []string{"/api/%zz", "/%", "/api/me/%2", "/nowhere/at/all/%g0", "/" + strings.Repeat("x/", 40) + "%"} {
		if _, err := r.find("GET", bad); err == nil {
			t.Errorf("%s: an invalid escape is accepted", bad)
		}
	}
}

func TestRouterFoldsOnlyASCII(t *testing.T) {
	t.Parallel()
	r := routerOf(t, "GET /api/k")
	for path, want := range map[string]bool{"/api/K": true, "/api/%E2%84%AA": false, "/api/%E2%84%AAK": false} { // the Kelvin sign
		if m, err := r.find("GET", path); err != nil || (m.route != nil) != want {
			t.Errorf("%s: found %v, %v", path, m.route != nil, err)
		}
	}
}

func TestRouterRefusesPatterns(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		"", "/", "api/me", "/api/", "/api//me", "/api/{id", "/api/id}", "/api/{}", "/api/{a=*}", "/api/*", "/api/{a}:verb", "/api/x:verb",
		"/{a}/{a}", "/{a}/{b}/{c}/{d}/{e}", strings.Repeat("/x", maxSegments+1), "/a%20b",
		"/api/bots/{other}", "/API/bots/{id}",
	} {
		r := routerOf(t, "GET /api/bots/{id}")
		if err := r.add("GET", pattern, &route{op: &call.Operation{Procedure: "p"}}); err == nil {
			t.Errorf("%q is accepted", pattern)
		}
	}
}

// TestStartRefusesBadRules breaks one operation at a time.
func TestStartRefusesBadRules(t *testing.T) {
	t.Parallel()
	get := func(path string) *annotations.HttpRule {
		return &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: path}}
	}
	for name, breaks := range map[string]func(op *call.Operation){
		"unknown path variable": func(op *call.Operation) { op.HTTP = []*annotations.HttpRule{get("/x/{nope}")} },
		"collision":             func(op *call.Operation) { op.HTTP = append(op.HTTP, get("/api/ME")) },
		"no method":             func(op *call.Operation) { op.HTTP = []*annotations.HttpRule{{}} },
		"HEAD": func(op *call.Operation) {
			op.HTTP[0].Pattern = &annotations.HttpRule_Custom{Custom: &annotations.CustomHttpPattern{Kind: "HEAD", Path: "/x"}}
		},
		"GET with a body":       func(op *call.Operation) { op.HTTP[0].Body = "*" },
		"part of a body":        func(op *call.Operation) { op.HTTP[0].Body = "thread" },
		"unknown response body": func(op *call.Operation) { op.HTTP[0].ResponseBody = "nope" },
		"unknown ETag":          func(op *call.Operation) { op.Rest.Etag = "thread.nope" },
		"ETag below a value":    func(op *call.Operation) { op.Rest.Etag = "thread.id.x" },
		"ETag of text":          func(op *call.Operation) { op.Rest.Etag = "thread.id" },
		"status of failure":     func(op *call.Operation) { op.Rest.Status = 404 },
		"unknown status field":  func(op *call.Operation) { op.Rest.StatusWhen = []*optionsv1.StatusWhen{{Field: "nope", Status: 200}} },
		"unknown status value": func(op *call.Operation) {
			op.Rest.StatusWhen = []*optionsv1.StatusWhen{{Field: "thread.status", Equals: "tive", Status: 200}}
		},
		"status of a number": func(op *call.Operation) {
			op.Rest.StatusWhen = []*optionsv1.StatusWhen{{Field: "thread.revision", Status: 200}}
		},
		"no status":              func(op *call.Operation) { op.Rest.StatusWhen = []*optionsv1.StatusWhen{{Field: "thread.id"}} },
		"missing (never broken)": nil,
	} {
		t.Run(name, func(t *testing.T) {
			ops := call.Services{}.Operations()
			for i, op := range ops {
				if op.Desc.Name() != "GetThread" {
					continue
				}
				if breaks == nil {
					ops = append(ops[:i:i], ops[i+1:]...)
					break
				}
				op.HTTP = []*annotations.HttpRule{proto.CloneOf(op.HTTP[0])}
				op.Rest = proto.CloneOf(op.Rest)
				breaks(op)
			}
			_, err := New(Config{Operations: ops})
			if err == nil || !strings.Contains(err.Error(), "GetThread") {
				t.Errorf("New says %v", err)
			}
		})
	}
}

func FuzzRouter(f *testing.F) {
	r, err := newRouter(call.Services{}.Operations())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"/api/threads/x/messages", "/API/me/", "//", "/%", "/%2F/a%2fb", "/api/bots/../me", "\x00", "/api/org/bots/é/role"} {
		f.Add("GET", seed)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		m, err := r.find(method, path)
		if err != nil && (m.route != nil || !strings.Contains(path, "%")) {
			t.Errorf("find(%q) = %v, %v", path, m, err)
		}
		if m.route == nil {
			return
		}
		for i, value := range m.values {
			if bound := i < len(m.route.vars); bound && value == "" {
				t.Errorf("%q: %s is bound to nothing", path, m.route.vars[i])
			}
		}
		upper, err := r.find(method, strings.TrimSuffix(path, "/")+"/")
		if err != nil || upper.route != m.route {
			t.Errorf("%q: a trailing slash leads elsewhere", path)
		}
		if method == http.MethodGet {
			if head, err := r.find(http.MethodHead, path); err != nil || head != m {
				t.Errorf("%q: HEAD leads elsewhere", path)
			}
		}
	})
}

func BenchmarkRouter(b *testing.B) {
	r, err := newRouter(call.Services{}.Operations())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m, err := r.find("GET", "/api/threads/0198c7a0-0000-7000-8000-000000000000/artifacts/plan/versions"); err != nil || m.route == nil {
			b.Fatal("not found")
		}
	}
}
