package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
	"github.com/b2b-protocol/b2b/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// liveNode is a node with a port.
type liveNode struct {
	*node
	url  string
	stop func() // and wait until it has stopped
}

// newLiveNode serves a node until the test ends, or its stop is called.
func newLiveNode(t testing.TB, change func(*server.Config)) *liveNode {
	t.Helper()
	c := testConfig(t)
	change(&c)
	s, err := server.New(t.Context(), c, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	stopped := false
	n := &liveNode{node: &node{server: s}, url: "http://" + l.Addr().String()}
	n.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-done; err != nil {
			t.Errorf("the node stopped with %v", err)
		}
	}
	t.Cleanup(n.stop)
	n.operator = n.login(t, "super admin", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
	return n
}

// sse is a stream of server-sent events.
type sse struct {
	t     *testing.T
	res   *http.Response
	lines *bufio.Scanner
	last  string // id
	hang  func()
}

type sseEvent struct{ id, kind, data string }

// events opens a stream and waits until it has started.
func (n *liveNode) events(t *testing.T, c caller, query string, header ...string) *sse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", n.url+"/api/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range c.header {
		r.Header[k] = v
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	s := &sse{t: t, res: res, lines: bufio.NewScanner(res.Body)}
	s.lines.Buffer(nil, 1<<20)
	s.hang = func() {
		cancel()
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	}
	t.Cleanup(s.hang)
	if res.StatusCode != 200 {
		s.lines.Scan()
		t.Fatalf("GET /api/events%s: %d %s", query, res.StatusCode, s.lines.Text())
	}
	if e := s.block(); e.kind != "" || s.last != "" {
		t.Fatalf("the stream begins with %+v", e)
	}
	if e := s.block(); e.kind != "" || s.last == "" {
		t.Fatalf("the stream goes on with %+v at %q", e, s.last)
	}
	return s
}

// block reads up to the next empty line; a comment has no kind.
func (s *sse) block() (e sseEvent) {
	s.t.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "":
			if s.lines.Text() == "" {
				return e
			}
		case "id":
			e.id, s.last = value, value
		case "event":
			e.kind = value
		case "data":
			e.data += value
		}
	}
	e.kind = "end"
	return e
}

// next reads the next event, and skips heartbeats.
func (s *sse) next() sseEvent {
	s.t.Helper()
	for {
		if e := s.block(); e.kind != "" {
			return e
		}
	}
}

// said reads events up to the next message and returns its content.
func (s *sse) said() string {
	s.t.Helper()
	e := s.next()
	for e.kind != "thread_message" && e.kind != "end" {
		e = s.next()
	}
	var data struct {
		Type    string `json:"type"`
		Cursor  string `json:"cursor"`
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
	}
	if err := json.Unmarshal([]byte(e.data), &data); err != nil || data.Type != e.kind || data.Cursor != e.id {
		s.t.Fatalf("%+v is no event: %v", e, err)
	}
	return data.Message.Content
}

func (n *liveNode) say(t testing.TB, c caller, thread, content string) {
	t.Helper()
	n.must(t, c, "POST", "/api/threads/"+thread+"/messages", map[string]any{"content": content})
}

func TestEventsOverREST(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "acme")
	thread, other := o.at["thread"], o.things[len(o.things)-1].id
	for _, x := range o.things {
		if x.kind == "thread" && x.id != thread {
			other = x.id
			break
		}
	}

	s := n.events(t, o.other, "")
	if got := s.res.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Errorf("Content-Type %q", got)
	}
	narrow := n.events(t, o.other, "?types=thread_message,&thread_ids="+other)
	beginning := s.last
	for i := range 3 {
		n.say(t, o.member, thread, fmt.Sprint("live ", i))
		if got := s.said(); got != fmt.Sprint("live ", i) {
			t.Errorf("received %q", got)
		}
	}
	at := s.last
	s.hang()
	n.say(t, o.member, thread, "missed")
	n.say(t, o.member, other, "elsewhere")
	if got := narrow.said(); got != "elsewhere" {
		t.Errorf("through the filter came %q", got)
	}
	for _, how := range [][]string{{"?cursor=" + at}, {"", "Last-Event-ID", at}, {"?cursor=" + beginning, "Last-Event-ID", at}} {
		again := n.events(t, o.other, how[0], how[1:]...)
		n.say(t, o.member, thread, "now")
		for _, want := range []string{"missed", "elsewhere", "now"} {
			if got := again.said(); got != want {
				t.Errorf("resumed with %v: %q, want %q", how, got, want)
			}
		}
		again.hang()
		at = again.last
		n.say(t, o.member, thread, "missed")
		n.say(t, o.member, other, "elsewhere")
	}

	human := n.events(t, o.human, "?types=thread_message&thread_ids="+thread)
	n.say(t, o.member, other, "not watched")
	n.say(t, o.member, thread, "watched")
	if got := human.said(); got != "watched" {
		t.Errorf("the admin received %q", got)
	}

	for target, want := range map[string]string{
		"/api/events?cursor=nonsense":                                       "400 VALIDATION_ERROR",
		"/api/events?types=thread_messages":                                 "400 VALIDATION_ERROR",
		"/api/events?types=access_changed":                                  "400 VALIDATION_ERROR",
		"/api/events?thread_ids=" + strings.Repeat("x,", 101):               "400 VALIDATION_ERROR",
		"/api/events?types=" + strings.Repeat("message,", 51):               "400 VALIDATION_ERROR",
		"/api/events?cursor=1.zzzzz.0." + at[strings.LastIndex(at, ".")+1:]: "409 CURSOR_AHEAD",
		"/api/events?cursor=1.1.0.otherepoch":                               "409 EPOCH_CHANGED",
		"/api/me/catchup?since=0&cursor=nonsense":                           "400 VALIDATION_ERROR",
		"/api/me/catchup?since=0&cursor=1.1.0.otherepoch":                   "409 EPOCH_CHANGED",
		"/api/me/catchup":        "400 VALIDATION_ERROR",
		"/api/me/catchup?since=": "400 VALIDATION_ERROR",
		"/api/me/catchup/count":  "400 VALIDATION_ERROR",
	} {
		if a := n.send(o.other, "GET", target, nil); fmt.Sprintf("%d %s", a.status, a.code()) != want {
			t.Errorf("%.80s: %v, want %s", target, a, want)
		}
	}

	n.stop()
	for _, s := range []*sse{narrow, human} {
		e := s.next()
		for e.kind == "thread_message" {
			e = s.next()
		}
		if e.kind != "resume" || !strings.Contains(e.data, `"UNAVAILABLE"`) || !strings.Contains(e.data, `"retry_after":`) || s.next().kind != "end" {
			t.Errorf("the stream of a stopped node ends with %+v", e)
		}
	}
}

