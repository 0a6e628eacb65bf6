package server

import (
	"net/http"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/mcp"
)

// mcpBinding serves /mcp (B2B-MCP): it passes the requests that the door admits to the server of MCP
// that has the tools of the caller's scopes. The tools call this server as any client does, in the process.
type mcpBinding struct {
	*door
	next http.Handler

	mu      sync.Mutex
	servers map[call.Scopes]*sdk.Server
}

func newMCP(d *door) *mcpBinding {
	b := &mcpBinding{door: d, servers: map[call.Scopes]*sdk.Server{}}
	b.next = mcp.Handler(b.pick)
	return b
}

// ServeHTTP implements http.Handler.
func (b *mcpBinding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.admit(w, r, "mcp", func(w http.ResponseWriter, r *http.Request) error {
		b.next.ServeHTTP(w, r)
		return nil
	})
}

// pick returns the bot that calls, and the server that has its tools.
func (b *mcpBinding) pick(r *http.Request) (bot string, server *sdk.Server) {
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
