// Package a2atest has an A2A agent for tests: made with the server of the library, it does what the first
// word of a message says.
package a2atest

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/a2aproject/a2a-go/v2/a2asrv/taskstore"
)

// Options are what the agent offers.
type Options struct {
	REST      bool // HTTP+JSON, else JSON-RPC
	NoStreams bool
	NoLists   bool // tasks cannot be listed
	// Token is the bearer token that calls need; empty: none.
	Token string
	// Card changes the card.
	Card func(*a2a.AgentCard)
	// Wrap goes around the handler of the calls.
	Wrap func(http.Handler) http.Handler
}

// Agent is an agent that runs until the test ends.
type Agent struct {
	URL    string
	server *httptest.Server
	begin  func() http.Handler // of the calls, without any tasks

	mu       sync.Mutex
	calls    http.Handler
	messages []*a2a.Message
	canceled int
	gate     chan struct{}
	open     sync.Once
}

// Start starts an agent.
func Start(t testing.TB, o Options) *Agent {
	a := &Agent{gate: make(chan struct{})}
	name := func(context.Context) (string, error) { return "runner", nil }
	if o.NoLists { // the library lists only the tasks of callers with a name
		name = func(context.Context) (string, error) { return "", nil }
	}
	binding, path := a2a.TransportProtocolJSONRPC, "/rpc"
	if o.REST {
		binding, path = a2a.TransportProtocolHTTPJSON, "/rest/"
	}
	a.begin = func() http.Handler {
		handler := a2asrv.NewHandler(a, a2asrv.WithTaskStore(taskstore.NewInMemory(&taskstore.InMemoryStoreConfig{Authenticator: name})))
		calls := a2asrv.NewJSONRPCHandler(handler)
		if o.REST {
			calls = http.StripPrefix("/rest", a2asrv.NewRESTHandler(handler))
		}
		if o.Wrap != nil {
			calls = o.Wrap(calls)
		}
		return calls
	}
	a.calls = a.begin()
	mux := http.NewServeMux()
	mux.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.Token != "" && r.Header.Get("Authorization") != "Bearer "+o.Token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		a.mu.Lock()
		calls := a.calls
		a.mu.Unlock()
		calls.ServeHTTP(w, r)
	}))
	server := httptest.NewServer(mux)
	a.server = server
	t.Cleanup(func() {
		a.Open()
		server.CloseClientConnections()
		server.Close()
	})
	a.URL = server.URL
	card := &a2a.AgentCard{
		Name: "Weather Agent (EU)", Description: "Tells the weather.\x1b[31m\nOf today.", Version: "1.0.0",
		Capabilities:       a2a.AgentCapabilities{Streaming: !o.NoStreams},
		DefaultInputModes:  []string{"text/plain"},
		DefaultOutputModes: []string{"text/plain"},
		Skills: []a2a.AgentSkill{
			{ID: "w", Name: "Weather", Tags: []string{"weather", "eu\u202e"}}, {ID: "r", Name: "Rain", Tags: []string{"weather", "rain"}},
		},
		SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface(server.URL+strings.TrimSuffix(path, "/"), binding)},
	}
	if o.Token != "" {
		card.SecuritySchemes = a2a.NamedSecuritySchemes{"bearer": a2a.HTTPAuthSecurityScheme{Scheme: "Bearer"}}
		card.SecurityRequirements = a2a.SecurityRequirementsOptions{{"bearer": {}}}
	}
	if o.Card != nil {
		o.Card(card)
	}
	mux.Handle("/.well-known/agent-card.json", a2asrv.NewStaticAgentCardHandler(card))
	return a
}

// Crash ends what the agent does, and it forgets all tasks, as a process does that is killed and started
// again.
func (a *Agent) Crash() {
	a.mu.Lock()
	a.calls = a.begin()
	a.mu.Unlock()
	a.server.CloseClientConnections()
}

// Open lets the tasks of "slow" go on.
func (a *Agent) Open() { a.open.Do(func() { close(a.gate) }) }

// Messages returns what the agent was sent, oldest first, each as often as it came.
func (a *Agent) Messages() []*a2a.Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.messages)
}

// Canceled returns how many tasks were canceled.
func (a *Agent) Canceled() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.canceled
}

