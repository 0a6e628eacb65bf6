package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/server"
)

// revisions are the revisions of MCP that the library's client speaks over HTTP, the newest first.
var revisions = []string{"2026-07-28", "2025-11-25", "2025-06-18"}

// authorized sends a bearer token with each request.
type authorized struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+a.token)
	return a.next.RoundTrip(r)
}

// team registers bots of a new org, and returns their tokens.
func (n *node) team(t testing.TB, names ...string) map[string]string {
	t.Helper()
	made := n.must(t, n.operator, "POST", "/api/orgs", map[string]any{"name": "team"})
	tokens := map[string]string{}
	for _, name := range names {
		bot := n.must(t, nobody, "POST", "/api/auth/register", map[string]any{"org_id": made["id"], "org_secret": made["org_secret"], "name": name})
		tokens[name] = bot["token"].(string)
	}
	return tokens
}

// agent is a client of MCP with a token.
type agent struct {
	*sdk.ClientSession
	t testing.TB
}

// joins connects an agent over HTTP.
func (n *liveNode) joins(t testing.TB, token, revision string, options *sdk.ClientOptions) *agent {
	t.Helper()
	transport := &http.Transport{}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, options).Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: n.url + "/mcp", HTTPClient: &http.Client{Transport: authorized{token, transport}}, DisableStandaloneSSE: true, MaxRetries: -1,
	}, &sdk.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close() // the server keeps no sessions
		transport.CloseIdleConnections()
	})
	return &agent{session, t}
}

// does calls a tool, and decodes its JSON to out, unless that is nil.
func (a *agent) does(ctx context.Context, tool string, arguments map[string]any, out any) (*sdk.CallToolResult, error) {
	res, err := a.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return nil, err
	}
	if res.IsError {
		return res, fmt.Errorf("%s: %s", tool, textOf(res))
	}
	data, err := json.Marshal(res.StructuredContent)
	if err == nil && out != nil {
		err = json.Unmarshal(data, out)
	}
	return res, err
}

// must calls a tool that succeeds.
func (a *agent) must(tool string, arguments map[string]any, out any) *sdk.CallToolResult {
	a.t.Helper()
	res, err := a.does(a.t.Context(), tool, arguments, out)
	if err != nil {
		a.t.Fatal(err)
	}
	return res
}

func textOf(res *sdk.CallToolResult) string {
	text, _ := res.Content[0].(*sdk.TextContent)
	return text.Text
}

// waited is the JSON of wait.
type waited struct {
	TimedOut bool `json:"timed_out"`
	Item     struct {
		Delivery string `json:"delivery"`
		Attempt  int    `json:"attempt"`
		Kind     string `json:"kind"`
		Thread   string `json:"thread_id"`
		Message  struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		} `json:"message"`
	} `json:"item"`
}

// Agents find each other, talk, work in a thread with an artifact, a file, a decision, a lease and a
// search, in each revision of MCP.
func TestMCPTools(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			tokens := n.team(t, "ann", "bob")
			ann, bob := n.joins(t, tokens["ann"], revision, nil), n.joins(t, tokens["bob"], revision, nil)
			if got := bob.InitializeResult().ProtocolVersion; got != revision {
				t.Errorf("the revision is %s", got)
			}
			tools, err := ann.ListTools(t.Context(), nil)
			if err != nil || len(tools.Tools) != 14 {
				t.Fatalf("%d tools, %v", len(tools.Tools), err)
			}
			var peers struct {
				Agents []struct{ Name string }
			}
			if ann.must("agents", nil, &peers); len(peers.Agents) != 1 || peers.Agents[0].Name != "bob" {
				t.Errorf("ann sees %+v", peers)
			}
			ann.must("send", map[string]any{"to": "bob", "text": "are you there?"}, nil)
			var w waited
			bob.must("wait", nil, &w)
			if w.Item.Kind != "direct" || w.Item.Message.Text != "are you there?" {
				t.Fatalf("bob got %+v", w)
			}
			bob.must("send", map[string]any{"to": "ann", "text": "yes", "delivery": w.Item.Delivery}, nil)
			if res := ann.must("read", map[string]any{"with": "bob"}, nil); !strings.Contains(textOf(res), "are you there?") || !strings.Contains(textOf(res), "  yes") {
				t.Errorf("ann reads %s", textOf(res))
			}
			workTogether(t, ann, bob)
		})
	}
}

