package call

import "context"

// Info is about one call. The binding makes it, the pipeline fills in the caller,
// the service reads it and may leave a cookie in it.
type Info struct {
	Operation   *Operation
	Credentials Credentials
	Caller      *Caller // never nil once the service runs
	Via         string  // "rest", "rpc" or "ws"
	RemoteIP    string
	Relayed     bool // came with headers of a proxy that is not believed: RemoteIP is perhaps that of many clients
	UserAgent   string
	BaseURL     string // scheme, host and base path as the client sees them
	Cookie      *Cookie

	// Push is set by bindings that share what they make of an event among its readers
	// (see Forms): a stream of events gives its items to it instead of sending messages.
	Push func(Pushed) error
	// Serve is set by bindings that answer files as bytes, of which a client may ask for
	// parts: a stream of a file gives its content to it instead of sending messages.
	Serve func(*Content) error

	pipeline *Pipeline // what the call came through
}

// Cookie is what the binding shall do with the session cookie.
type Cookie struct {
	Value  string // the session id; empty clears the cookie
	MaxAge int    // seconds
}

type infoKey struct{}

// WithInfo returns a context that carries info.
func WithInfo(ctx context.Context, info *Info) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

// From returns the call's Info. Service methods run under a pipeline only, so it
// is always there for them; elsewhere it is an Info of nobody.
func From(ctx context.Context) *Info {
	if info, ok := ctx.Value(infoKey{}).(*Info); ok {
		return info
	}
	return &Info{Caller: &Caller{}}
}

// CallerOf returns the caller of the call.
func CallerOf(ctx context.Context) *Caller { return From(ctx).Caller }
