package ws_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/ws"
)

// counted counts the authentications of connections, and runs before each.
type counted struct {
	ws.Access
	n      atomic.Int64
	before func(n int64)
}

func (c *counted) Authenticate(ctx context.Context, creds call.Credentials) (*call.Caller, error) {
	if n := c.n.Add(1); c.before != nil {
		defer c.before(n)
	}
	return c.Access.Authenticate(ctx, creds)
}

// TestHandshakeAuthenticatesOnce: a handshake authenticates its caller once, and once more if access
// changed meanwhile (B2B-WS-004).
func TestHandshakeAuthenticatesOnce(t *testing.T) {
	t.Parallel()
	var access *counted
	w := newFixture(t, func(c *ws.Config) {
		access = &counted{Access: c.Access}
		c.Access = access
		c.Heartbeat = time.Hour // so that only handshakes authenticate
	})
	stays := w.open(w.ann.token)
	stays.settle()
	if n := access.n.Load(); n != 1 {
		t.Errorf("a handshake authenticates %d times", n)
	}

	var made struct{ ID, Token string }
	w.into(&made, w.call("POST", "/api/me/tokens", w.bob.token, `{"scopes":["read"]}`))
	ticket := w.ticket(made.Token)
	access.n.Store(0)
	access.before = func(n int64) { // the connection's caller is known, and it has no subscription yet
		if n == 1 {
			w.call("DELETE", "/api/me/tokens/"+made.ID, w.bob.token, "")
		}
	}
	w.dial("?ticket="+ticket).closed(4001, "Invalid token")
}