func TestStreamsEndWithAccess(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "acme")
	token := n.must(t, o.other, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"read"}, "label": "x"})
	scoped := n.events(t, bearer("scoped", "bot", "read", token["token"].(string)), "?types=thread_message")
	n.say(t, o.member, o.at["thread"], "before")
	n.must(t, o.other, "DELETE", "/api/me/tokens/"+token["id"].(string), nil)
	n.say(t, o.member, o.at["thread"], "after")
	if got := scoped.said(); got != "before" {
		t.Errorf("received %q", got)
	}
	if e := scoped.next(); e.kind != "error" || !strings.Contains(e.data, `"INVALID_TOKEN"`) {
		t.Errorf("the stream of a deleted token ends with %+v", e)
	}
	whole := n.events(t, o.other, "?types=thread_message")
	n.must(t, n.operator, "DELETE", "/api/orgs/"+o.id, nil)
	if e := whole.next(); e.kind != "error" {
		t.Errorf("the stream of a destroyed org ends with %+v", e)
	}
}

func TestCatchupOverREST(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "acme")
	first := n.must(t, o.other, "GET", "/api/me/catchup?since=0&limit=2", nil)
	events := first["events"].([]any)
	if len(events) != 2 || first["has_more"] != true || first["cursor"] == nil || first["stream_cursor"] != nil {
		t.Fatalf("first page: %v", first)
	}
	invited := events[0].(map[string]any)
	if invited["type"] != "thread_invited" || invited["inviter"] == "" || invited["event_id"] == "" || invited["occurred_at"].(float64) == 0 {
		t.Errorf("first event: %v", invited)
	}
	all, page := len(events), first
	for page["has_more"] == true {
		n.say(t, o.member, o.at["thread"], "meanwhile") // a page is about the time of the first one
		page = n.must(t, o.other, "GET", "/api/me/catchup?since=0&limit=2&cursor="+page["cursor"].(string), nil)
		all += len(page["events"].([]any))
	}
	if page["cursor"] != nil || page["stream_cursor"] == nil {
		t.Errorf("last page: %v", page)
	}
	whole := n.must(t, o.other, "GET", "/api/me/catchup/count?since=0", nil)
	if int(whole["total"].(float64)) != all || whole["thread_invites"].(float64) == 0 || whole["channel_messages"].(float64) == 0 {
		t.Errorf("counts: %v, of %d", whole, all)
	}
	if got := n.events(t, o.other, "?cursor="+page["stream_cursor"].(string)).said(); got != "meanwhile" {
		t.Errorf("the stream after the catch-up begins with %q", got)
	}
}

