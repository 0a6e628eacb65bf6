package a2apeer

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
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"golang.org/x/net/http/httpguts"
)

const (
	mostBody   = 32 << 20 // bytes of a response
	mostStream = 256 << 20
	idleTime   = 2 * time.Minute // that a stream can be silent before it counts as lost
)

// Errors of calls.
var (
	errCredential = errors.New("the agent does not accept the credentials of its runner")
	errRedirect   = errors.New("the agent leads elsewhere, which is not followed")
	errElsewhere  = errors.New("the call is for another host than that of the agent")
	errTooMuch    = errors.New("the agent sent more than its runner takes")
	errBusy       = errors.New("the agent is busy")
	errIdle       = errors.New("the stream of the agent was silent for too long")
)

// credential is the header with which calls of the agent are authenticated.
type credential struct{ name, value string }

// credentialOf returns the header of a token, by the security schemes of the card.
func (c *Card) credentialOf(token string) (*credential, error) {
	var unsupported []string
	schemes := c.SecurityRequirements
	if len(schemes) == 0 { // they are declared, but no call needs one
		for name := range c.SecuritySchemes {
			schemes = append(schemes, a2a.SecurityRequirements{name: nil})
		}
		slices.SortFunc(schemes, func(a, b a2a.SecurityRequirements) int { return strings.Compare(first(a), first(b)) })
	}
	needed := len(c.SecurityRequirements) > 0
	for _, s := range schemes {
		if len(s) == 0 {
			needed = false
		}
		if len(s) != 1 {
			continue // one token is not several
		}
		name := a2a.SecuritySchemeName(first(s))
		if h := header(c.SecuritySchemes[name], token); h != nil {
			if token == "" {
				continue
			}
			return h, nil
		}
		unsupported = append(unsupported, clean(string(name), mostWord))
	}
	switch {
	case token == "" && needed:
		return nil, errors.New("the agent wants credentials: set B2B_A2A_TOKEN, or give a file with --a2a-token-file")
	case token == "":
		return nil, nil
	case len(schemes) > 0 && (needed || len(unsupported) > 0):
		return nil, fmt.Errorf("the agent wants credentials of another kind than a bearer token or an API key in a header (%s)",
			strings.Join(unsupported[:min(len(unsupported), 10)], ", "))
	}
	return bearer(token), nil
}

func first(s a2a.SecurityRequirements) string {
	for name := range s {
		return string(name)
	}
	return ""
}

func bearer(token string) *credential { return &credential{"Authorization", "Bearer " + token} }

// header returns the header of a scheme; nil: the scheme has none.
func header(scheme a2a.SecurityScheme, token string) *credential {
	switch s := scheme.(type) {
	case a2a.HTTPAuthSecurityScheme:
		if strings.EqualFold(s.Scheme, "bearer") {
			return bearer(token)
		}
	case a2a.OAuth2SecurityScheme, a2a.OpenIDConnectSecurityScheme:
		return bearer(token)
	case a2a.APIKeySecurityScheme:
		name := http.CanonicalHeaderKey(s.Name)
		if s.Location == a2a.APIKeySecuritySchemeLocationHeader && httpguts.ValidHeaderFieldName(s.Name) && !slices.Contains(reserved, name) {
			return &credential{name, token}
		}
	}
	return nil
}

// reserved are headers that are about the connection or the message, so no card can name them for a key.
var reserved = []string{
	"Accept", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// guard makes the requests of an agent: to its host only, with its credential, and with an end.
type guard struct {
	next   http.RoundTripper
	origin *url.URL
	key    *credential // nil: none
	agent  string      // the User-Agent
	idle   time.Duration
	most   int64 // bytes of a response that is no stream
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != g.origin.Scheme || !strings.EqualFold(req.URL.Host, g.origin.Host) {
		return nil, errElsewhere
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", g.agent)
	if g.key != nil {
		req.Header.Set(g.key.name, g.key.value)
	}
	res, err := g.next.RoundTrip(req)
	if err == nil {
		err = statusError(res.StatusCode)
		if err != nil {
			err = errors.Join(err, res.Body.Close())
		}
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	b := &body{ReadCloser: res.Body, left: g.most, ctx: ctx, cancel: cancel}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		b.left, b.idle = mostStream, g.idle
		b.timer = time.AfterFunc(g.idle, func() { cancel(errIdle) })
	}
	res.Body = b
	if strings.HasPrefix(req.Header.Get("Accept"), "text/event-stream") && b.timer == nil {
		if err := asStream(res); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// asStream makes a response that is one JSON value a stream with this event: agents answer so to a
// request for a stream that they refuse.
func asStream(res *http.Response) error {
	if mediaType(res.Header.Get("Content-Type")) != "application/json" || res.StatusCode != http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	var line bytes.Buffer
	line.WriteString("data: ")
	if err := json.Compact(&line, text); err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	line.WriteString("\n\n")
	res.Body = io.NopCloser(&line)
	return nil
}

// statusError returns what a status says that no binding of A2A puts into words; nil: nothing.
func statusError(status int) error {
	switch {
	case status >= 300 && status < 400:
		return errRedirect
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return errCredential
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return fmt.Errorf("%w (status %d)", errBusy, status)
	}
	return nil
}

// body is a response with a limit, and of a stream with a time that it can be silent.
type body struct {
	io.ReadCloser
	left   int64
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   time.Duration
	timer  *time.Timer // nil: none
	closed atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.timer != nil && n > 0 && !b.closed.Load() {
		b.timer.Reset(b.idle)
	}
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooMuch
	}
	if err != nil && errors.Is(context.Cause(b.ctx), errIdle) {
		err = errIdle
	}
	return n, err
}

func (b *body) Close() error {
	b.closed.Store(true)
	if b.timer != nil {
		b.timer.Stop()
	}
	b.cancel(nil)
	return b.ReadCloser.Close()
}
