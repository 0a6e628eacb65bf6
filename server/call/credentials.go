package call

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/server/forwarded"
)

// SessionCookie is the name of the session cookie.
const SessionCookie = "hxa_session"

// Credentials is what a request proves its caller with. A connection has proved it
// when it was opened and holds on to the hash alone; who it is, is still asked anew
// at every call.
type Credentials struct {
	Bearer      string // the bearer token; empty: none
	SessionID   string // the session cookie's value; empty: none
	OrgID       string // header X-Org-Id: the org that the caller believes to be in
	CrossSite   bool   // a browser sent it from another site, to change something
	TokenHash   string // of a connection: SHA-256 hex of its bearer token
	SessionHash string // of a connection: SHA-256 hex of its session's id

	// VersionChecked reports that the call compares the caller's AuthVersion in its own
	// transaction. The authenticator may then return a cached caller without asking the
	// database whether it is still current.
	VersionChecked bool
}

// Authenticator turns credentials into callers.
type Authenticator interface {
	// Authenticate answers who is calling, or an *Error that says why nobody is.
	Authenticate(ctx context.Context, c Credentials) (*Caller, error)
	// Session answers the live session of a cookie, or nil.
	Session(ctx context.Context, id string) (*Session, error)
}

// Edge is what the server knows about the network before it.
type Edge struct {
	Proxies       forwarded.Trust   // which proxies before the server are believed
	Distrusted    func(peer string) // hears of a peer that sent headers of a proxy and is none; may be nil
	Domain        string            // the host that browsers use; empty: that of the request
	BasePath      string            // a prefix that a proxy may or may not strip
	SecureCookies bool
}

// Info reads what a request says about its call.
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
	return &Info{
		Credentials: c,
		Caller:      &Caller{},
		Via:         via,
		RemoteIP:    from.Addr,
		Relayed:     from.Relayed,
		UserAgent:   r.UserAgent(),
		BaseURL:     scheme(r, from) + "://" + host + e.BasePath,
	}
}

func changes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// crossSite decides whether a browser sent the request from a page of another
// site than host. A request with neither Origin nor fetch metadata is not a browser's.
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

// WriteCookie sets or clears the session cookie on an answer.
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
