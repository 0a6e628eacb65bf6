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
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	requestTimeout = 30 * time.Second // one request, its body included
	maxResponse    = 8 << 20          // bytes of a response body that are read
)

// J is a JSON object.
type J = map[string]any

// Raw is a request body that is sent unchanged, as application/json unless an [Option] sets another
// type.
type Raw string

// Caller adds credentials to a request: a [*Bot], a [Token] or a [*Session]. A nil Caller is
// anonymous.
type Caller interface {
	authorize(h http.Header)
}

// Token is a bearer credential: a primary or scoped token of a bot, or an invalid text.
type Token string

func (k Token) authorize(h http.Header) { h.Set("Authorization", "Bearer "+string(k)) }

// Session is a session with its cookie.
type Session struct {
	Cookie string    // value of hxa_session, 64 hex digits
	Login  *Response // the response of POST /api/auth/login
	origin string    // sent as Origin, which servers with strict CSRF rules require
}

func (s *Session) authorize(h http.Header) {
	h.Set("Cookie", "hxa_session="+s.Cookie)
	h.Set("Origin", s.origin)
}

// Option changes the headers of a request, after those of the caller and the body are set.
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

// target is the server of a run, with the state that its checks share.
type target struct {
	url         string // no trailing slash
	base        *url.URL
	adminSecret string
	receiver    string  // address at which the server reaches the suite, for webhooks
	patience    float64 // multiplies time limits if it is more than 1
	client      *http.Client
	logf        func(format string, args ...any)

	held     []string                 // the profiles to which the server is held
	super    func() (*Session, error) // logs in at the first call
	recorder *openAPIRecorder         // nil without a document
}

func (tg *target) patient(limit time.Duration) time.Duration {
	return time.Duration(max(1, tg.patience) * float64(limit))
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

// loginSuper does not use the context of a check: the check that calls it first must not cancel it
// for the others.
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
		return nil, errors.New("super-admin login: no hxa_session cookie in the response")
	}
	return &Session{Cookie: c.Value, Login: r, origin: tg.origin()}, nil
}

func (tg *target) origin() string { return tg.base.Scheme + "://" + tg.base.Host }

// send makes one request. It sends the path unchanged, without cleaning or escaping it.
func (tg *target) send(ctx context.Context, method, path string, c Caller, body any, opts ...Option) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, tg.patient(requestTimeout))
	defer cancel()
	req, payload, err := tg.request(ctx, method, path, c, body, opts...)
	if err != nil {
		return nil, err
	}
	res, err := tg.client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // the message below has the path
		}
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }() // the body has been read; an error here has no effect
	text, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the response: %w", method, path, err)
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
	tg.recorder.exchange(req, path, payload, r)
	return r, nil
}

// request prepares a request for send and returns the bytes of its body too.
func (tg *target) request(ctx context.Context, method, path string, c Caller, body any, opts ...Option) (*http.Request, []byte, error) {
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
			return nil, nil, fmt.Errorf("encoding the body of %s %s: %w", method, path, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, tg.url, bytes.NewReader(payload))
	if err != nil {
		return nil, nil, fmt.Errorf("making %s %s: %w", method, path, err)
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
	return req, payload, nil
}

// Do makes one request and returns the response of any status. The path includes the query and is
// sent unchanged. The body is nil for none, or [Raw] for exact bytes; anything else is encoded as
// JSON. A request without a response ends the check.
func (t *T) Do(method, path string, c Caller, body any, opts ...Option) *Response {
	r, err := t.target.send(t.ctx, method, path, c, body, opts...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.t = t
	if p := profileOfRoute(path); p != core && t.profiles != nil && !slices.Contains(t.profiles, p) {
		t.Errorf("the check calls %s %s of the profile %s, and names no requirement of it", method, path, p)
	}
	return r
}

// Get calls Do with GET and no body.
func (t *T) Get(path string, c Caller, opts ...Option) *Response {
	return t.Do("GET", path, c, nil, opts...)
}

// clip shortens s to n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// escape escapes s as a value in a query or a segment of a path.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
