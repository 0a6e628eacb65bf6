package call

import "context"

// Peer is who a request came from, as the network has it: the listener gives less time
// and fewer connections to strangers than to those who have proved who they are.
type Peer interface {
	// Authenticated says that the caller has proved who it is.
	Authenticated()
	// Endless says that the answer has no end of its own, so that no time is right for it.
	Endless()
}

type peerKey struct{}

// WithPeer returns a context of a request from p.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// Authenticated tells the peer of a request that its caller has proved who it is. The
// pipeline does so for every call; bindings that look at credentials themselves, too.
func Authenticated(ctx context.Context) {
	if p, ok := ctx.Value(peerKey{}).(Peer); ok {
		p.Authenticated()
	}
}

// Endless tells the peer of a request that its answer has no end of its own: the pace at
// which answers must be taken is not asked of it (B2B-LIM-045).
func Endless(ctx context.Context) {
	if p, ok := ctx.Value(peerKey{}).(Peer); ok {
		p.Endless()
	}
}
