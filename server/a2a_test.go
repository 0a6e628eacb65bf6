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

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/waittest"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
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
	n := newLiveNode(t, allowHere(t))
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
		return errors.Join(said("on it", report), err, said("done", report), status(b2bv1.ThreadStatus_THREAD_STATUS_RESOLVED), item.Ack(ctx))
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
	if task.Status.State != a2a.TaskStateInputRequired {
		t.Fatalf("the task is %+v", task.Status)
	}
	waittest.Until(t, "the agent blocks the thread, after its question", func() bool {
		thread, err := s.worker.Threads.GetThread(t.Context(), &b2bv1.GetThreadRequest{ThreadId: string(task.ID)})
		return err == nil && thread.GetThread().GetStatus() == b2bv1.ThreadStatus_THREAD_STATUS_BLOCKED
	})
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
