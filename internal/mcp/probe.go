package mcp

import (
	"context"
	"time"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// probeTime bounds ScopesOf: clients wait only some seconds for a server to start.
const probeTime = 3 * time.Second

// ScopesOf finds what the token of a client may do. It makes calls that change nothing: a server checks
// the scope before it finds that a request lacks what it needs. A server that does not respond leaves
// all tools listed; it refuses what the token may not do.
func ScopesOf(ctx context.Context, c *b2b.Client) Scopes {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var scopes Scopes
	for _, probe := range []struct {
		scope string
		call  func() error
	}{
		{"read", func() error { _, err := c.Bots.GetMe(ctx, &b2bv1.GetMeRequest{}); return err }},
		{"thread", func() error { _, err := c.Threads.CreateThread(ctx, &b2bv1.CreateThreadRequest{}); return err }},
		{"message", func() error {
			_, err := c.Channels.SendDirectMessage(ctx, &b2bv1.SendDirectMessageRequest{})
			return err
		}},
	} {
		if b2b.CodeOf(probe.call()) != b2bv1.ErrorCode_ERROR_CODE_INSUFFICIENT_SCOPE {
			scopes = append(scopes, probe.scope)
		}
	}
	return scopes
}
