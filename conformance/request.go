package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	requestTimeout = 15 * time.Second // one request, its body included
	maxAnswer      = 8 << 20          // bytes of a body that a check will read
)

// J is a JSON object to send.
type J = map[string]any

// Raw is a request body sent as it is, as application/json unless an [Option] says otherwise.
type Raw string

// Caller puts credentials on a request. A nil Caller is anonymous; [*Bot], [Token] and [*Session] are the others.
type Caller interface {
	authorize(h http.Header)
}

// Token is a bearer credential: a primary or a scoped bot token, or any text to try as one.
type Token string

func (k Token) authorize(h http.Header) { h.Set("Authorization", "Bearer "+string(k)) }

// Session is a login: the value of the hxa_session cookie and the answer that set it.
type Session struct {
	Cookie string    // 64 hex
	Login  *Response // the answer of POST /api/auth/login
	origin string    // sent as Origin, so that servers with stricter CSRF rules accept the call as well
}

func (s *Session) authorize(h http.Header) {
	h.Set("Cookie", "hxa_session="+s.Cookie)
	h.Set("Origin", s.origin)
}

// Option changes a request after the caller and body have been set.
type Option func(h http.Header)

// Header sets a header; an empty value removes it.
func Header(name, value string) Option {
	return func(h http.Header) {
		if value == "" {
			h.Del(name)
			return
		}
		h.Set(name, value)
	}
}

// target is the server of a run and what its checks share.
type target struct {
	url         string // no trailing slash
	base        *url.URL
	adminSecret string
	receiver    string // where webhooks reach the suite
	client      *http.Client
	logf        func(format string, args ...any)

	super     func() (*Session, error) // logs in once for the whole run
	described *described               // nil while there is no document
}

func newTarget(rawURL, adminSecret string, logf func(string, ...any)) (*target, error) {
	base, err := url.Parse(strings.TrimRight(rawURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("conformance: reading the server's URL: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("conformance: %q is not an http or https URL", rawURL)
	}
	tr := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true}
	tg := &target{
		url: base.String(), base: base, adminSecret: adminSecret, logf: logf,
		client: &http.Client{
			Transport:     tr,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	tg.super = sync.OnceValues(tg.loginSuper)
	return tg, nil
}

// loginSuper runs outside any check: its request must not die with the check that happens to come first.
func (tg *target) loginSuper() (*Session, error) {
	r, err := tg.send(context.Background(), "POST", "/api/auth/login", nil, J{"type": "super_admin", "admin_secret": tg.adminSecret})
	if err != nil {
		return nil, err
	}
	if r.status != http.StatusOK {
		return nil, fmt.Errorf("super-admin login: %s", r)
	}
	c, ok := r.cookie()
	if !ok {
		return nil, errors.New("super-admin login: no hxa_session cookie in the answer")
	}
	return &Session{Cookie: c.Value, Login: r, origin: tg.origin()}, nil
}

func (tg *target) origin() string { return tg.base.Scheme + "://" + tg.base.Host }

// send makes one request. The path goes onto the wire exactly as given: nothing is cleaned or escaped.
func (tg *target) send(ctx context.Context, method, path string, c Caller, body any, opts ...Option) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var payload []byte
	var paused io.Reader
	switch b := body.(type) {
	case nil:
	case Paused:
		payload, paused = []byte(b.Head+b.Tail), b.reader()
	case Raw:
		payload = []byte(b)
	default:
		var err error
		if payload, err = json.Marshal(b); err != nil {
			return nil, fmt.Errorf("encoding the body of %s %s: %w", method, path, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, tg.url, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("making %s %s: %w", method, path, err)
	}
	if paused != nil {
		req.Body, req.GetBody = io.NopCloser(paused), nil
	}
	req.URL.Opaque = tg.base.EscapedPath() + path
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if c != nil {
		c.authorize(req.Header)
	}
	for _, o := range opts {
		o(req.Header)
	}
	res, err := tg.client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // the path is in the message already
		}
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end below; nothing is lost by a failing close
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	r := &Response{Header: res.Header, Body: text, status: res.StatusCode, cookies: res.Cookies()}
	r.request = method + " " + path
	if len(payload) > 0 {
		r.request += " " + clip(string(payload), 200)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&r.JSON); err == nil && !dec.More() {
		r.isJSON = true
	}
	tg.described.exchange(req, path, payload, r)
	return r, nil
}

// Do makes one request and returns the answer, whatever its status. The path includes the query and is sent as it is. The
// body is nil for none, [Raw] for exact bytes, anything else is encoded as JSON. A request that gets no answer ends the check.
func (t *T) Do(method, path string, c Caller, body any, opts ...Option) *Response {
	r, err := t.target.send(t.ctx, method, path, c, body, opts...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.t = t
	return r
}

// Get is Do with GET and no body.
func (t *T) Get(path string, c Caller, opts ...Option) *Response {
	return t.Do("GET", path, c, nil, opts...)
}

// clip shortens s to n bytes for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// escape makes s safe as a value in a query or a segment of a path.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
