package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"

	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
	"github.com/b2b-protocol/b2b/server"
)

// allowHere lets a node post to receivers of the test.
func allowHere(t testing.TB) func(*server.Config) {
	t.Helper()
	allow, err := webhookurl.ParseAllow("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.WebhookAllow = allow }
}

// taskReceiver gets the tasks that are posted to a client.
type taskReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	tasks  []*a2a.Task
	header http.Header
}

func newTaskReceiver(t *testing.T) *taskReceiver {
	r := &taskReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var got a2a.StreamResponse
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		task, ok := got.Event.(*a2a.Task)
		if err != nil || !ok {
			t.Errorf("the notification is %s: %v", body, err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tasks, r.header = append(r.tasks, task), req.Header
	}))
	t.Cleanup(r.Close)
	return r
}

// last returns the newest state that was posted of each task.
func (r *taskReceiver) last() map[a2a.TaskID]*a2a.Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[a2a.TaskID]*a2a.Task{}
	for _, task := range r.tasks {
		out[task.ID] = task
	}
	return out
}

// A client of the library has a task posted to it, and manages its push configs over each binding
// (B2B-A2A-017, 018, 020).
func TestA2APush(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	for _, over := range []a2a.TransportProtocol{a2a.TransportProtocolJSONRPC, a2a.TransportProtocolHTTPJSON} {
		t.Run(string(over), func(t *testing.T) {
			s := &a2aScene{s.liveNode, t, s.tokens, s.agentID, s.worker}
			c, to := s.client(s.tokens["client"], over), newTaskReceiver(t)
			config := &a2a.PushConfig{URL: to.URL, Token: "tok", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "cred"}}
			res, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{
				Message: text("wait"), Config: &a2a.SendMessageConfig{ReturnImmediately: true, PushConfig: config},
			})
			if err != nil {
				t.Fatal(err)
			}
			id := res.(*a2a.Task).ID
			second, err := c.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: id, ID: "second", URL: to.URL + "/second"})
			if err != nil || second.ID != "second" || second.TaskID != id {
				t.Fatalf("the push config is %+v, %v", second, err)
			}
			list, err := c.ListTaskPushConfigs(t.Context(), &a2a.ListTaskPushConfigRequest{TaskID: id})
			if err != nil || len(list) != 2 || list[0].ID != string(id) || list[0].Token != "" || list[0].Auth.Credentials != "" {
				t.Fatalf("the push configs are %+v, %v", list, err)
			}
			if err := c.DeleteTaskPushConfig(t.Context(), &a2a.DeleteTaskPushConfigRequest{TaskID: id, ID: "second"}); err != nil {
				t.Fatal(err)
			}
			if got, err := c.GetTaskPushConfig(t.Context(), &a2a.GetTaskPushConfigRequest{TaskID: id, ID: string(id)}); err != nil || got.URL != to.URL {
				t.Errorf("the push config is %+v, %v", got, err)
			}
			if _, err := c.GetTaskPushConfig(t.Context(), &a2a.GetTaskPushConfigRequest{TaskID: id, ID: "second"}); !errors.Is(err, a2a.ErrTaskNotFound) {
				t.Errorf("the deleted push config: %v", err)
			}
			again := text("make a plan")
			again.TaskID = id
			s.send(c, again)
			waittest.Until(t, "the end of the task is posted", func() bool {
				task := to.last()[id]
				return task != nil && task.Status.State == a2a.TaskStateCompleted
			})
			task := to.last()[id]
			if len(task.Artifacts) != 1 || task.Artifacts[0].Parts[0].Text() != "# Plan" || task.History != nil || task.Status.Message.Parts[0].Text() != "done" {
				t.Errorf("the task is posted as %+v", task)
			}
			if to.header.Get("Authorization") != "Bearer cred" || to.header.Get("A2A-Notification-Token") != "tok" {
				t.Errorf("the headers are %v", to.header)
			}
			waittest.Until(t, "the push config ends", func() bool {
				list, err := c.ListTaskPushConfigs(t.Context(), &a2a.ListTaskPushConfigRequest{TaskID: id})
				return err == nil && len(list) == 0
			})
			if _, err := c.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: id, URL: to.URL}); !errors.Is(err, a2a.ErrUnsupportedOperation) {
				t.Errorf("a push config of a task that has ended: %v", err)
			}
		})
	}
}

