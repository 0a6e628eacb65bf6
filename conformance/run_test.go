package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server that supports only the requests of the framework itself.
type fake struct {
	*httptest.Server
	logins, made, destroyed atomic.Int32
	openAPI                 string
}

func newFake(t *testing.T) *fake {
	f := &fake{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/auth/login", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Secret string `json:"admin_secret"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Secret != "correct" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"no","code":"INVALID_CREDENTIALS"}`)
			return
		}
		f.logins.Add(1)
		http.SetCookie(w, &http.Cookie{Name: "hxa_session", Value: "s"})
		fmt.Fprint(w, `{"session":{"role":"super_admin","expires_at":1}}`)
	})
	mux.HandleFunc("POST /api/orgs", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id":"org%d","org_secret":"s","cookie":%q,"origin":%q}`, f.made.Add(1), r.Header.Get("Cookie"), r.Header.Get("Origin"))
	})
	mux.HandleFunc("DELETE /api/orgs/{id}", func(w http.ResponseWriter, r *http.Request) {
		f.destroyed.Add(1)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /thing", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"x","n":9007199254740993,"null":null,"list":[{"k":"a"},{"k":"b"}],"auth":%q,"uri":%q}`, r.Header.Get("Authorization"), r.RequestURI)
	})
	mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, f.openAPI) // empty for no document
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// try runs checks against a new fake server.
func try(t *testing.T, o Options) (Report, string) {
	t.Helper()
	var out bytes.Buffer
	o.URL, o.AdminSecret, o.Out = newFake(t).URL+"/", "correct", &out
	rep, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep, out.String()
}

func passing(t *T) { t.Get("/thing", nil).Status(200) }
func failing(t *T) { t.Get("/thing", nil).Status(418) }

