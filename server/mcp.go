package server

import (
	"context"
	"net/http"
	"sync"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/mcp"
	"github.com/b2b-protocol/b2b/internal/service"
)

// mcpBinding serves /mcp (B2B-MCP): it passes the requests that the door admits to the server of MCP
// that has the tools of the caller's scopes. The tools call this server as any client does, in the process.
type mcpBinding struct {
	*door
	next  http.Handler
	waits *service.InboxWaits

	mu      sync.Mutex
	servers map[call.Scopes]*mcp.Server
}

func newMCP(d *door, waits *service.InboxWaits) *mcpBinding {
	b := &mcpBinding{door: d, waits: waits, servers: map[call.Scopes]*mcp.Server{}}
	b.next = mcp.Handler(b.pick, b)
	return b
}

// ServeHTTP implements http.Handler.
func (b *mcpBinding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.admit(w, r, "mcp", func(w http.ResponseWriter, r *http.Request) error {
		b.next.ServeHTTP(w, r)
		return nil
	})
}

// Await implements mcp.Inbox.
func (b *mcpBinding) Await(ctx context.Context) (woken <-chan struct{}, leave func(), err error) {
	caller := call.CallerOf(ctx)
	return b.waits.Join(caller.OrgID, caller.BotID)
}

// Current implements mcp.Inbox.
func (b *mcpBinding) Current(ctx context.Context) bool {
	info := *call.From(ctx)
	return b.pipeline.Identify(ctx, &info) == nil
}

// pick returns the bot that calls, and the server that has its tools.
func (b *mcpBinding) pick(r *http.Request) (bot string, server *mcp.Server) {
	caller := call.CallerOf(r.Context())
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.servers[caller.Scopes]
	if !ok {
		s = mcp.New(mcp.Config{Client: b.client, Scopes: namesOf(caller.Scopes), Version: Version, Log: b.log})
		b.servers[caller.Scopes] = s
	}
	return caller.BotID, s
}

func namesOf(s call.Scopes) (names mcp.Scopes) {
	for _, name := range call.ScopeNames() {
		if s&call.ParseScopes([]string{name}) != 0 {
			names = append(names, name)
		}
	}
	return names
}