func TestEventsOverConnect(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	o := n.newOrg(t, "acme")
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	h1 := &http.Transport{}
	t.Cleanup(h2.CloseIdleConnections)
	t.Cleanup(h1.CloseIdleConnections)
	for name, c := range map[string]struct {
		over    http.RoundTripper
		options []connect.ClientOption
	}{
		"connect": {h1, nil}, "json": {h1, []connect.ClientOption{connect.WithProtoJSON()}},
		"grpc": {h2, []connect.ClientOption{connect.WithGRPC()}}, "grpc-web": {h1, []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		t.Run(name, func(t *testing.T) {
			client := b2bv1connect.NewEventServiceClient(&http.Client{Transport: c.over}, n.url, c.options...)
			open := func(req *b2bv1.SubscribeRequest) *connect.ServerStreamForClient[b2bv1.SubscribeResponse] {
				t.Helper()
				ctx, info := connect.NewClientContext(t.Context())
				info.RequestHeader().Set("Authorization", o.other.header.Get("Authorization"))
				stream, err := client.Subscribe(ctx, req)
				if err != nil {
					t.Fatal(err)
				}
				return stream
			}
			s := open(&b2bv1.SubscribeRequest{Types: []string{"thread_message"}, ThreadIds: []string{o.at["thread"]}})
			if !s.Receive() || s.Msg().Event != nil || s.Msg().GetCursor() == "" {
				t.Fatalf("begins with %v, %v", s.Msg(), s.Err())
			}
			from := s.Msg().GetCursor()
			n.say(t, o.member, o.at["thread"], "one")
			for _, s := range []*connect.ServerStreamForClient[b2bv1.SubscribeResponse]{s, open(&b2bv1.SubscribeRequest{Cursor: &from})} {
				for s.Receive() && s.Msg().Event == nil {
				}
				if got := s.Msg().GetEvent().GetThreadMessage().GetMessage().GetContent(); got != "one" || s.Msg().GetCursor() == "" {
					t.Errorf("received %v, %v", s.Msg(), s.Err())
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			for text, code := range map[string]b2bv1.ErrorCode{
				"nonsense": b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, "a\x00b": b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR,
				"1.1.0.otherepoch": b2bv1.ErrorCode_ERROR_CODE_EPOCH_CHANGED,
			} {
				s := open(&b2bv1.SubscribeRequest{Cursor: &text})
				if s.Receive() {
					t.Fatalf("%q gave %v", text, s.Msg())
				}
				var failed *connect.Error
				if !errors.As(s.Err(), &failed) || len(failed.Details()) != 1 {
					t.Fatalf("%q: %v", text, s.Err())
				}
				d, err := failed.Details()[0].Value()
				if err != nil || d.(*b2bv1.ErrorDetail).GetCode() != code {
					t.Errorf("%q: %v, %v", text, d, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestTwoNodes checks that each of two nodes on one PostgreSQL streams the events of the other, at
// once with a notifier and within about a second without.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]string{
		"notifier":    "",
		"no notifier": "redis://127.0.0.1:1", // there is no server
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.URL(t)
			config := func(c *server.Config) { c.DatabaseURL, c.RedisURL = url, redis }
			a, b := newLiveNode(t, config), newLiveNode(t, config)
			o := a.newOrg(t, "acme")
			thread := o.at["thread"]
			patience := 200 * time.Millisecond
			if redis != "" {
				patience = 1500 * time.Millisecond
			}
			if thinned { // the race detector is slow
				patience *= 5
			}
			local, s := a.events(t, o.other, "?types=thread_message"), b.events(t, o.other, "?types=thread_message")
			var slowest, control time.Duration
			for i := range 5 {
				start := time.Now()
				a.say(t, o.member, thread, fmt.Sprint(i))
				for _, c := range []struct {
					from *sse
					took *time.Duration
				}{{local, &control}, {s, &slowest}} {
					if got := c.from.said(); got != fmt.Sprint(i) {
						t.Errorf("received %q", got)
					}
					*c.took = max(*c.took, time.Since(start))
				}
			}
			local.hang()
			t.Logf("the slowest took %v, %v on the same node", slowest, control)
			patience += 5 * control // a busy machine
			if slowest > patience {
				t.Errorf("an event took %v to the other node, want %v at most", slowest, patience)
			}
			s.hang()
			b.say(t, o.member, thread, "away")
			again := a.events(t, o.other, "?types=thread_message", "Last-Event-ID", s.last)
			if got := again.said(); got != "away" {
				t.Errorf("resumed on the other node with %q", got)
			}

			revoked := func(what string, c caller, act func()) {
				t.Helper()
				if r := b.send(c, "GET", "/api/me/workspace", nil); r.status != 200 && r.status != 403 {
					t.Fatalf("%s: %v", what, r)
				}
				act()
				start := time.Now()
				if !waittest.Within(patience, func() bool { return b.send(c, "GET", "/api/me/workspace", nil).status == 401 }) {
					t.Fatalf("%s was believed for %v", what, patience)
				}
				t.Logf("%s was believed for %v", what, time.Since(start))
			}
			token := a.must(t, o.other, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"read"}, "label": "x"})
			revoked("a deleted token", bearer("scoped", "bot", "read", token["token"].(string)), func() {
				a.must(t, o.other, "DELETE", "/api/me/tokens/"+token["id"].(string), nil)
			})
			operator := a.login(t, "super admin", map[string]any{"type": "super_admin", "admin_secret": adminSecret})
			revoked("a super admin's session", operator, func() { a.must(t, operator, "POST", "/api/auth/logout", map[string]any{}) })
			revoked("a destroyed org's bot", o.member, func() { a.must(t, a.operator, "DELETE", "/api/orgs/"+o.id, nil) })
		})
	}
}
