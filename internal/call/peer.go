package call

import "context"

// Peer is the network connection that a request came over. The listener gives connections of
// unauthenticated callers less time, and allows fewer of them.
type Peer interface {
	// Authenticated marks the caller of the request as authenticated.
	Authenticated()
	// Endless marks the response as a stream without an end, to which no time limit applies.
	Endless()
}

type peerKey struct{}

// WithPeer returns a context that carries the peer of a request.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// Authenticated marks the caller of a request as authenticated at its peer. The pipeline calls
// it for every call, and so do bindings that check credentials themselves.
func Authenticated(ctx context.Context) {
	if p, ok := ctx.Value(peerKey{}).(Peer); ok {
		p.Authenticated()
	}
}

// Endless marks the response of a request as a stream without an end at its peer. The pace at
// which clients must read responses does not apply to it (B2B-LIM-045).
func Endless(ctx context.Context) {
	if p, ok := ctx.Value(peerKey{}).(Peer); ok {
		p.Endless()
	}
}
