package call

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
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

	// Fenced says that the call is a change that compares the caller's Fence in its own
	// transaction: who it is may be answered from memory.
	Fenced bool
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
	TrustedProxies int    // how many proxies before the server may be believed
	Domain         string // the host that browsers use; empty: that of the request
	BasePath       string // a prefix that a proxy may or may not strip
	SecureCookies  bool
}

// Info reads what a request says about its call.
func (e Edge) Info(r *http.Request, via string) *Info {
	c := Credentials{OrgID: r.Header.Get("X-Org-Id")}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		c.Bearer = token
	}
	if r.Header.Get("Cookie") != "" {
		if cookie, err := r.Cookie(SessionCookie); err == nil {
			c.SessionID = cookie.Value
			c.CrossSite = changes(r.Method) && e.crossSite(r)
		}
	}
	return &Info{
		Credentials: c,
		Caller:      &Caller{},
		Via:         via,
		RemoteIP:    e.remoteIP(r),
		UserAgent:   r.UserAgent(),
		BaseURL:     e.scheme(r) + "://" + e.host(r) + e.BasePath,
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
// site. A request with neither Origin nor fetch metadata is not a browser's.
func (e Edge) crossSite(r *http.Request) bool {
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
	host := e.host(r)
	return !strings.EqualFold(u.Host, host) && !strings.EqualFold(u.Hostname(), hostname(host))
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

func (e Edge) host(r *http.Request) string {
	if e.Domain != "" {
		return e.Domain
	}
	if e.TrustedProxies > 0 {
		if h := lastOf(r.Header.Get("X-Forwarded-Host"), 1); h != "" {
			return h
		}
	}
	return r.Host
}

func (e Edge) scheme(r *http.Request) string {
	if e.TrustedProxies > 0 {
		switch p := lastOf(r.Header.Get("X-Forwarded-Proto"), 1); p {
		case "http", "https":
			return p
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func (e Edge) remoteIP(r *http.Request) string {
	if e.TrustedProxies > 0 {
		if ip := lastOf(r.Header.Get("X-Forwarded-For"), e.TrustedProxies); net.ParseIP(ip) != nil {
			return ip
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// lastOf is the n-th entry from the end of a comma list, or the first of all when
// the list is shorter.
func lastOf(list string, n int) string {
	if list == "" {
		return ""
	}
	parts := strings.Split(list, ",")
	return strings.TrimSpace(parts[max(0, len(parts)-n)])
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
