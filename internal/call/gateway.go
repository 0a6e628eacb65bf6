package call

import "context"

type gatewayKey struct{}

// ThroughA2A returns a context for the calls that the server makes itself to serve a request of A2A.
// A token with the scope a2a, which allows no call of a client, has the scopes for them (B2B-A2A-004).
func ThroughA2A(ctx context.Context) context.Context {
	return context.WithValue(ctx, gatewayKey{}, true)
}

type tokenKey struct{}

// WithToken returns a context for calls that the server makes itself, outside of a request: as the bot of
// a token with a hash, while that is valid. A request from the network cannot have it.
func WithToken(ctx context.Context, hash string) context.Context {
	return context.WithValue(ctx, tokenKey{}, hash)
}

// scopesOfA2A are the scopes that the scope a2a stands for within ThroughA2A.
const scopesOfA2A = ScopeRead | ScopeThread

// within returns the caller with the scopes that it has in ctx.
func (c *Caller) within(ctx context.Context) *Caller {
	if c.Scopes&ScopeA2A == 0 || ctx.Value(gatewayKey{}) == nil {
		return c
	}
	out := *c
	out.Scopes |= scopesOfA2A
	return &out
}
