package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/b2b-protocol/b2b/internal/logtest"
)

// fixed returns a span context that is the same at every run.
func fixed(t *testing.T, n byte, remote bool, state string) trace.SpanContext {
	t.Helper()
	s, err := trace.ParseTraceState(state)
	if err != nil {
		t.Fatal(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 15: n}, SpanID: trace.SpanID{0xf0, 7: n}, TraceFlags: trace.FlagsSampled, TraceState: s, Remote: remote,
	})
}

// TestDocument compares the JSON of spans with a document that the library of the OpenTelemetry
// collector (pdata, ptraceotlp) read back as these spans.
func TestDocument(t *testing.T) {
	t.Parallel()
	began := time.Unix(1796000000, 123456789)
	spans := tracetest.SpanStubs{
		{
			Name: "b2b.v1.ThreadService/SendThreadMessage", SpanKind: trace.SpanKindServer,
			SpanContext: fixed(t, 1, false, ""), StartTime: began, EndTime: began.Add(1500 * time.Microsecond),
			Links: []sdktrace.Link{{SpanContext: fixed(t, 9, true, "vendor=1")}},
			Attributes: []attribute.KeyValue{
				attribute.String("rpc.method", "b2b.v1.ThreadService/SendThreadMessage"), attribute.Int("n", -3),
				attribute.Bool("yes", true), attribute.Float64("wait", 0.25), attribute.StringSlice("list", []string{"a", "b"}),
			},
			Status: sdktrace.Status{Code: codes.Error, Description: "<&>"},
		},
		{
			Name: "COMMIT", SpanKind: trace.SpanKindClient, SpanContext: fixed(t, 2, false, "a=b"), Parent: fixed(t, 1, true, ""),
			StartTime: began, EndTime: began,
		},
	}.Snapshots()
	got, err := json.MarshalIndent(document(resourceJSON{attributes([]attribute.KeyValue{attribute.String("service.name", "b2b")})}, spans), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/spans.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, bytes.TrimSpace(want)) {
		t.Errorf("the document is\n%s", got)
	}
}

// collector records the posts of an exporter.
type collector struct {
	*httptest.Server
	posts chan *http.Request
	body  chan string
}

func newCollector(t *testing.T, respond http.HandlerFunc) *collector {
	c := &collector{posts: make(chan *http.Request, 100), body: make(chan string, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		respond(w, r)
		c.posts <- r
		c.body <- string(text)
	}))
	t.Cleanup(c.Close)
	return c
}

// TestExport: spans are posted with the headers of the settings, when Run ends at the latest.
func TestExport(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"partialSuccess":{}}`)
	})
	var log logtest.Buffer
	tracer := New(Settings{
		Endpoint: c.URL + "/v1/traces", Headers: []Pair{{"x-api-key", "hunter2"}}, Service: "mine", Resource: []Pair{{"deployment.environment.name", "test"}},
	}, "1.2.3", slog.New(slog.NewTextHandler(&log, nil)))
	_, span := tracer.Job(t.Context(), "sweep")
	span.End()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := tracer.Run(ctx); err != nil {
		t.Fatal(err)
	}
	r, body := <-c.posts, <-c.body
	if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Api-Key") != "hunter2" {
		t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
	}
	for _, want := range []string{
		`"name":"sweep"`, `{"key":"service.name","value":{"stringValue":"mine"}}`, `{"key":"service.version","value":{"stringValue":"1.2.3"}}`,
		`{"key":"deployment.environment.name","value":{"stringValue":"test"}}`, `"traceId":"` + span.SpanContext().TraceID().String() + `"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if log.String() != "" {
		t.Errorf("logged %s", &log)
	}
}

// TestPostErrors: which responses are worth another try, and that no error has a header, nor is a
// redirect followed with them.
func TestPostErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		header string // Retry-After
		body   string
		fails  bool
		again  bool
		after  time.Duration
	}{
		{name: "ok", status: 200},
		{name: "no content", status: 204},
		{name: "partial", status: 200, body: `{"partialSuccess":{"rejectedSpans":"3"}}`, fails: true},
		{name: "nothing rejected", status: 200, body: `{"partialSuccess":{"rejectedSpans":"0"}}`},
		{name: "no JSON", status: 200, body: `<html>`},
		{name: "throttled", status: 429, header: "7", fails: true, again: true, after: 7 * time.Second},
		{name: "throttled for long", status: 503, header: "100000", fails: true, again: true, after: time.Minute},
		{name: "odd delay", status: 503, header: "-1", fails: true, again: true},
		{name: "bad gateway", status: 502, fails: true, again: true},
		{name: "refused", status: 400, fails: true},
		{name: "no key", status: 401, fails: true},
		{name: "redirect", status: 307, fails: true},
		{name: "not found", status: 404, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			to := newCollector(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				if c.status == 307 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			e := newExporter(Settings{Endpoint: to.URL, Headers: []Pair{{"Authorization", "hunter2"}}}, Settings{}.resource(""))
			defer e.close()
			err := e.post(t.Context(), nil)
			again, retry := err.(*retryError)
			if (err != nil) != c.fails || retry != c.again || retry && again.after != c.after {
				t.Errorf("%v (%T)", err, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), to.URL)) {
				t.Errorf("the error has a secret or the address: %v", err)
			}
			if n := len(to.posts); n != 1 {
				t.Errorf("%d posts", n)
			}
		})
	}
}

// TestPostWithoutCollector: an address where nothing listens is worth another try.
func TestPostWithoutCollector(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	e := newExporter(Settings{Endpoint: gone.URL}, Settings{}.resource(""))
	defer e.close()
	if _, retry := e.post(t.Context(), nil).(*retryError); !retry {
		t.Error("no retryError")
	}
}
