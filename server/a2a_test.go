package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server"
)

// a2aScene is an org with a client of A2A, and a bot that is an agent and works.
type a2aScene struct {
	*liveNode
	t       *testing.T
	tokens  map[string]string
	agentID string
	worker  *b2b.Client
}

func newA2AScene(t *testing.T) *a2aScene {
	n := newLiveNode(t, func(*server.Config) {})
	s := &a2aScene{liveNode: n, t: t, tokens: n.team(t, "worker", "client", "other")}
	s.worker = b2b.New(n.url, b2b.WithToken(s.tokens["worker"]))
	me, err := s.worker.Bots.UpdateProfile(t.Context(), &b2bv1.UpdateProfileRequest{
		Bio: proto.String("Works."), Protocols: proto.String(`{"a2a":{"skills":[{"id":"echo","name":"Echo","tags":["text"]}]}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.agentID = me.GetBot().GetId()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.worker.Work(ctx, s.work, b2b.WithConcurrency(4)) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// work is what the agent does with a message, by its first word.
func (s *a2aScene) work(ctx context.Context, item *b2b.InboxItem) error {
	m := item.GetEvent().GetThreadMessage().GetMessage()
	if m == nil { // an invitation
		return item.Ack(ctx)
	}
	thread, text := item.GetThreadId(), strings.TrimPrefix(m.GetContent(), "@worker ")
	said := func(text string, set ...func(*b2bv1.SendThreadMessageRequest)) error {
		_, err := s.worker.SendToThread(ctx, thread, text, set...)
		return err
	}
	status := func(status b2bv1.ThreadStatus) error {
		_, err := s.worker.Threads.UpdateThread(ctx, &b2bv1.UpdateThreadRequest{ThreadId: thread, Status: &status})
		return err
	}
	switch word, _, _ := strings.Cut(text, " "); word {
	case "wait":
		return item.Ack(ctx)
	case "ask":
		return errors.Join(said("Which one?"), status(b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED), item.Ack(ctx))
	case "make":
		_, err := s.worker.Artifacts.AddArtifact(ctx, &b2bv1.AddArtifactRequest{
			ThreadId: thread, ArtifactKey: proto.String("plan"), Type: b2bv1.ArtifactType_ARTIFACT_TYPE_MARKDOWN.Enum(),
			Title: proto.String("The plan"), Content: proto.String("# Plan"),
		})
		report := func(q *b2bv1.SendThreadMessageRequest) { q.NoReply = proto.Bool(true) }
		return errors.Join(said("on it", report), err, said("done"), status(b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED), item.Ack(ctx))
	}
	_, err := item.Reply(ctx, "echo: "+text)
	return err
}

// client returns a client of A2A with a token.
func (s *a2aScene) client(token string, over a2a.TransportProtocol) *a2aclient.Client {
	s.t.Helper()
	next := &http.Transport{}
	c := &http.Client{Transport: authorized{token, next}}
	out, err := a2aclient.NewFromEndpoints(s.t.Context(), []*a2a.AgentInterface{a2a.NewAgentInterface(s.url+"/a2a/"+s.agentID, over)},
		a2aclient.WithJSONRPCTransport(c), a2aclient.WithRESTTransport(c))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = out.Destroy() // has nothing open
		next.CloseIdleConnections()
	})
	return out
}

func text(s string) *a2a.Message { return a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(s)) }

// send sends a message and returns the task.
func (s *a2aScene) send(c *a2aclient.Client, m *a2a.Message) *a2a.Task {
	s.t.Helper()
	res, err := c.SendMessage(s.t.Context(), &a2a.SendMessageRequest{Message: m})
	if err != nil {
		s.t.Fatal(err)
	}
	task, ok := res.(*a2a.Task)
	if !ok {
		s.t.Fatalf("the result is %T", res)
	}
	return task
}

func saidIn(task *a2a.Task) (texts []string) {
	for _, m := range task.History {
		texts = append(texts, string(m.Role)+" "+m.Parts[0].Text())
	}
	return texts
}

// A client gives an agent a task, goes on with it, and repeats a request, over each binding
// (B2B-A2A-001, 005, 010, 011).
func TestA2ATask(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	for _, over := range []a2a.TransportProtocol{a2a.TransportProtocolJSONRPC, a2a.TransportProtocolHTTPJSON} {
		t.Run(string(over), func(t *testing.T) {
			s := &a2aScene{s.liveNode, t, s.tokens, s.agentID, s.worker}
			c := s.client(s.tokens["client"], over)
			first := text("hello")
			first.ContextID = "ctx-" + string(over)
			task := s.send(c, first)
			if task.Status.State != a2a.TaskStateInputRequired || task.Status.Message.Parts[0].Text() != "echo: hello" || task.ContextID != first.ContextID {
				t.Fatalf("the task is %+v %+v", task.Status, task)
			}
			if task.History[0].ID != first.ID {
				t.Errorf("the message has the id %s, and had %s", task.History[0].ID, first.ID)
			}
			again := text("and again")
			again.TaskID = task.ID
			s.send(c, again)
			for _, m := range []*a2a.Message{first, again} { // each a second time
				task = s.send(c, m)
			}
			want := []string{"ROLE_USER hello", "ROLE_AGENT echo: hello", "ROLE_USER and again", "ROLE_AGENT echo: and again"}
			if got := saidIn(task); !slices.Equal(got, want) {
				t.Errorf("the history is %q, want %q", got, want)
			}
			got, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: task.ID, HistoryLength: new(int)})
			if err != nil || len(got.History) != 0 {
				t.Errorf("GetTask without history: %+v, %v", got, err)
			}
			if _, err := s.client(s.tokens["other"], over).GetTask(t.Context(), &a2a.GetTaskRequest{ID: task.ID}); !errors.Is(err, a2a.ErrTaskNotFound) {
				t.Errorf("another bot gets the task: %v", err)
			}
		})
	}
}

// A stream has the task, and then what the agent says, makes and ends it with (B2B-A2A-012).
func TestA2AStream(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	for _, over := range []a2a.TransportProtocol{a2a.TransportProtocolJSONRPC, a2a.TransportProtocolHTTPJSON} {
		t.Run(string(over), func(t *testing.T) {
			s := &a2aScene{s.liveNode, t, s.tokens, s.agentID, s.worker}
			c := s.client(s.tokens["client"], over)
			var states []a2a.TaskState
			var artifacts, texts []string
			var id a2a.TaskID
			note := func(status a2a.TaskStatus, m *a2a.Message) {
				states = append(states, status.State)
				if m != nil {
					texts = append(texts, m.Parts[0].Text())
				}
			}
			for event, err := range c.SendStreamingMessage(t.Context(), &a2a.SendMessageRequest{Message: text("make a plan")}) {
				if err != nil {
					t.Fatal(err)
				}
				switch e := event.(type) {
				case *a2a.Task:
					id = e.ID
					note(e.Status, nil)
				case *a2a.TaskStatusUpdateEvent:
					note(e.Status, e.Status.Message)
				case *a2a.TaskArtifactUpdateEvent:
					artifacts = append(artifacts, string(e.Artifact.ID)+" "+e.Artifact.Parts[0].Text())
				}
			}
			if len(states) < 2 || states[0] != a2a.TaskStateSubmitted && states[0] != a2a.TaskStateWorking || !states[len(states)-1].Terminal() {
				// The agent may be done before the first look at the task.
				if len(states) != 1 || states[0] != a2a.TaskStateCompleted {
					t.Errorf("the states are %v", states)
				}
			}
			task, err := c.GetTask(t.Context(), &a2a.GetTaskRequest{ID: id})
			if err != nil || task.Status.State != a2a.TaskStateCompleted || len(task.Artifacts) != 1 || task.Artifacts[0].Name != "The plan" {
				t.Fatalf("the task is %+v, %v", task, err)
			}
			t.Log(states, texts, artifacts)
			for _, err := range c.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: id}) {
				if !errors.Is(err, a2a.ErrUnsupportedOperation) {
					t.Errorf("subscribing to a task that has ended: %v", err)
				}
			}
			more := text("more")
			more.TaskID = id
			if _, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: more}); !errors.Is(err, a2a.ErrUnsupportedOperation) {
				t.Errorf("a message to a task that has ended: %v", err)
			}
			if _, err := c.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: id}); !errors.Is(err, a2a.ErrTaskNotCancelable) {
				t.Errorf("cancelling a task that has ended: %v", err)
			}
		})
	}
}

// A client is asked, answers, subscribes again, and cancels (B2B-A2A-010, 012, 014).
func TestA2AInput(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	c := s.client(s.tokens["client"], a2a.TransportProtocolJSONRPC)
	task := s.send(c, text("ask me"))
	thread, err := s.worker.Threads.GetThread(t.Context(), &b2bv1.GetThreadRequest{ThreadId: string(task.ID)})
	if err != nil || task.Status.State != a2a.TaskStateInputRequired {
		t.Fatalf("the task is %+v, the thread %v, %v", task.Status, thread, err)
	}
	answer := text("wait")
	answer.TaskID = task.ID
	now := true
	res, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: answer, Config: &a2a.SendMessageConfig{ReturnImmediately: now}})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.(*a2a.Task); got.Status.State != a2a.TaskStateWorking {
		t.Errorf("after the answer the task is %v", got.Status.State)
	}
	var states []a2a.TaskState
	for event, err := range c.SubscribeToTask(t.Context(), &a2a.SubscribeToTaskRequest{ID: task.ID}) {
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case *a2a.Task:
			states = append(states, e.Status.State)
			if _, err := c.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: task.ID}); err != nil {
				t.Fatal(err)
			}
		case *a2a.TaskStatusUpdateEvent:
			states = append(states, e.Status.State)
		}
	}
	if want := []a2a.TaskState{a2a.TaskStateWorking, a2a.TaskStateCanceled}; !slices.Equal(states, want) {
		t.Errorf("the states are %v, want %v", states, want)
	}
}

// Files of both sides, JSON and links arrive (B2B-A2A-015).
func TestA2AParts(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	c := s.client(s.tokens["client"], a2a.TransportProtocolJSONRPC)
	raw := a2a.NewRawPart([]byte("bytes"))
	raw.Filename, raw.MediaType = "a.txt", "text/plain"
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("take these"), raw, a2a.NewDataPart(map[string]any{"n": 1}),
		a2a.NewFileURLPart("https://example.com/x", "text/html"))
	task := s.send(c, m)
	parts := task.History[0].Parts
	if len(parts) != 4 || parts[0].Text() != "take these" || parts[1].Filename != "a.txt" || parts[3].URL() != "https://example.com/x" {
		t.Fatalf("the parts are %+v", parts)
	}
	if data, ok := parts[2].Data().(map[string]any); !ok || data["n"] != 1.0 {
		t.Errorf("the data are %v", parts[2].Data())
	}
	raw.MediaType = "application/x-thing"
	if _, err := c.SendMessage(t.Context(), &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, raw)}); !errors.Is(err, a2a.ErrUnsupportedContentType) {
		t.Errorf("a file of a type that is not accepted: %v", err)
	}
	if list, err := c.ListTasks(t.Context(), &a2a.ListTasksRequest{Status: a2a.TaskStateFailed}); err != nil || list.TotalSize != 1 {
		t.Errorf("the task whose first message was refused: %+v, %v", list, err)
	}
	get := func(token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, string(parts[1].URL()), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Transport: authorized{token, http.DefaultTransport}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if status, body := get(s.tokens["client"]); status != 200 || body != "bytes" {
		t.Errorf("the file is %d %q", status, body)
	}
	if status, _ := get("bot_" + base64.RawURLEncoding.EncodeToString(make([]byte, 36))); status != 401 {
		t.Errorf("without a credential, the file is %d", status)
	}
}

// The lists of tasks have all filters and pages (B2B-A2A-013).
func TestA2AList(t *testing.T) {
	t.Parallel()
	s := newA2AScene(t)
	c := s.client(s.tokens["client"], a2a.TransportProtocolHTTPJSON)
	var made []a2a.TaskID
	for i := range 5 {
		m := text("hello")
		if i%2 == 0 {
			m.ContextID = "even"
		}
		made = append(made, s.send(c, m).ID)
	}
	if _, err := c.CancelTask(t.Context(), &a2a.CancelTaskRequest{ID: made[4]}); err != nil {
		t.Fatal(err)
	}
	ids := func(req a2a.ListTasksRequest) (out []a2a.TaskID, res *a2a.ListTasksResponse) {
		t.Helper()
		res, err := c.ListTasks(t.Context(), &req)
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range res.Tasks {
			out = append(out, task.ID)
		}
		return out, res
	}
	newest := slices.Clone(made)
	slices.Reverse(newest)
	if got, res := ids(a2a.ListTasksRequest{}); !slices.Equal(got, newest) || res.TotalSize != 5 || res.NextPageToken != "" || res.Tasks[0].History != nil {
		t.Errorf("all: %v of %d", got, res.TotalSize)
	}
	if got, _ := ids(a2a.ListTasksRequest{ContextID: "even"}); !slices.Equal(got, []a2a.TaskID{made[4], made[2], made[0]}) {
		t.Errorf("of a context: %v", got)
	}
	if got, res := ids(a2a.ListTasksRequest{Status: a2a.TaskStateCanceled}); !slices.Equal(got, made[4:]) || res.TotalSize != 1 {
		t.Errorf("canceled: %v", got)
	}
	if got, _ := ids(a2a.ListTasksRequest{Status: a2a.TaskStateRejected}); got != nil {
		t.Errorf("rejected: %v", got)
	}
	var paged []a2a.TaskID
	for token := ""; ; {
		got, res := ids(a2a.ListTasksRequest{PageSize: 2, PageToken: token})
		paged = append(paged, got...)
		if token = res.NextPageToken; token == "" {
			break
		}
		if len(got) != 2 || res.TotalSize != 5 {
			t.Fatalf("a page is %v of %d", got, res.TotalSize)
		}
	}
	if !slices.Equal(paged, newest) {
		t.Errorf("the pages are %v, want %v", paged, newest)
	}
	for _, bad := range []a2a.ListTasksRequest{{PageSize: 101}, {PageSize: -1}, {Status: "TASK_STATE_ODD"}, {PageToken: "?"}} {
		if _, err := c.ListTasks(t.Context(), &bad); !errors.Is(err, a2a.ErrInvalidParams) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

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

// B2B-A2A-007, 016: requests of other versions, and what is not supported, are refused.
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
		{"a push config", "GET", at + "/tasks/x/pushNotificationConfigs", "", "1.0", "PUSH_NOTIFICATION_NOT_SUPPORTED", 400},
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
	var all, pages int
	for token := ""; ; {
		some := 100
		res, err := c.ListTasks(t.Context(), &a2a.ListTasksRequest{PageToken: token, HistoryLength: &some})
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
	if all != 6 || pages < 2 {
		t.Errorf("%d tasks on %d pages", all, pages)
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
