package mcp

import (
	"context"
	"net/http"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// request is what the tools know of the HTTP request by which they are called. Over stdio it is empty.
type request struct {
	bot  string          // the id of the bot that calls
	gone context.Context // ends when the client is gone; nil: over stdio

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

// Handler serves MCP over HTTP, without sessions. pick returns the id of the bot that calls and its
// server. The caller was authenticated and the body read and bounded before.
func Handler(pick func(*http.Request) (bot string, server *sdk.Server)) http.Handler {
	inner := sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server {
		_, server := pick(r)
		return server
	}, &sdk.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true, MaxRequestBodyBytes: -1, DisableLocalhostProtection: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bot, _ := pick(r)
		q := &request{bot: bot, gone: r.Context()}
		defer q.end()
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	})
}
