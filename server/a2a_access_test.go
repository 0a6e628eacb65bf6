package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server"
)

// A token with the scope a2a gives tasks, and does nothing else (B2B-A2A-004).
func TestA2AScope(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	owner := bearer("client", "bot", "full", s.tokens["client"])
	scoped := func(scope string) string {
		return s.must(t, owner, "POST", "/api/me/tokens", map[string]any{"scopes": []string{scope}})["token"].(string)
	}
	guest := scoped("a2a")
	task := s.send(s.client(guest, a2a.TransportProtocolJSONRPC), text("hello"))
	if task.Status.State != a2a.TaskStateInputRequired {
		t.Errorf("the task of a guest is %v", task.Status.State)
	}
	for _, path := range []string{"/api/threads", "/api/bots", "/api/threads/" + string(task.ID)} {
		if a := s.node.send(bearer("guest", "bot", "a2a", guest), "GET", path, nil); a.status != 403 {
			t.Errorf("a guest gets %s: %v", path, a)
		}
	}
	if _, err := s.client(scoped("profile"), a2a.TransportProtocolJSONRPC).GetTask(t.Context(), &a2a.GetTaskRequest{ID: task.ID}); err == nil {
		t.Error("a token with the scope profile reads a task")
	}
}

// B2B-A2A-002, 003, 006: who may read the card of an agent, and what it has.
func TestA2ACard(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	card := "/a2a/" + s.agentID + "/.well-known/agent-card.json"
	admin := bearer("worker", "admin bot", "full", s.tokens["worker"]) // the first bot of an org
	member := bearer("client", "bot", "full", s.tokens["client"])
	other, err := b2b.New(s.url, b2b.WithToken(s.tokens["other"])).Bots.GetMe(t.Context(), &b2bv1.GetMeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got := s.node.send(member, "GET", card, nil)
	if got.status != 200 || !strings.Contains(got.body, `"name":"worker"`) || !strings.Contains(got.body, `"Echo"`) || !strings.Contains(got.body, `"protocolVersion":"1.0"`) {
		t.Errorf("the card is %v", got)
	}
	if a := s.node.send(nobody, "GET", card, nil); a.status != 401 {
		t.Errorf("anybody gets the card: %v", a)
	}
	s.must(t, admin, "PATCH", "/api/org/settings", map[string]any{"public_agent_cards": true})
	public := s.node.send(nobody, "GET", card, nil)
	if public.status != 200 || public.body != got.body || public.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("the public card is %v", public)
	}
	if a := s.node.send(nobody, "GET", card, nil, "If-None-Match", public.header.Get("ETag")); a.status != 304 {
		t.Errorf("the card that a client has: %v", a)
	}
	for _, id := range []string{other.GetBot().GetId(), "01a00000-0000-7000-8000-000000000000", "worker", ""} {
		path := "/a2a/" + id + "/.well-known/agent-card.json"
		if a := s.node.send(nobody, "GET", path, nil); a.status != 401 {
			t.Errorf("anybody gets %s: %v", path, a)
		}
		if a := s.node.send(member, "GET", path, nil); a.status != 404 {
			t.Errorf("a member gets %s: %v", path, a)
		}
	}
}

