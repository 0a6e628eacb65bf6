package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

// agentOver starts `b2b mcp` for a bot, and returns a client of it and its process, which ends well.
func agentOver(t *testing.T, url, token, revision string) (*sdk.ClientSession, *exec.Cmd) {
	t.Helper()
	session, cmd := startMCP(t, url, token, revision, nil)
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Errorf("b2b mcp ended with %v\n%s", err, cmd.Stderr)
		}
	})
	return session, cmd
}

// startMCP starts `b2b mcp` for a bot, and returns a client of it and its process.
func startMCP(t *testing.T, url, token, revision string, options *sdk.ClientOptions) (*sdk.ClientSession, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(build(t), "mcp")
	cmd.Env = []string{"B2B_URL=" + url, "B2B_TOKEN=" + token}
	cmd.Stderr = &logtest.Buffer{}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, options).Connect(
		t.Context(), &sdk.CommandTransport{Command: cmd}, &sdk.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatalf("start b2b mcp: %v\n%s", err, cmd.Stderr)
	}
	return session, cmd
}

// itemOf is the JSON of wait.
type itemOf struct {
	TimedOut bool `json:"timed_out"`
	Item     struct {
		Delivery string `json:"delivery"`
		Attempt  int    `json:"attempt"`
		Message  struct {
			Text string `json:"text"`
		} `json:"message"`
	} `json:"item"`
}

// useTool calls a tool that succeeds, and decodes its JSON.
func useTool(t *testing.T, s *sdk.ClientSession, name string, arguments map[string]any, out any) {
	t.Helper()
	res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	text, _ := res.Content[0].(*sdk.TextContent)
	if res.IsError {
		t.Fatalf("%s: %s", name, text.Text)
	}
	data, err := json.Marshal(res.StructuredContent)
	if err == nil && out != nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMCPOverStdio: the built command serves a client, which lists, calls, gives up and goes on; also
// when the server was killed meanwhile.
func TestMCPOverStdio(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n := serve(t, data)
	port := n.URL[strings.LastIndex(n.URL, ":")+1:]
	_, bots := n.team("ann", "bob")
	for _, revision := range []string{"2026-07-28", "2025-06-18"} {
		ann, _ := agentOver(t, n.URL, bots["ann"].token, revision)
		bob, _ := agentOver(t, n.URL, bots["bob"].token, revision)
		tools, err := ann.ListTools(t.Context(), nil)
		if err != nil || len(tools.Tools) != 14 {
			t.Fatalf("%s: %d tools, %v", revision, len(tools.Tools), err)
		}
		useTool(t, bob, "wait", map[string]any{"timeout_s": 1}, nil)
		for range 6 { // one more than a delivery is handed out
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := bob.CallTool(ctx, &sdk.CallToolParams{Name: "wait"}); err == nil {
				t.Error("a wait of which the context ended succeeds")
			}
			cancel()
		}
		useTool(t, ann, "send", map[string]any{"to": "bob", "text": "hello"}, nil)
		var w itemOf
		if useTool(t, bob, "wait", nil, &w); w.Item.Message.Text != "hello" || w.Item.Attempt != 1 {
			t.Errorf("%s: bob got %+v", revision, w)
		}
		useTool(t, bob, "send", map[string]any{"to": "ann", "text": "hi", "delivery": w.Item.Delivery}, nil)
		if useTool(t, ann, "wait", nil, &w); w.Item.Message.Text != "hi" {
			t.Errorf("%s: ann got %+v", revision, w)
		}
		useTool(t, ann, "settle", map[string]any{"delivery": w.Item.Delivery, "action": "done"}, nil)
	}
	bob, _ := agentOver(t, n.URL, bots["bob"].token, "2026-07-28")
	got := make(chan itemOf, 1)
	go func() {
		var w itemOf
		useTool(t, bob, "wait", map[string]any{"timeout_s": 240}, &w)
		got <- w
	}()
	n.kill()
	serve(t, data, "B2B_PORT="+port)
	bots["ann"].must("POST", "/api/send", map[string]any{"to": "bob", "content": "after the crash"})
	select {
	case w := <-got:
		if w.Item.Message.Text != "after the crash" {
			t.Errorf("bob got %+v", w)
		}
	case <-time.After(time.Minute):
		t.Error("bob does not wake after the server was killed")
	}
}

// TestMCPSubscriptionsOverStdio: clients of the newest revision and of an earlier one are notified of changes of
// what they have subscribed to, and only of those; also when the server was killed meanwhile.
func TestMCPSubscriptionsOverStdio(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n := serve(t, data)
	port := n.URL[strings.LastIndex(n.URL, ":")+1:]
	_, bots := n.team("ann", "bob")
	open := func(topic string) string {
		return bots["ann"].must("POST", "/api/threads", map[string]any{"topic": topic, "participants": []string{"bob"}})["id"].(string)
	}
	say := func(thread string) {
		bots["ann"].must("POST", "/api/threads/"+thread+"/messages", map[string]any{"content": "news"})
	}
	one, two := open("one"), open("two")
	told := map[string]chan string{}
	for _, revision := range []string{"2026-07-28", "2025-06-18"} {
		uris := make(chan string, 100)
		session, _ := startMCP(t, n.URL, bots["bob"].token, revision, &sdk.ClientOptions{
			ResourceUpdatedHandler: func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) { uris <- r.Params.URI },
		})
		t.Cleanup(func() {
			if err := session.Close(); err != nil {
				t.Error(err)
			}
		})
		told[revision] = uris
		for _, uri := range []string{"b2b://threads/" + two, "b2b://threads/" + one} {
			if err := session.Subscribe(t.Context(), &sdk.SubscribeParams{URI: uri}); err != nil {
				t.Fatalf("%s: %v", revision, err)
			}
		}
		waittest.Until(t, "the client is not notified of a change", func() bool { say(one); return len(uris) > 0 })
		if err := session.Unsubscribe(t.Context(), &sdk.UnsubscribeParams{URI: "b2b://threads/" + two}); err != nil {
			t.Fatal(err)
		}
	}
	n.kill()
	serve(t, data, "B2B_PORT="+port)
	for revision, uris := range told {
		for len(uris) > 0 {
			<-uris
		}
		waittest.Until(t, "the client is not notified after the server was killed", func() bool { say(two); say(one); return len(uris) > 0 })
		for len(uris) > 0 {
			if uri := <-uris; uri != "b2b://threads/"+one {
				t.Errorf("%s: notified of %s", revision, uri)
			}
		}
	}
}