func TestRunReportsPassesAndFailures(t *testing.T) {
	t.Parallel()
	rep, out := try(t, Options{Checks: []Check{
		{[]string{"B2B-ORG-001"}, "good", passing},
		{[]string{"B2B-ORG-002", "B2B-HTTP-001"}, "bad", failing},
		{[]string{"B2B-ORG-002"}, "good too", passing},
		{[]string{"B2B-BOT-001"}, "stops", func(t *T) { t.Fatalf("stopped"); t.Errorf("never") }},
		{[]string{"B2B-BOT-002"}, "panics", func(*T) { panic("boom") }},
		{[]string{"B2B-BOT-003"}, "panics in a goroutine", func(t *T) { t.Concurrently(3, func(int) { panic("bang") }) }},
		{[]string{"B2B-BOT-004"}, "stops in a goroutine", func(t *T) {
			t.Concurrently(3, func(i int) {
				if i == 1 {
					t.Fatalf("refused")
				}
			})
			t.Errorf("never, when a goroutine stopped")
		}},
		{[]string{"B2B-BOT-005"}, "continues after goroutines", func(t *T) {
			t.Concurrently(3, func(int) { t.Errorf("noted") })
			t.Errorf("afterwards")
		}},
	}})
	if rep.Passed != 1 || rep.Failed != 7 || rep.OK() {
		t.Errorf("passed %d, failed %d", rep.Passed, rep.Failed)
	}
	for _, want := range []string{"pass   B2B-ORG-001", "FAIL   B2B-ORG-002", "status 200, want 418", "stopped", "panic: boom", "panic: bang", "refused", "afterwards", "\n1 passed, 7 failed\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "never") {
		t.Error("a check continued after Fatalf")
	}
	if strings.Index(out, "HTTP\n") > strings.Index(out, "ORG\n") {
		t.Error("sections are not in the order of SPEC.md")
	}
	if _, err := json.Marshal(rep); err != nil {
		t.Error(err)
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	late := func(t *T) {
		calls := 0
		t.eventually(150*time.Millisecond, "it has not happened", func() bool { calls++; return calls > 3 }) // a call each 100 ms
	}
	for patience, want := range map[float64]int{0: 1, 1: 1, 1000: 0} {
		rep, out := try(t, Options{Patience: patience, Checks: []Check{{[]string{"B2B-ORG-001"}, "late", late}}})
		if rep.Failed != want {
			t.Errorf("with the patience %v: %s", patience, out)
		}
	}
}

func TestKnownFailures(t *testing.T) {
	t.Parallel()
	checks := []Check{{[]string{"B2B-ORG-001"}, "good", passing}, {[]string{"B2B-ORG-002"}, "bad", failing}}
	rep, _ := try(t, Options{Checks: checks, KnownFailures: []string{"B2B-ORG-002"}})
	if !rep.OK() || rep.Requirements[1].Outcome != KnownFailure {
		t.Errorf("an expected failure failed the run: %+v", rep)
	}
	rep, _ = try(t, Options{Checks: checks, KnownFailures: []string{"B2B-ORG-001", "B2B-ORG-002"}})
	if rep.OK() || rep.Requirements[0].Outcome != UnexpectedPass {
		t.Errorf("a known failure that passes must fail the run: %+v", rep)
	}
	if _, err := Run(context.Background(), Options{URL: "http://localhost", Checks: checks, KnownFailures: []string{"B2B-ORG-009"}}); err == nil {
		t.Error("an unknown id in the known failures is accepted")
	}
	ids, err := ReadKnownFailures(strings.NewReader("# reasons\nB2B-ORG-001 # because\n\n B2B-ORG-002\n"))
	if err != nil || !slices.Equal(ids, []string{"B2B-ORG-001", "B2B-ORG-002"}) {
		t.Errorf("%v, %v", ids, err)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	checks := []Check{{[]string{"B2B-ORG-001"}, "makes orgs", passing}, {[]string{"B2B-BOT-001"}, "lists bots", passing}}
	for filter, want := range map[string]int{"": 2, "b2b-org": 1, "B2B-BOT-001": 1, "lists": 1, "b2b-org, lists": 2} {
		if rep, _ := try(t, Options{Checks: checks, Filter: filter}); len(rep.Checks) != want {
			t.Errorf("filter %q runs %d checks, want %d", filter, len(rep.Checks), want)
		}
	}
	if _, err := Run(context.Background(), Options{URL: "http://localhost", Checks: checks, Filter: "nothing"}); err == nil {
		t.Error("a filter that matches nothing is accepted")
	}
}

func TestRunErrors(t *testing.T) {
	t.Parallel()
	checks := []Check{{[]string{"B2B-ORG-001"}, "good", passing}}
	f := newFake(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, o := range map[string]Options{
		"no URL":       {URL: "localhost:4800", AdminSecret: "correct"},
		"unreachable":  {URL: gone.URL, AdminSecret: "correct"},
		"wrong secret": {URL: f.URL, AdminSecret: "wrong"},
	} {
		o.Checks = checks
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := Run(ctx, Options{URL: f.URL, AdminSecret: "correct", Checks: []Check{{[]string{"B2B-ORG-001"}, "cancels", func(t *T) { cancel(); t.Sleep(time.Minute) }}}}); err == nil {
		t.Error("a cancelled run has a report")
	}
}

func TestOneLoginPerRunAndOneOrgPerCheck(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var checks []Check
	for i := range 20 {
		checks = append(checks, Check{[]string{fmt.Sprintf("B2B-ORG-%03d", i)}, fmt.Sprint("check ", i), func(t *T) { t.BareOrg() }})
	}
	rep, err := Run(context.Background(), Options{URL: f.URL, AdminSecret: "correct", Parallel: 8, Checks: checks})
	if err != nil || !rep.OK() {
		t.Fatal(err, rep)
	}
	if f.logins.Load() != 1 || f.made.Load() != 20 || f.destroyed.Load() != 20 {
		t.Errorf("%d logins, %d orgs made, %d destroyed", f.logins.Load(), f.made.Load(), f.destroyed.Load())
	}
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	wrong := map[string]func(r *Response){
		"code":     func(r *Response) { r.Code("X") },
		"refused":  func(r *Response) { r.Refused(200, "X") },
		"str":      func(r *Response) { r.Str("n") },
		"missing":  func(r *Response) { r.Str("list.2.k") },
		"num":      func(r *Response) { r.Num("id") },
		"bool":     func(r *Response) { r.Bool("id") },
		"list":     func(r *Response) { r.List("id") },
		"len":      func(r *Response) { r.Len("list", 3) },
		"has":      func(r *Response) { r.Has("none") },
		"lacks":    func(r *Response) { r.Lacks("null") },
		"equal":    func(r *Response) { r.Equal("n", 9007199254740992) },
		"null":     func(r *Response) { r.Equal("id", nil) },
		"find":     func(r *Response) { r.Find("list", "k", "c") },
		"absent":   func(r *Response) { r.Absent("list", "k", "a") },
		"empty":    func(r *Response) { r.Empty() },
		"shape":    func(r *Response) { r.Shape("", "id:n") },
		"nullable": func(r *Response) { r.Shape("", "null:s") },
		"there":    func(r *Response) { r.Shape("", "!null") },
		"enum":     func(r *Response) { r.Shape("", "id:=a|b") },
		"strings":  func(r *Response) { r.Shape("", "list:[s]") },
	}
	checks := []Check{{[]string{"B2B-ORG-999"}, "right", func(t *T) {
		r := t.Get("/thing?q=%zz//x", Token("tok")).Status(200).Has("null", "list.1.k").Lacks("none").Equal("n", int64(9007199254740993)).Equal("null", nil).
			Len("list", 2).Absent("list", "k", "c").Shape("", "id:s n:i null:s? list:a id:=x|y !none null:*").Equal("auth", "Bearer tok").Equal("uri", "/thing?q=%zz//x")
		if got := r.Pluck("list", "k"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%v", got)
		}
		if r.Find("list", "k", "b")["k"] != "b" {
			t.Errorf("Find returned the wrong element")
		}
	}}}
	for name, f := range wrong {
		checks = append(checks, Check{[]string{"B2B-BOT-001"}, name, func(t *T) { f(t.Get("/thing", nil)) }})
	}
	rep, out := try(t, Options{Checks: checks})
	for _, c := range rep.Checks {
		if (len(c.Failures) > 0) != (c.Name != "right") {
			t.Errorf("%s: failures %v", c.Name, c.Failures)
		}
	}
	if strings.Contains(out, "panic") {
		t.Errorf("an assertion panicked:\n%s", out)
	}
}