// Execute implements a2asrv.AgentExecutor.
func (a *Agent) Execute(ctx context.Context, e *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	a.mu.Lock()
	a.messages = append(a.messages, e.Message)
	a.mu.Unlock()
	said := ""
	if len(e.Message.Parts) > 0 {
		said = e.Message.Parts[0].Text()
	}
	if strings.HasPrefix(said, "@") { // it is mentioned
		_, said, _ = strings.Cut(said, " ")
	}
	said = strings.TrimSpace(said)
	return func(yield func(a2a.Event, error) bool) {
		if e.StoredTask != nil { // it waited for this
			yield(status(e, a2a.TaskStateCompleted, "You chose "+said+"."), nil)
			return
		}
		if said == "answer" {
			m := a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("Without a task."))
			m.ContextID = e.ContextID
			yield(m, nil)
			return
		}
		if !yield(a2a.NewSubmittedTask(e, e.Message), nil) {
			return
		}
		if word, _, _ := strings.Cut(said, " "); (word == "slow" || word == "forever") && !yield(status(e, a2a.TaskStateWorking, "Thinking."), nil) {
			return
		}
		for _, event := range a.script(ctx, e, said) {
			if event == nil || !yield(event, nil) {
				return
			}
		}
	}
}

// script returns what the agent does; nil ends it before it is done.
func (a *Agent) script(ctx context.Context, e *a2asrv.ExecutorContext, said string) []a2a.Event {
	switch word, _, _ := strings.Cut(said, " "); word {
	case "report":
		first := a2a.NewArtifactEvent(e, a2a.NewTextPart("# The "))
		first.Artifact.Name = "report.markdown"
		end := a2a.NewArtifactUpdateEvent(e, first.Artifact.ID, a2a.NewTextPart("report"))
		end.LastChunk = true
		return []a2a.Event{status(e, a2a.TaskStateWorking, "Writing."), first, end, status(e, a2a.TaskStateCompleted, "")}
	case "file":
		event := a2a.NewArtifactEvent(e, &a2a.Part{Content: a2a.Raw(said), MediaType: "image/png"})
		event.Artifact.Name = "sky.png"
		return []a2a.Event{event, status(e, a2a.TaskStateCompleted, "")}
	case "ask":
		return []a2a.Event{status(e, a2a.TaskStateInputRequired, "Which colour?")}
	case "fail":
		return []a2a.Event{status(e, a2a.TaskStateFailed, "There is no such city.")}
	case "reject":
		return []a2a.Event{status(e, a2a.TaskStateRejected, "")}
	case "parts":
		m := a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("All kinds."), a2a.NewDataPart(map[string]any{"sky": "<blue>"}),
			&a2a.Part{Content: a2a.Raw("PNG"), Filename: "../sky.png", MediaType: "image/png"}, a2a.NewFileURLPart("https://example.com/map", ""),
			a2a.NewFileURLPart("javascript:alert(1)", ""))
		event := a2a.NewStatusUpdateEvent(e, a2a.TaskStateCompleted, m)
		return []a2a.Event{event}
	case "slow":
		select {
		case <-a.gate:
		case <-ctx.Done():
			return []a2a.Event{nil}
		}
	case "forever":
		<-ctx.Done()
		return []a2a.Event{nil}
	}
	return []a2a.Event{status(e, a2a.TaskStateCompleted, "Done: "+said)}
}

// Cancel implements a2asrv.AgentExecutor.
func (a *Agent) Cancel(_ context.Context, e *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	a.mu.Lock()
	a.canceled++
	a.mu.Unlock()
	return func(yield func(a2a.Event, error) bool) { yield(status(e, a2a.TaskStateCanceled, ""), nil) }
}

// status returns a status with a message; empty: without one.
func status(e *a2asrv.ExecutorContext, state a2a.TaskState, text string) *a2a.TaskStatusUpdateEvent {
	if text == "" {
		return a2a.NewStatusUpdateEvent(e, state, nil)
	}
	return a2a.NewStatusUpdateEvent(e, state, a2a.NewMessageForTask(a2a.MessageRoleAgent, e, a2a.NewTextPart(text)))
}