// TestMCPSettings: what is missing is said, and the token is nowhere.
func TestMCPSettings(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"set HOME":                        {"B2B_TOKEN=bot_secret"},
		"join an org first":               {"B2B_TOKEN=bot_secret", "HOME=" + t.TempDir()},
		"no token for http://127.0.0.1:1": {"B2B_URL=http://127.0.0.1:1", "HOME=" + t.TempDir()},
	} {
		cmd := exec.Command(build(t), "mcp")
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), name) || strings.Contains(string(out), "bot_secret") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	session, cmd := agentOver(t, "http://127.0.0.1:1", "bot_secret", "2026-07-28")
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "agents"})
	if err != nil || !res.IsError {
		t.Errorf("a server that is not there: %+v, %v", res, err)
	}
	if strings.Contains(fmt.Sprint(cmd.Stderr), "bot_secret") {
		t.Errorf("the token is in the log:\n%s", cmd.Stderr)
	}
}

// mcpMemory is what so many agents that wait may add to the memory of a server, in kB: 40 MB for a
// thousand.
func mcpMemory(agents int) int { return 4000 + 36*agents }

// TestMCPLoad measures what agents that wait at /mcp cost, each with a connection of its own, and how
// soon after the response to a send they wake. B2B_MCP_LOAD is their number. Their cost is memory of
// its own (not pages of the program) of a server that has returned what it does not use, less that of
// the same server before they wait.
func TestMCPLoad(t *testing.T) {
	t.Parallel()
	agents := 250
	if n, err := strconv.Atoi(os.Getenv("B2B_MCP_LOAD")); err == nil {
		agents = n
	}
	n := serve(t, t.TempDir(), "B2B_LOG_LEVEL=info")
	names := make([]string, agents)
	for i := range names {
		names[i] = fmt.Sprintf("bot%d", i)
	}
	_, bots := n.team(append(names, "ann")...)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: agents}}
	begun, woken := make(chan int, agents), make([]time.Time, agents)
	call := func(token, tool string, each func(line string)) error {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":{},"_meta":{"progressToken":1}}}`, tool)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/mcp", strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header = http.Header{
			"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"},
			"Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-06-18"},
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			each(lines.Text())
		}
		return lines.Err()
	}
	for _, name := range names {
		if err := call(bots[name].token, "agents", func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	client.CloseIdleConnections()
	own := func() int { return n.memory("RssAnon:") }
	const program = "RssFile:" // of which the pages are given up as well when memory is returned
	mapped := n.memory(program)
	waittest.Until(t, "the idle server does not return memory", func() bool { return n.memory(program) <= mapped*3/4 })
	before, begunAt := own(), time.Now()
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			var first sync.Once
			if err := call(bots[name].token, "wait", func(line string) {
				first.Do(func() { begun <- i })
				if strings.Contains(line, "wake up") {
					woken[i] = time.Now()
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
	for range agents { // each has reported progress
		<-begun
	}
	waittest.Until(t, "the agents cost too much memory", func() bool { return own()-before <= mcpMemory(agents) })
	more := own() - before
	t.Logf("%d agents wait: %d kB more after %v, %d kB each (%d kB before)", agents, more, time.Since(begunAt).Round(time.Second), more/agents, before)
	sent := make([]time.Time, agents)
	for i, name := range names {
		bots["ann"].must("POST", "/api/send", map[string]any{"to": name, "content": "wake up"})
		sent[i] = time.Now()
	}
	all.Wait()
	if i := slices.IndexFunc(woken, time.Time.IsZero); i >= 0 {
		t.Errorf("agent %d did not wake", i)
	}
	times := make([]time.Duration, agents)
	for i := range times {
		times[i] = max(woken[i].Sub(sent[i]), 0)
	}
	slices.Sort(times)
	t.Logf("woken after %v (half), %v (99 %%), %v (last)", times[agents/2], times[agents*99/100], times[agents-1])
}
