package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// request is what the tools know of the HTTP request by which they are called. Over stdio it is empty.
type request struct {
	bot  string          // the id of the bot that calls
	gone context.Context // ends when the client does not want the response any more; nil: over stdio
	drop context.CancelFunc
	// aside says that a call of wait waits aside (see handler.serveAside).
	aside bool
	body  []byte   // if it is short
	waits *waiting // nil: it does not wait, or not yet
	// listens is the server of a request to listen; nil: it is another one.
	listens *sdk.Server

	mu   sync.Mutex
	back []func() // gives back what the client did not get
}

type requestKey struct{}

// requestOf returns the request of a call; over stdio an empty one.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// while returns a context that ends with ctx, and when the client is gone. A client of an older version
// of MCP that gives up closes its request, of which the context of the call does not know.
func (r *request) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if r.gone == nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(r.gone, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// unlessGot registers what is to be done if the client is gone before it has got the response.
func (r *request) unlessGot(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.back = append(r.back, f)
}

// got says that the client has got the response.
func (r *request) got() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.back = nil
}

func (r *request) end() {
	if r.gone.Err() == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.back {
		f()
	}
}

// handler serves MCP over HTTP.
type handler struct {
	next  http.Handler
	pick  func(*http.Request) (bot string, server *Server)
	inbox Inbox // nil: calls wait in claims

	mu      sync.Mutex
	running map[string]map[*request]bool // by the key of the call
}

// Handler serves MCP over HTTP, without sessions. pick returns the id of the bot that calls and its
// server. The caller was authenticated, and the body was read and bounded before. inbox may be nil.
func Handler(pick func(*http.Request) (bot string, server *Server), inbox Inbox) http.Handler {
	return &handler{
		pick: pick, inbox: inbox, running: map[string]map[*request]bool{},
		next: sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server {
			if q := requestOf(r.Context()); q.listens != nil {
				return q.listens
			}
			_, server := pick(r)
			return server.Server
		}, &sdk.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true, MaxRequestBodyBytes: -1, DisableLocalhostProtection: true}),
	}
}

// ServeHTTP implements http.Handler. Its goroutine may wait for minutes, so its stack is to be small.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, q, done := h.begin(r)
	defer done()
	switch {
	case q.aside:
		h.serveAside(w, r, q)
	case q.listens != nil:
		h.serveListen(w, r)
	default:
		h.next.ServeHTTP(w, r)
	}
}

// begin returns an HTTP request with what the tools know of it, and what is to be done when it ends.
func (h *handler) begin(r *http.Request) (_ *http.Request, q *request, done func()) {
	bot, server := h.pick(r)
	q = &request{bot: bot}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
	q.gone, q.drop = context.WithCancel(r.Context())
	key, m := "", messageOf(r, q)
	if m != nil {
		client := bot + "\x00" + hostOf(r.RemoteAddr) + "\x00" + r.UserAgent() + "\x00"
		switch {
		case m.Method == "notifications/cancelled" && m.Params.RequestID != nil:
			h.cancel(client + string(m.Params.RequestID))
		case m.Method == "tools/call" && m.ID != nil:
			key = client + string(m.ID)
			h.run(key, q)
			q.aside = h.inbox != nil && m.Params.Name == waitName
		case m.Method == listenMethod && m.ID != nil:
			q.listens = server.listener()
		}
	}
	return r, q, func() {
		q.end()
		if key != "" {
			h.ran(key, q)
		}
		q.drop()
	}
}

// mostPeek bounds the bodies that are looked into: calls that wait, and cancellations, are short.
const mostPeek = 16 << 10

// message is what matters of a message of MCP here.
type message struct {
	Method string          `json:"method"`
	ID     json.RawMessage `json:"id"`
	Params struct {
		RequestID json.RawMessage `json:"requestId"`
		Name      string          `json:"name"`
	} `json:"params"`
}

// messageOf returns the message of a request, and leaves its body to be read; nil: it is large, or not
// one message.
func messageOf(r *http.Request, q *request) (m *message) {
	if r.ContentLength <= 0 || r.ContentLength > mostPeek {
		return nil
	}
	q.body = make([]byte, r.ContentLength)
	n, err := io.ReadFull(r.Body, q.body)
	q.body = q.body[:n]
	r.Body = io.NopCloser(bytes.NewReader(q.body))
	if err != nil || json.Unmarshal(q.body, &m) != nil {
		return nil // the library says what is wrong
	}
	return m
}

// run registers a call that can be cancelled, until ran. Clients of earlier revisions that give up
// leave the request open, and say so in another one. A session would say which client that is; without
// one, it is the same bot, address, program and id.
func (h *handler) run(key string, q *request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running[key] == nil {
		h.running[key] = map[*request]bool{}
	}
	h.running[key][q] = true
}

func (h *handler) ran(key string, q *request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.running[key], q); len(h.running[key]) == 0 {
		delete(h.running, key)
	}
}

// cancel drops the calls with a key.
func (h *handler) cancel(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for q := range h.running[key] {
		q.drop()
	}
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
