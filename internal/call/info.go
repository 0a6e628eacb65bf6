package call

import (
	"context"
	"net/netip"
	"time"

	"github.com/b2b-protocol/b2b/internal/tracecontext"
)

// Info describes one call. The binding makes it, the pipeline sets the caller, and the service
// reads it and may set a cookie.
type Info struct {
	Operation   *Operation
	Credentials Credentials
	Caller      *Caller // never nil in a service method
	Via         string  // "rest", "rpc" or "ws"
	RemoteIP    string
	// Relayed reports that a proxy which is not trusted, or does not name its client, sent the
	// request, so that many clients may share RemoteIP.
	Relayed   bool
	UserAgent string
	BaseURL   string               // scheme, host and base path as the client sees them
	Trace     tracecontext.Context // of the caller's own trace; the zero Context: it sent none
	Cookie    *Cookie
	Access    *Access // for the access log; nil: there is none

	// Push is set by bindings that share the encodings of an event among its readers (see
	// Encodings). A stream of events passes its items to Push instead of sending messages.
	Push func(Pushed) error
	// Serve is set by bindings that send files as bytes, with support for ranges. A stream of a
	// file passes its content to Serve instead of sending messages.
	Serve func(*Content) error

	// Prepared is set by service methods that keep their responses encoded; nil: the binding encodes.
	Prepared *Prepared
	// Pause is set for operations that wait, by bindings that limit how many calls run at the same
	// time. A call gives up its place with it before it waits (B2B-LIM-022).
	Pause func()

	pipeline  *Pipeline     // the pipeline that runs the call
	admitted  time.Time     // when Admit began; zero: it did not
	admission time.Duration // how long Admit took
	ready     time.Time     // see Ready; zero: not called
}

// Cookie is a change of the session cookie that the binding writes.
type Cookie struct {
	Value  string // the session id; empty clears the cookie
	MaxAge int    // seconds
}

type infoKey struct{}

// WithInfo returns a context that carries info.
func WithInfo(ctx context.Context, info *Info) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

// From returns the Info of the call in ctx. The pipeline sets it for service methods. Outside of
// a call, From returns the Info of an unauthenticated caller.
func From(ctx context.Context) *Info {
	if info, ok := ctx.Value(infoKey{}).(*Info); ok {
		return info
	}
	return &Info{Caller: &Caller{}}
}

// PayerOf returns the id of the org whose share of the server's connections and processors the
// call uses; empty: no org's.
func PayerOf(ctx context.Context) string {
	if info, ok := ctx.Value(infoKey{}).(*Info); ok && info.Caller != nil {
		return info.Caller.OrgID
	}
	return ""
}

// OnBehalf returns a context in which org is the payer. It is for work that the server starts
// itself, and for work that outlasts the call that started it.
func OnBehalf(ctx context.Context, org string) context.Context {
	if PayerOf(ctx) == org {
		return ctx
	}
	return WithInfo(ctx, &Info{Caller: &Caller{OrgID: org}})
}

// CallerOf returns the caller of the call in ctx.
func CallerOf(ctx context.Context) *Caller { return From(ctx).Caller }

// Payer returns the name of the share of the server's memory that the call uses: the id of the
// caller's org, or the address block of a caller that is not authenticated (a stranger).
func (i *Info) Payer() (share string, stranger bool) {
	switch c := i.Caller; {
	case c.OrgID != "":
		return c.OrgID, false
	case c.Kind == SuperAdmin:
		return "operator", false
	}
	return "address " + AddressBlock(i.RemoteIP), true
}

// AddressBlock returns the block of addresses that counts as one client: a /64 prefix of IPv6,
// or one IPv4 address. A text that is not an address is returned as it is.
func AddressBlock(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
