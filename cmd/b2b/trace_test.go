package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// exportedSpan is a span as a collector receives it.
type exportedSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	Links                               []struct{ TraceID, SpanID string }
	Attributes                          []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

func (s exportedSpan) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// traceCollector is a small collector of OTLP/HTTP JSON.
type traceCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []exportedSpan
	texts strings.Builder
	key   string // x-api-key of the last post
}

func newTraceCollector(t *testing.T) *traceCollector {
	c := &traceCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent struct {
			ResourceSpans []struct {
				ScopeSpans []struct{ Spans []exportedSpan }
			}
		}
		if err == nil {
			err = json.Unmarshal(body, &sent)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.key = r.Header.Get("x-api-key")
		c.texts.Write(body)
		for _, rs := range sent.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// find returns the first span that matches.
func (c *traceCollector) find(matches func(exportedSpan) bool) (exportedSpan, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.spans, matches)
	if i < 0 {
		return exportedSpan{}, false
	}
	return c.spans[i], true
}

// TestTraces: the span of a call, that of the commit below it, and that of the webhook request,
// whose receiver gets its id (B2B-HOOK-006), reach a collector; the last ones when the server stops.
// The request is linked to what caused the event: the position of the sender, or else the span of
// its call (B2B-MSG-062). Neither tokens nor content reach the collector.
func TestTraces(t *testing.T) {
	t.Parallel()
	collector := newTraceCollector(t)
	type request struct{ header, cause string }
	delivered := make(chan request, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event struct{ Message struct{ Traceparent string } }
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			t.Error(err)
		}
		delivered <- request{r.Header.Get("traceparent"), event.Message.Traceparent}
	}))
	t.Cleanup(hook.Close)
	n := serve(t, t.TempDir(), "B2B_WEBHOOK_ALLOW=127.0.0.1", "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=hunter2", "B2B_ACCESS_LOG=all")
	org, bots := n.team("writer")
	writer := bots["writer"]
	(&client{t: t, url: n.URL}).must("POST", "/api/auth/register", map[string]any{
		"org_id": org["id"], "org_secret": org["org_secret"], "name": "hooked", "webhook_url": hook.URL, "webhook_secret": "hush-hush",
	})
	const sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	writer.trace = sent
	writer.must("POST", "/api/send", map[string]any{"to": "hooked", "content": "confidential content"})
	writer.trace = ""
	writer.must("POST", "/api/send", map[string]any{"to": "hooked", "content": "confidential, untraced"})
	var got [2]request
	for i := range got {
		select {
		case got[i] = <-delivered:
		case <-time.After(time.Minute):
			t.Fatalf("the webhook got %d requests", i)
		}
	}
	named := func(name string) func(exportedSpan) bool {
		return func(s exportedSpan) bool { return s.Name == name }
	}
	if !waittest.Within(30*time.Second, func() bool { _, ok := collector.find(named("POST webhook")); return ok }) {
		t.Fatalf("no span of the webhook arrives within 30 s:\n%s", n.logs)
	}
	overWS(t, n, writer, `{"type":"send_dm","to":"hooked","content":"confidential","request_id":"over-ws"}`)
	writer.must("POST", "/b2b.v1.ChannelService/SendDirectMessage", map[string]any{"to": "hooked", "content": "confidential", "requestId": "over-rpc"})
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	judgeAccessLog(t, n.logs.String(), writer.token)
	send, ok := collector.find(named("b2b.v1.ChannelService/SendDirectMessage"))
	if !ok || send.Kind != 2 || send.ParentSpanID != "" || send.attribute("rpc.response.status_code") != "OK" || send.attribute("b2b.binding") != "rest" {
		t.Fatalf("the span of the call is %+v", send)
	}
	if len(send.Links) != 1 || "00-"+send.Links[0].TraceID+"-"+send.Links[0].SpanID+"-01" != sent || strings.Contains(sent, send.TraceID) {
		t.Errorf("the call is linked to %+v in the trace %s", send.Links, send.TraceID)
	}
	commit, ok := collector.find(func(s exportedSpan) bool { return s.Name == "COMMIT" && s.ParentSpanID == send.SpanID })
	if !ok || commit.TraceID != send.TraceID || commit.attribute("db.system.name") != "sqlite" || commit.attribute("db.operation.batch.size") == "" {
		t.Errorf("the span of the commit is %+v", commit)
	}
	at := func(position string) func(exportedSpan) bool {
		return func(s exportedSpan) bool { return "00-"+s.TraceID+"-"+s.SpanID+"-01" == position }
	}
	for i, r := range got {
		attempt, ok := collector.find(at(r.header))
		if !ok || attempt.Name != "POST webhook" || attempt.Kind != 3 || attempt.attribute("http.response.status_code") != "200" {
			t.Errorf("the webhook got traceparent %q, of the span %+v", r.header, attempt)
		}
		if len(attempt.Links) != 1 || "00-"+attempt.Links[0].TraceID+"-"+attempt.Links[0].SpanID+"-01" != r.cause {
			t.Errorf("request %d is linked to %+v, and caused by %s", i, attempt.Links, r.cause)
		}
	}
	if own, _ := collector.find(at(got[1].cause)); got[0].cause != sent || own.Name != "b2b.v1.ChannelService/SendDirectMessage" {
		t.Errorf("the events are caused by %q, want %q and the span of the call, not %+v", got[0].cause, sent, own)
	}
	if collector.key != "hunter2" {
		t.Errorf("x-api-key is %q", collector.key)
	}
	for _, secret := range []string{writer.token, adminSecret, "hush-hush", "confidential", "writer", hook.URL, org["org_secret"].(string)} {
		if strings.Contains(collector.texts.String(), secret) {
			t.Errorf("spans have %q", secret)
		}
	}
	if strings.Contains(n.logs.String(), "hunter2") || containsError(n.logs.String()) {
		t.Errorf("the log has a secret or an error:\n%s", n.logs)
	}
	if !strings.Contains(n.logs.String(), `"trace_id":"`+send.TraceID+`"`) {
		t.Error("no line of the log has the trace of the call")
	}
}