// workTogether lets two agents use the rest of the tools.
func workTogether(t *testing.T, ann, bob *agent) {
	t.Helper()
	var opened struct{ Thread struct{ ID string } }
	ann.must("open_thread", map[string]any{"topic": "quokka report", "participants": []string{"@bob"}, "text": "@bob please write it"}, &opened)
	thread := opened.Thread.ID
	var w waited
	for w.Item.Kind != "mention" {
		w = waited{}
		if bob.must("wait", nil, &w); w.TimedOut {
			t.Fatal("bob was not addressed")
		}
		if w.Item.Kind != "mention" {
			bob.must("settle", map[string]any{"delivery": w.Item.Delivery, "action": "done"}, nil)
		}
	}
	bob.must("settle", map[string]any{"delivery": w.Item.Delivery, "action": "working", "text": "writing"}, nil)
	bob.must("artifact", map[string]any{"action": "put", "thread": thread, "key": "report", "type": "markdown", "content": "one\ntwo"}, nil)
	bob.must("artifact", map[string]any{"action": "put", "thread": thread, "key": "report", "content": "one\n2"}, nil)
	if res := ann.must("artifact", map[string]any{"action": "diff", "thread": thread, "key": "report"}, nil); !strings.Contains(textOf(res), "  -two\n  +2") {
		t.Errorf("the diff is %s", textOf(res))
	}
	if res := ann.must("artifact", map[string]any{"action": "list", "thread": thread}, nil); !strings.Contains(textOf(res), `artifact "report" version 2`) {
		t.Errorf("the artifacts are %s", textOf(res))
	}
	var stored struct{ URL string }
	bob.must("file", map[string]any{"action": "up", "name": "data.txt", "mime_type": "text/plain", "content": "some data"}, &stored)
	bob.must("reply", map[string]any{"thread": thread, "text": "done, see " + stored.URL, "delivery": w.Item.Delivery, "status": "reviewing", "mentions": []string{"ann"}}, nil)
	if res := ann.must("file", map[string]any{"action": "get", "file": stored.URL}, nil); !strings.Contains(textOf(res), "  some data") {
		t.Errorf("the file is %s", textOf(res))
	}
	ann.must("lease", map[string]any{"action": "acquire", "name": thread + "/release", "ttl_s": 60}, nil)
	if res, err := bob.does(t.Context(), "lease", map[string]any{"action": "acquire", "name": thread + "/release"}, nil); err == nil || !strings.HasPrefix(textOf(res), "LEASE_HELD") {
		t.Errorf("bob has the lease of ann: %v", err)
	}
	var asked struct {
		Decisions []struct{ ID, Status, Answer string }
	}
	ann.must("ask", map[string]any{"thread": thread, "question": "Release it?", "agents": []string{"bob"}}, &asked)
	bob.must("ask", map[string]any{"action": "answer", "decision": asked.Decisions[0].ID, "answer": "approved"}, nil)
	if ann.must("ask", map[string]any{"action": "check", "decision": asked.Decisions[0].ID, "wait_s": 20}, &asked); asked.Decisions[0].Answer != "approved" {
		t.Errorf("the decision is %+v", asked)
	}
	waittest.Until(t, "the search finds the thread", func() bool {
		return strings.Contains(textOf(ann.must("search", map[string]any{"q": "quokka"}, nil)), thread)
	})
	ann.must("update_thread", map[string]any{"thread": thread, "status": "resolved"}, nil)
	if res := bob.must("threads", map[string]any{"status": "resolved"}, nil); !strings.Contains(textOf(res), thread) {
		t.Errorf("the resolved threads are %s", textOf(res))
	}
}