// Push configs of a bot are bounded over all its tasks, and a message whose config has no room leaves a
// task that failed, which the same message makes go on (B2B-A2A-005, 017, 020).
func TestA2APushesAreBounded(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	owner := bearer("worker", "admin bot", "full", s.tokens["worker"])
	s.must(t, owner, "PATCH", "/api/org/settings", map[string]any{"threads_per_hour_per_bot": 1000, "messages_per_minute_per_bot": 10000})
	c, to := s.client(s.tokens["client"], a2a.TransportProtocolJSONRPC), newTaskReceiver(t)
	give := func(m *a2a.Message, push *a2a.PushConfig) (*a2a.Task, error) {
		res, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: m, Config: &a2a.SendMessageConfig{ReturnImmediately: true, PushConfig: push}})
		if err != nil {
			return nil, err
		}
		return res.(*a2a.Task), nil
	}
	var task *a2a.Task
	for range 20 {
		var err error
		if task, err = give(text("wait"), nil); err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			if _, err := c.CreateTaskPushConfig(t.Context(), &a2a.PushConfig{TaskID: task.ID, ID: fmt.Sprint(n), URL: to.URL}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := text("wait")
	if _, err := give(m, &a2a.PushConfig{URL: to.URL}); err == nil || !strings.Contains(err.Error(), "QUOTA_EXCEEDED") {
		t.Fatalf("beyond the limit: %v", err)
	}
	if err := c.DeleteTaskPushConfig(t.Context(), &a2a.DeleteTaskPushConfigRequest{TaskID: task.ID, ID: "0"}); err != nil {
		t.Fatal(err)
	}
	again, err := give(m, &a2a.PushConfig{URL: to.URL})
	if err != nil || again.Status.State != a2a.TaskStateSubmitted || len(again.History) != 1 {
		t.Errorf("the same message, later: %+v, %v", again, err)
	}
}

// Two nodes share the push configs. When one stops, the other goes on, without a notification between
// them (B2B-A2A-019, B2B-HOOK-014).
func TestA2APushOnTwoNodes(t *testing.T) {
	t.Parallel()
	database, allow := pgtest.URL(t), allowHere(t)
	config := func(c *server.Config) {
		allow(c)
		c.DatabaseURL, c.RedisURL = database, "redis://127.0.0.1:1"
	}
	one, two := newLiveNode(t, config), newLiveNode(t, config)
	tokens, to := one.team(t, "worker", "client"), newTaskReceiver(t)
	worker, client := bearer("worker", "admin bot", "full", tokens["worker"]), bearer("client", "bot", "full", tokens["client"])
	agent := one.must(t, worker, "PATCH", "/api/me/profile", map[string]any{"protocols": map[string]any{"a2a": true}})["id"].(string)
	var tasks []a2a.TaskID
	for i := range 6 {
		body := fmt.Sprintf(`{"message":{"messageId":"m%d","role":"ROLE_USER","parts":[{"text":"hello"}]},
			"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"url":%q}}}`, i, to.URL)
		a := one.send(client, "POST", "/a2a/"+agent+"/message:send", []byte(body), "Content-Type", "application/json", "A2A-Version", "1.0")
		var res struct{ Task a2a.Task }
		if err := json.Unmarshal([]byte(a.body), &res); err != nil || a.status != 200 {
			t.Fatal(a, err)
		}
		tasks = append(tasks, res.Task.ID)
	}
	all := func(state a2a.TaskState) func() bool {
		return func() bool {
			last := to.last()
			return !slices.ContainsFunc(tasks, func(id a2a.TaskID) bool { return last[id] == nil || last[id].Status.State != state })
		}
	}
	for _, id := range tasks {
		two.say(t, worker, string(id), "which one?")
	}
	waittest.Until(t, "all answers are posted", all(a2a.TaskStateInputRequired))
	one.stop()
	for _, id := range tasks {
		two.must(t, worker, "PATCH", "/api/threads/"+string(id), map[string]any{"status": "resolved"})
	}
	waittest.Until(t, "all ends are posted", all(a2a.TaskStateCompleted))
	for _, id := range tasks {
		waittest.Until(t, "the push configs end", func() bool {
			a := two.send(client, "GET", "/a2a/"+agent+"/tasks/"+string(id)+"/pushNotificationConfigs", nil, "A2A-Version", "1.0")
			return a.status == 200 && strings.Contains(a.body, `"configs":[]`)
		})
	}
}

// hosted sends requests with another Host.
type hosted struct {
	host string
	next http.RoundTripper
}

func (h hosted) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = h.host
	return h.next.RoundTrip(r)
}

// A Host that is none does not keep a task from being posted (B2B-A2A-019).
func TestA2APushForAnOddHost(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	to, next := newTaskReceiver(t), &http.Transport{}
	t.Cleanup(next.CloseIdleConnections)
	c, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{a2a.NewAgentInterface(s.url+"/a2a/"+s.agentID, a2a.TransportProtocolJSONRPC)},
		a2aclient.WithJSONRPCTransport(&http.Client{Transport: authorized{s.tokens["client"], hosted{"[", next}}}))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{
		Message: text("make a plan"), Config: &a2a.SendMessageConfig{ReturnImmediately: true, PushConfig: &a2a.PushConfig{URL: to.URL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the end of the task is posted", func() bool {
		task := to.last()[res.(*a2a.Task).ID]
		return task != nil && task.Status.State == a2a.TaskStateCompleted
	})
}
