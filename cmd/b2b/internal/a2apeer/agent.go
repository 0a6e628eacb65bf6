package a2apeer

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
)

const (
	callTime    = 30 * time.Second // of a call that has its answer at once
	listedTasks = 20
	listedTurns = 50 // messages of the history of a task
)

// Options are how an agent is called.
type Options struct {
	// URL is the address of the agent or of its card.
	URL string
	// Token is the credential; empty: none.
	Token string
	// Hosts are the hosts beside that of the card at which the agent may be called.
	Hosts []string
	// Transport makes the requests.
	Transport http.RoundTripper
	// Version is that of this program.
	Version string

	mostBody int64 // bytes of a response that is no stream; 0: mostBody
}

// Agent is an agent that can be called.
type Agent struct {
	Card *Card
	// Endpoint is where it is called.
	Endpoint *a2a.AgentInterface

	client    *a2aclient.Client
	streaming bool
}

// Open reads the card of an agent and prepares the calls.
func Open(ctx context.Context, o Options) (*Agent, error) {
	c, err := FetchCard(ctx, o.Transport, o.URL)
	if err != nil {
		return nil, err
	}
	endpoint, at, err := c.endpoint(o.Hosts)
	if err != nil {
		return nil, err
	}
	if uri := c.required(); uri != "" {
		return nil, fmt.Errorf("the agent wants callers to support the extension %s, which this program does not", uri)
	}
	key, err := c.credentialOf(o.Token)
	if err != nil {
		return nil, err
	}
	for _, u := range []*url.URL{c.From, at} { // a card that others can change would lead the credential elsewhere
		if key != nil && u.Scheme == "http" && !Loopback(u.Hostname()) {
			return nil, fmt.Errorf("the credential is not sent over plain http: %s needs https", u.Hostname())
		}
	}
	guarded := &http.Client{
		Transport:     &guard{next: o.Transport, origin: at, key: key, agent: "b2b/" + o.Version, idle: idleTime, most: cmp.Or(o.mostBody, mostBody)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client, err := a2aclient.NewFromEndpoints(ctx, []*a2a.AgentInterface{endpoint}, a2aclient.WithDefaultsDisabled(),
		a2aclient.WithJSONRPCTransport(guarded), a2aclient.WithRESTTransport(guarded))
	if err != nil {
		return nil, fmt.Errorf("prepare the calls of the agent: %w", err)
	}
	return &Agent{Card: c, Endpoint: endpoint, client: client, streaming: c.Capabilities.Streaming}, nil
}

// send sends a message, and returns what comes of it: a stream, or one element if the agent has none.
// The agent is asked to return a task at once, so that its id is known while it works.
func (a *Agent) send(ctx context.Context, m *a2a.Message) iter.Seq2[a2a.Event, error] {
	req := &a2a.SendMessageRequest{Message: m, Config: &a2a.SendMessageConfig{ReturnImmediately: true}}
	if a.streaming {
		req.Config = nil
		return a.client.SendStreamingMessage(ctx, req)
	}
	return func(yield func(a2a.Event, error) bool) { yield(a.client.SendMessage(ctx, req)) }
}

// subscribe returns what comes of a task from now on.
func (a *Agent) subscribe(ctx context.Context, task string) iter.Seq2[a2a.Event, error] {
	return a.client.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: a2a.TaskID(task)})
}

// get returns a task as it is.
func (a *Agent) get(ctx context.Context, task string) (*a2a.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	turns := listedTurns
	return a.client.GetTask(ctx, &a2a.GetTaskRequest{ID: a2a.TaskID(task), HistoryLength: &turns})
}

// find returns the newest task that has a message; nil: the agent has none, or does not say.
func (a *Agent) find(ctx context.Context, conversation, message string) (*a2a.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	turns := listedTurns
	res, err := a.client.ListTasks(ctx, &a2a.ListTasksRequest{
		ContextID: conversation, PageSize: listedTasks, HistoryLength: &turns,
	})
	if err != nil {
		if temporary(err) {
			return nil, err
		}
		return nil, nil // lists are optional, and not all agents have them
	}
	for _, t := range res.Tasks[:min(len(res.Tasks), listedTasks)] {
		if t != nil && hasMessage(t, message) {
			return a.get(ctx, string(t.ID)) // with its artifacts
		}
	}
	return nil, nil
}

// cancel ends a task. The agent may refuse.
func (a *Agent) cancel(ctx context.Context, task string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := a.client.CancelTask(ctx, &a2a.CancelTaskRequest{ID: a2a.TaskID(task)})
	return err
}

// hasMessage reports whether the history of a task has a message.
func hasMessage(t *a2a.Task, id string) bool {
	return slices.ContainsFunc(t.History, func(m *a2a.Message) bool { return m != nil && m.ID == id })
}