// A call of wait that a client cancelled, or that timed out there, consumes nothing, in each revision.
func TestMCPCancelledWaitConsumesNothing(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			tokens := n.team(t, "ann", "bob")
			ann, bob := n.joins(t, tokens["ann"], revision, nil), n.joins(t, tokens["bob"], revision, nil)
			bob.must("wait", map[string]any{"timeout_s": 1}, nil)
			for range 6 { // one more than a delivery is handed out
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				if _, err := bob.does(ctx, "wait", nil, nil); err == nil {
					t.Error("a wait of which the context ended succeeds")
				}
				cancel()
			}
			ann.must("send", map[string]any{"to": "bob", "text": "hello"}, nil)
			var w waited
			if bob.must("wait", nil, &w); w.Item.Message.Text != "hello" || w.Item.Attempt != 1 {
				t.Errorf("after calls that were cancelled: %+v", w)
			}
		})
	}
}

// A server that stops ends the calls that wait; the next one, after it is back, goes on.
func TestMCPReconnects(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	n := newLiveNode(t, func(c *server.Config) { c.DataDir = folder })
	tokens := n.team(t, "ann", "bob")
	bob := n.joins(t, tokens["bob"], revisions[1], nil)
	failed := make(chan error, 1)
	go func() {
		_, err := bob.does(t.Context(), "wait", nil, nil)
		failed <- err
	}()
	waitingClaims(t, n, tokens["bob"])
	n.stop()
	if err := <-failed; err == nil {
		t.Error("a wait succeeds although the server stopped")
	}
	n = newLiveNode(t, func(c *server.Config) { c.DataDir = folder })
	n.joins(t, tokens["ann"], revisions[0], nil).must("send", map[string]any{"to": "bob", "text": "back?"}, nil)
	var w waited
	if n.joins(t, tokens["bob"], revisions[0], nil).must("wait", nil, &w); w.Item.Message.Text != "back?" {
		t.Errorf("bob got %+v", w)
	}
}

// waitingClaims waits until a bot has a call that waits: it is reached by its worker then.
func waitingClaims(t *testing.T, n *liveNode, token string) {
	t.Helper()
	other := bearer("bob", "bot", "full", token)
	waittest.Until(t, "a call waits", func() bool {
		n.must(t, other, "GET", "/api/inbox/deliveries", nil)
		buf := make([]byte, 1<<20)
		return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "handler).hold")
	})
}

// Progress is reported while a call waits.
func TestMCPProgress(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	token := n.team(t, "bob")["bob"]
	beats := make(chan float64, 10)
	bob := n.joins(t, token, revisions[1], &sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
		beats <- r.Params.Progress
	}})
	params := &sdk.CallToolParams{Name: "wait", Arguments: map[string]any{"timeout_s": 12}}
	params.SetProgressToken("p")
	if _, err := bob.CallTool(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	if len(beats) != 1 {
		t.Errorf("%d heartbeats in 12 seconds", len(beats))
	}
}

// A call that waits ends soon after its credential, and that of another token goes on.
func TestMCPWaitEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	token := n.team(t, "bob")["bob"]
	bob := bearer("bob", "bot", "full", token)
	scoped := n.must(t, bob, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"thread"}})
	ended := map[string]chan error{}
	for _, credential := range []string{token, scoped["token"].(string)} {
		agent, end := n.joins(t, credential, revisions[0], nil), make(chan error, 1)
		ended[credential] = end
		go func() {
			var w waited
			_, err := agent.does(t.Context(), "wait", map[string]any{"timeout_s": 15}, &w)
			if err == nil && !w.TimedOut {
				err = fmt.Errorf("got %+v", w)
			}
			end <- err
		}()
	}
	waitingClaims(t, n, token)
	n.must(t, bob, "DELETE", "/api/me/tokens/"+scoped["id"].(string), nil)
	if err := <-ended[scoped["token"].(string)]; err == nil {
		t.Error("a call of a token that was revoked goes on")
	}
	if err := <-ended[token]; err != nil {
		t.Errorf("the call of the other token: %v", err)
	}
}

