package edge

import (
	"net/http"
	"strings"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/rest"
	"github.com/b2b-protocol/b2b/internal/ws"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Config is the handlers and settings of Handler.
type Config struct {
	REST     http.Handler // also handles all paths that no binding takes
	RPC      http.Handler // the paths below /b2b.v1.
	Sockets  http.Handler // WebSocket connections; it gets valid handshakes only
	MCP      http.Handler // the path /mcp; nil: REST gets it, as any other path
	A2A      http.Handler // the paths below /a2a/; nil: as for MCP
	Origins  []string     // see cors
	BasePath string       // a prefix that a proxy may not have removed, such as "/hub"
}

// Handler returns the handler in front of all bindings (B2B-HTTP-030).
func Handler(c Config) http.Handler {
	return cors(c.Origins, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = below(c.BasePath, r)
		switch {
		case ws.IsUpgrade(r):
			if why := badHandshake(r); why != "" {
				// An error means that the client is gone.
				_ = rest.WriteError(w, r, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_VALIDATION_ERROR, "%s", why))
				return
			}
			c.Sockets.ServeHTTP(w, r)
		case isRPC(r.URL.Path):
			c.RPC.ServeHTTP(w, r)
		case c.MCP != nil && equal(strings.TrimSuffix(r.URL.Path, "/"), mcpPath):
			c.MCP.ServeHTTP(w, r)
		case c.A2A != nil && hasPrefix(r.URL.Path, a2aPrefix):
			c.A2A.ServeHTTP(w, r)
		default:
			c.REST.ServeHTTP(w, r)
		}
	}))
}

const (
	rpcPrefix = "/b2b.v1."
	mcpPath   = "/mcp"
	a2aPrefix = "/a2a/"
)

func isRPC(path string) bool { return hasPrefix(path, rpcPrefix) }

// below returns the request without the base path, if the proxy did not remove it (B2B-HTTP-020).
func below(base string, r *http.Request) *http.Request {
	if base == "" {
		return r
	}
	path, ok := cut(r.URL.Path, base)
	if !ok {
		return r
	}
	raw := ""
	if r.URL.RawPath != "" {
		if raw, ok = cut(r.URL.RawPath, base); !ok {
			return r
		}
	}
	u := *r.URL
	u.Path, u.RawPath = path, raw
	out := *r
	out.URL = &u
	return &out
}

// cut removes a prefix that ends at a segment boundary.
func cut(path, prefix string) (string, bool) {
	if !hasPrefix(path, prefix) || len(path) == len(prefix) || path[len(prefix)] != '/' {
		return "", false
	}
	return path[len(prefix):], true
}

// hasPrefix compares ASCII letters without regard to case (B2B-HTTP-011).
func hasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && equal(s[:len(prefix)], prefix)
}

func equal(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
