package mcp

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// listenMethod is the request of revision 2026-07-28 whose response is a stream of notifications.
const listenMethod = "subscriptions/listen"

// listener returns the server of one request to listen. The library notifies all clients of a server
// that have subscribed to a resource, so each has its own: one client must not learn of changes by
// what another one may see.
func (s *Server) listener() *sdk.Server {
	options := &sdk.ServerOptions{Capabilities: &sdk.ServerCapabilities{}}
	w := newWatch(&tools{Config: s.config})
	if s.config.Scopes.allow(scopeOf(&b2bv1.GetThreadRequest{})) {
		options.Capabilities.Resources = &sdk.ResourceCapabilities{}
		options.SubscribeHandler, options.UnsubscribeHandler = w.subscribe, w.unsubscribe
	}
	w.closes, w.server = true, sdk.NewServer(implementation(s.config), options)
	w.tools.addResources(w.server)
	w.server.AddReceivingMiddleware(recovering(s.config.Log))
	return w.server
}

// announcing returns middleware by which a client of 2026-07-28 learns that it can subscribe. Clients of
// earlier revisions cannot: without sessions there is nothing to notify them by.
func announcing() sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			res, err := next(ctx, method, req)
			if d, ok := res.(*sdk.DiscoverResult); ok && err == nil && d.Capabilities.Resources != nil {
				d.Capabilities.Resources.Subscribe = true
			}
			return res, err
		}
	}
}

// serveListen serves a request to listen, with a comment while nothing changes, so that proxies let
// the response live.
func (h *handler) serveListen(w http.ResponseWriter, r *http.Request) {
	out := &commented{ResponseWriter: w}
	ctx, stop := context.WithCancel(r.Context())
	var done sync.WaitGroup
	done.Go(func() { out.run(ctx) })
	defer done.Wait()
	defer stop()
	h.next.ServeHTTP(out, r)
}

// commented is a response to which comments are written once it has begun.
type commented struct {
	http.ResponseWriter

	mu    sync.Mutex
	begun bool
}

// Write implements http.ResponseWriter.
func (c *commented) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = true
	return c.ResponseWriter.Write(p)
}

// FlushError serves http.ResponseController.
func (c *commented) FlushError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return http.NewResponseController(c.ResponseWriter).Flush()
}

func (c *commented) run(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.comment() != nil {
				return // the client is gone
			}
		case <-ctx.Done():
			return
		}
	}
}

func (c *commented) comment() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		return nil
	}
	if _, err := io.WriteString(c.ResponseWriter, ": \n\n"); err != nil {
		return err
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}