// B2B-A2A-006, 007: requests of other versions, and what is not supported, are refused.
func TestA2ARefused(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	member := bearer("client", "bot", "full", s.tokens["client"])
	at := "/a2a/" + s.agentID
	get := `{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"x"}}`
	for _, x := range []struct {
		name, method, path, body, version, want string
		status                                  int
	}{
		{"the version", "POST", at, get, "1.0", "-32001", 200},
		{"no version", "POST", at, get, "", "-32009", 200},
		{"an earlier version", "POST", at, get, "0.3", "-32009", 200},
		{"an unknown method", "POST", at, `{"jsonrpc":"2.0","id":1,"method":"Nothing"}`, "1.0", "-32601", 200},
		{"a body that is not JSON", "POST", at, `{`, "1.0", "VALIDATION_ERROR", 400},
		{"a message without parts", "POST", at + "/message:send", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[]}}`, "1.0", "INVALID_PARAMS", 400},
		{"a message without an id", "POST", at + "/message:send", `{"message":{"role":"ROLE_USER","parts":[{"text":"x"}]}}`, "1.0", "INVALID_PARAMS", 400},
		{"a message of an agent", "POST", at + "/message:send", `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`, "1.0", "INVALID_PARAMS", 400},
		{"an unknown task", "GET", at + "/tasks/x", "", "1.0", "TASK_NOT_FOUND", 404},
		{"push configs of an unknown task", "GET", at + "/tasks/x/pushNotificationConfigs", "", "1.0", "TASK_NOT_FOUND", 404},
	} {
		header := []string{"Content-Type", "application/json"}
		if x.version != "" {
			header = append(header, "A2A-Version", x.version)
		}
		if a := s.node.send(member, x.method, x.path, []byte(x.body), header...); a.status != x.status || !strings.Contains(a.body, x.want) {
			t.Errorf("%s: %v, want %d %s", x.name, a, x.status, x.want)
		}
		if a := s.node.send(nobody, x.method, x.path, []byte(x.body), header...); a.status != 401 {
			t.Errorf("%s, of nobody: %v", x.name, a)
		}
	}
}

// B2B-A2A-008: with B2B_A2A=false there is no agent, and no profile.
func TestA2AOff(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		n := newNodeWith(t, func(c *server.Config) { c.A2A = on })
		ann := bearer("ann", "admin bot", "full", n.team(t, "ann")["ann"])
		if a := n.send(ann, "GET", "/a2a/x/tasks", nil); a.status != 404 {
			t.Errorf("on is %v: %v", on, a)
		}
		if a := n.send(nobody, "GET", "/api/version", nil); strings.Contains(a.body, `"a2a"`) != on {
			t.Errorf("on is %v: %v", on, a)
		}
	}
}

// A client that gives up in the middle of a request, and repeats it, has one task with one message, which
// goes on (B2B-A2A-005).
func TestA2AGivesUp(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	c := s.client(s.tokens["client"], a2a.TransportProtocolJSONRPC)
	owner := bearer("worker", "admin bot", "full", s.tokens["worker"])
	s.must(t, owner, "PATCH", "/api/org/settings", map[string]any{"threads_per_hour_per_bot": 1000, "messages_per_minute_per_bot": 10000})
	for i := range 40 {
		m := text("hello")
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*500*time.Microsecond)
		_, _ = c.SendMessage(ctx, &a2a.SendMessageRequest{Message: m}) // it was in time, or not
		cancel()
		task := s.send(c, m)
		if said := saidIn(task); task.Status.State != a2a.TaskStateInputRequired || len(said) != 2 {
			t.Fatalf("attempt %d: the task is %s with %q", i, task.Status.State, said)
		}
	}
}

// What passes is no failure of the server (B2B-A2A-001).
func TestA2ARateLimit(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	owner := bearer("worker", "admin bot", "full", s.tokens["worker"])
	s.must(t, owner, "PATCH", "/api/org/settings", map[string]any{"threads_per_hour_per_bot": 1})
	member := bearer("client", "bot", "full", s.tokens["client"])
	send := func(id string) answer {
		body := `{"message":{"messageId":"` + id + `","role":"ROLE_USER","parts":[{"text":"wait"}]},"configuration":{"returnImmediately":true}}`
		return s.node.send(member, "POST", "/a2a/"+s.agentID+"/message:send", []byte(body), "Content-Type", "application/json", "A2A-Version", "1.0")
	}
	if a := send("m1"); a.status != 200 {
		t.Fatal(a)
	}
	if a := send("m2"); a.status != 429 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "RATE_LIMITED") {
		t.Errorf("beyond the limit: %v, Retry-After %q", a, a.header.Get("Retry-After"))
	}
	s.must(t, owner, "PATCH", "/api/org/settings", map[string]any{"threads_per_hour_per_bot": 10})
	if a := send("m2"); a.status != 200 || !strings.Contains(a.body, "TASK_STATE_SUBMITTED") {
		t.Errorf("the same message, later: %v", a)
	}
}

// Responses are bounded in bytes, however large what they have is (B2B-A2A-013, 015).
func TestA2AResponsesAreBounded(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	c := s.client(s.tokens["client"], a2a.TransportProtocolHTTPJSON)
	large := strings.Repeat("x", 900<<10)
	for range 6 {
		m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("wait"), a2a.NewDataPart(map[string]any{"x": large}))
		if _, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: m, Config: &a2a.SendMessageConfig{ReturnImmediately: true}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, status := range []a2a.TaskState{a2a.TaskStateUnspecified, a2a.TaskStateSubmitted} {
		var all, pages int
		for token := ""; ; {
			some := 100
			res, err := c.ListTasks(t.Context(), &a2a.ListTasksRequest{PageToken: token, HistoryLength: &some, Status: status})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Tasks) > 5 || res.TotalSize != 6 {
				t.Errorf("a page has %d tasks of %d", len(res.Tasks), res.TotalSize)
			}
			all, pages = all+len(res.Tasks), pages+1
			if token = res.NextPageToken; token == "" {
				break
			}
		}
		if all != 6 || pages != 2 { // what is on other pages does not count
			t.Errorf("status %s: %d tasks on %d pages, want 6 on 2", status, all, pages)
		}
	}
	task := s.send(c, text("hello"))
	for i := range 4 {
		_, err := s.worker.Artifacts.AddArtifact(t.Context(), &b2bv1.AddArtifactRequest{
			ThreadId: string(task.ID), ArtifactKey: proto.String(string(rune('a' + i))), Content: &large,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: task.ID})
	if err != nil || len(got.Artifacts) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	var left, have int
	for _, artifact := range got.Artifacts {
		if artifact.Metadata["left_out"] != nil {
			left++
		} else if artifact.Parts[0].Text() == large {
			have++
		}
	}
	if have != 2 || left != 2 {
		t.Errorf("%d artifacts have their content, of %d it is left out", have, left)
	}
}
