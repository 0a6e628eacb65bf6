package call

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/internal/forwarded"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
)

// SessionCookie is the name of the session cookie.
const SessionCookie = "hxa_session"

// Credentials is what a request authenticates with. A connection keeps only the hash of the
// credential that it was opened with; it is authenticated with that hash at every call.
type Credentials struct {
	Bearer      string // the bearer token; empty: none
	SessionID   string // the session cookie's value; empty: none
	OrgID       string // header X-Org-Id: the org that the client expects the caller to belong to; may be empty
	CrossSite   bool   // a browser sent a request that changes something from another site
	TokenHash   string // of a connection: SHA-256 of its bearer token in hex
	SessionHash string // of a connection: SHA-256 of its session id in hex

	// VersionChecked promises that the call will compare the caller's AuthVersion in its own
	// transaction, or authenticate again if it fails. The authenticator may therefore return a
	// cached caller without asking the database whether it is still current.
	VersionChecked bool
}

// Authenticator resolves credentials to callers.
type Authenticator interface {
	// Authenticate returns the caller, or an *Error with the reason of the refusal.
	Authenticate(ctx context.Context, c Credentials) (*Caller, error)
	// Session returns the live session of a cookie, or nil.
	Session(ctx context.Context, id string) (*Session, error)
}

// Edge is the configuration of the network in front of the server.
type Edge struct {
	Proxies  forwarded.Trust // the proxies that are trusted
	Domain   string          // the host that browsers use; empty: the host of the request
	BasePath string          // the path prefix of the server; a proxy may strip it
	// Distrusted is called with the address of a peer that sent proxy headers and is not a
	// trusted proxy. It may be nil.
	Distrusted    func(peer string)
	SecureCookies bool
	AccessLog     bool // calls are noted for an access log (WithAccess)
}

// Info makes the Info of an HTTP request that came through the binding via.
func (e Edge) Info(r *http.Request, via string) *Info {
	from := e.Proxies.Sender(r.RemoteAddr, r.Header)
	if from.Ignored && e.Distrusted != nil {
		e.Distrusted(from.Addr)
	}
	host := e.host(r, from)
	c := Credentials{OrgID: r.Header.Get("X-Org-Id")}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		c.Bearer = token
	}
	if r.Header.Get("Cookie") != "" {
		if cookie, err := r.Cookie(SessionCookie); err == nil {
			c.SessionID = cookie.Value
			c.CrossSite = changes(r.Method) && crossSite(r, host)
		}
	}
	if hash, ok := r.Context().Value(tokenKey{}).(string); ok {
		c = Credentials{TokenHash: hash}
	}
	info := &Info{
		Credentials: c,
		Caller:      &Caller{},
		Via:         via,
		RemoteIP:    from.Addr,
		Relayed:     from.Relayed,
		UserAgent:   r.UserAgent(),
		Trace:       tracecontext.FromHeader(r.Header),
		BaseURL:     scheme(r, from) + "://" + host + e.BasePath,
	}
	if e.AccessLog {
		info.Access = accessOf(r.Context(), info)
	}
	return info
}

func changes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// crossSite reports whether a browser sent the request from a page of another site than host.
// A request with neither Origin nor fetch metadata does not come from a browser
// (B2B-AUTH-030).
func crossSite(r *http.Request, host string) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "cross-site", "same-site":
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return true
	}
	return !strings.EqualFold(u.Host, host) && !strings.EqualFold(u.Hostname(), hostname(host))
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func (e Edge) host(r *http.Request, from forwarded.Sender) string {
	switch {
	case e.Domain != "":
		return e.Domain
	case from.Host != "":
		return from.Host
	}
	return r.Host
}

func scheme(r *http.Request, from forwarded.Sender) string {
	switch {
	case from.Proto != "":
		return from.Proto
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// WriteCookie sets or clears the session cookie of a response.
func (e Edge) WriteCookie(h http.Header, c *Cookie) {
	cookie := http.Cookie{
		Name: SessionCookie, Value: c.Value, Path: "/", MaxAge: c.MaxAge,
		HttpOnly: true, Secure: e.SecureCookies, SameSite: http.SameSiteStrictMode,
	}
	if c.Value == "" {
		cookie.MaxAge = -1
		cookie.Expires = time.Unix(1, 0) // the zero time would leave the attribute out
	} else {
		cookie.Expires = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
	}
	h.Add("Set-Cookie", cookie.String())
}