// overWS sends a frame over a WebSocket of a bot, and waits until it is handled.
func overWS(t *testing.T, n *node, bot *client, frame string) {
	t.Helper()
	ticket := bot.must("POST", "/api/ws-ticket", map[string]any{})["ticket"].(string)
	conn, _, err := websocket.Dial(t.Context(), n.URL+"/ws?ticket="+ticket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for _, text := range []string{frame, `{"type":"ping"}`} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for answer := []byte(nil); !strings.Contains(string(answer), `"pong"`); {
		if _, answer, err = conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// judgeAccessLog checks that the access log has a line of a send over each binding, with the ids of
// its span, and no line with a secret (B2B-LIM-016).
func judgeAccessLog(t *testing.T, logs, token string) {
	t.Helper()
	lines := map[string]string{}
	for line := range strings.Lines(logs) {
		var got struct {
			Msg, Binding, Operation, Client, Caller, Bot, Org, Code string
			Took                                                    float64 `json:"took_ms"`
			In                                                      int     `json:"bytes_in"`
			Out                                                     int     `json:"bytes_out"`
			Trace                                                   string  `json:"trace_id"`
			Request                                                 string  `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Msg != "access" {
			continue
		}
		if strings.Contains(line, token) || strings.Contains(line, "confidential") || strings.Contains(line, "hooked") {
			t.Errorf("a line has a secret: %s", line)
		}
		if got.Operation != "b2b.v1.ChannelService/SendDirectMessage" {
			continue
		}
		lines[got.Binding] = got.Request
		if got.Code != "OK" || got.Client == "" || got.Caller != "bot" || got.Bot == "" || got.Org == "" || got.In == 0 || got.Trace == "" || got.Took <= 0 ||
			got.Out == 0 && got.Binding != "ws" { // a frame without ref has no reply
			t.Errorf("the line is %s", line)
		}
	}
	if want := map[string]string{"rest": "", "ws": "over-ws", "rpc": "over-rpc"}; !maps.Equal(lines, want) {
		t.Errorf("lines of %v, want %v", lines, want)
	}
}

// TestTracesWithoutCollector: a collector that does not respond slows nothing down, and the stop by
// two seconds at most.
func TestTracesWithoutCollector(t *testing.T) {
	t.Parallel()
	silent := httptest.NewUnstartedServer(nil)
	defer silent.Listener.Close() // accepts connections and reads nothing
	n := serve(t, t.TempDir(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+silent.Listener.Addr().String(), "B2B_LOG_LEVEL=info")
	_, bots := n.team("writer", "reader")
	began := time.Now()
	const messages = 3000 // more than a batch and the queue
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range messages / 8 {
				bots["reader"].must("GET", "/api/me", nil)
			}
		})
	}
	senders.Wait()
	if took := time.Since(began); took > time.Minute {
		t.Errorf("%d calls took %v", messages, took)
	}
	if lines := strings.Count(n.logs.String(), "traces were not exported"); lines < 1 || lines > 3 {
		t.Errorf("%d warnings:\n%s", lines, n.logs)
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}