// A client of the newest revision is notified of changes of resources over HTTP, in each with a stream of
// its own, and no more after it has ended its subscription. Earlier revisions have none.
func TestMCPSubscriptions(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	tokens := n.team(t, "ann", "bob")
	uris := make(chan string, 100)
	bob := n.joins(t, tokens["bob"], revisions[0], &sdk.ClientOptions{
		ResourceUpdatedHandler: func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) { uris <- r.Params.URI },
	})
	ann := bearer("ann", "bot", "full", tokens["ann"])
	open := func() string {
		return n.must(t, ann, "POST", "/api/threads", map[string]any{"topic": "news", "participants": []string{"bob"}})["id"].(string)
	}
	say := func(thread string) {
		n.must(t, ann, "POST", "/api/threads/"+thread+"/messages", map[string]any{"content": "news"})
	}
	one, two := open(), open()
	for _, thread := range []string{one, two} {
		if err := bob.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "b2b://threads/" + thread}); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]bool{}
	waittest.Until(t, "bob is notified of both", func() bool {
		say(one)
		say(two)
		for len(uris) > 0 {
			got[<-uris] = true
		}
		return len(got) == 2
	})
	if err := bob.Unsubscribe(t.Context(), &sdk.UnsubscribeParams{URI: "b2b://threads/" + one}); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "bob is notified of the other one only", func() bool {
		clear(got)
		for range 3 {
			say(one)
			say(two)
			got[<-uris] = true
		}
		return !got["b2b://threads/"+one] && got["b2b://threads/"+two]
	})
	earlier := n.joins(t, tokens["bob"], revisions[1], nil)
	if earlier.InitializeResult().Capabilities.Resources.Subscribe {
		t.Error("an earlier revision announces subscriptions")
	}
	if err := earlier.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "b2b://threads/" + one}); err == nil {
		t.Error("a client of an earlier revision subscribes")
	}
}

// What the tools call has the address of the caller, and a token that ends counts at once.
func TestMCPCallsAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	n := newLiveNode(t, func(*server.Config) {})
	tokens := n.team(t, "ann")
	admin := bearer("ann", "admin bot", "full", tokens["ann"])
	scoped := n.must(t, admin, "POST", "/api/me/tokens", map[string]any{"scopes": []string{"read"}})
	agent := n.joins(t, scoped["token"].(string), revisions[0], nil)
	agent.must("agents", nil, nil)
	n.must(t, admin, "DELETE", "/api/me/tokens/"+scoped["id"].(string), nil)
	if _, err := agent.does(t.Context(), "agents", nil, nil); err == nil {
		t.Error("a revoked token calls a tool")
	}
}

// B2B-MCP-010: with B2B_MCP=false /mcp is an unknown path, and no profile.
func TestMCPOff(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		n := newNodeWith(t, func(c *server.Config) { c.MCP = on })
		ann := bearer("ann", "admin bot", "full", n.team(t, "ann")["ann"])
		status := map[bool]int{true: 405, false: 404}[on]
		if a := n.send(ann, "GET", "/mcp", nil); a.status != status {
			t.Errorf("on is %v: %v", on, a)
		}
		if a := n.send(nobody, "GET", "/mcp", nil); a.status != 401 || a.code() != "AUTH_REQUIRED" {
			t.Errorf("on is %v: %v", on, a)
		}
		if a := n.send(nobody, "GET", "/api/version", nil); strings.Contains(a.body, `"mcp"`) != on {
			t.Errorf("on is %v: %v", on, a)
		}
	}
}
