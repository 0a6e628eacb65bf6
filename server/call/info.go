package call

import (
	"context"
	"net/netip"
	"time"
)

// Info is about one call. The binding makes it, the pipeline fills in the caller,
// the service reads it and may leave a cookie in it.
type Info struct {
	Operation   *Operation
	Credentials Credentials
	Caller      *Caller // never nil once the service runs
	Via         string  // "rest", "rpc" or "ws"
	RemoteIP    string
	Relayed     bool // a proxy passed it on that does not say, or is not believed, for whom: RemoteIP is perhaps that of many clients
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
	admitted time.Time // when Admit began; zero: it did not
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

// PayerOf names the org of the call, and nobody for what is none's: the share of the
// server's means that the call takes.
func PayerOf(ctx context.Context) string {
	if info, ok := ctx.Value(infoKey{}).(*Info); ok && info.Caller != nil {
		return info.Caller.OrgID
	}
	return ""
}

// OnBehalf returns a context in which an org is the payer: for what the server does of
// itself, or keeps doing behind the call that began it.
func OnBehalf(ctx context.Context, org string) context.Context {
	if PayerOf(ctx) == org {
		return ctx
	}
	return WithInfo(ctx, &Info{Caller: &Caller{OrgID: org}})
}

// CallerOf returns the caller of the call.
func CallerOf(ctx context.Context) *Caller { return From(ctx).Caller }

// Payer names whose share of the server's memory the call takes: that of the caller's org,
// or of its address when nobody has proven who calls. The share of an org is named by its id.
func (i *Info) Payer() (share string, stranger bool) {
	switch c := i.Caller; {
	case c.OrgID != "":
		return c.OrgID, false
	case c.Kind == SuperAdmin:
		return "operator", false
	}
	return "address " + AddressBlock(i.RemoteIP), true
}

// AddressBlock is the block of addresses that one client has: 64 bits of IPv6, one address
// of IPv4. A text that is no address is a block of its own.
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
