package b2b

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"connectrpc.com/connect"
	"github.com/coder/websocket"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/internal/catalogue"
)

// noSocketError says that a WebSocket did not open, though the ticket was given.
type noSocketError struct {
	status int // of the response; 0: there was none, or the connection opened and then nothing came
	err    error
}

// Error implements error.
func (e *noSocketError) Error() string { return e.err.Error() }

// Unwrap returns what happened.
func (e *noSocketError) Unwrap() error { return e.err }

// socket is a WebSocket. Its pings show that the connection works in both directions, and that the
// server sees the bot.
type socket struct {
	conn    *websocket.Conn
	largest int // frame
	cancel  context.CancelCauseFunc
	pinging sync.WaitGroup
	reading atomic.Bool // pongs are read only then
	proven  atomic.Bool // something was received
	ctx     context.Context
}

// openSocket opens a WebSocket with a new ticket.
func (c *Client) openSocket(ctx context.Context, position string) (connection, error) {
	ticket, err := c.config.sockets.CreateTicket(once(ctx), &b2bv1.CreateTicketRequest{})
	if connect.CodeOf(err) == connect.CodeUnimplemented && DetailOf(err) == nil { // 404 of a proxy
		return nil, &noSocketError{status: http.StatusNotFound, err: fmt.Errorf("b2b: get a ticket for a WebSocket: %w", err)}
	}
	if err != nil {
		return nil, endOf(err, false)
	}
	query := url.Values{"ticket": {ticket.GetTicket()}}
	if position != "" {
		query.Set("cursor", position)
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	conn, res, err := websocket.Dial(opening, "ws"+strings.TrimPrefix(c.config.url, "http")+"/ws?"+query.Encode(), &websocket.DialOptions{
		HTTPClient: plainClient(c.config.http), CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		// The text of the error has no ticket: the ticket is void after a use, but need not be in logs.
		if res == nil || res.StatusCode == http.StatusSwitchingProtocols {
			return nil, &noSocketError{err: withoutURL("open a WebSocket", err)}
		}
		return nil, &noSocketError{status: res.StatusCode, err: fmt.Errorf("b2b: a WebSocket was refused with the status %d", res.StatusCode)}
	}
	conn.SetReadLimit(int64(c.config.frame))
	s := &socket{conn: conn, largest: c.config.frame}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.pinging.Go(s.ping)
	return s, nil
}

// withoutURL describes an error without the address, which has a ticket.
func withoutURL(what string, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return fmt.Errorf("b2b: %s: %w", what, err)
}

// plainClient returns the client of net/http for an HTTP client of Connect.
func plainClient(c connect.HTTPClient) *http.Client {
	if n, ok := c.(noting); ok {
		c = n.HTTPClient
	}
	if client, ok := c.(*http.Client); ok {
		return client
	}
	return &http.Client{Transport: roundTripper{c}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type roundTripper struct{ connect.HTTPClient }

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r.Do(req) }

var errSilent = errors.New("b2b: the connection is silent")

// ping closes a connection on which nothing comes back. The first ping follows the handshake.
func (s *socket) ping() {
	timeout := openTimeout
	for {
		ctx, cancel := context.WithTimeout(s.ctx, timeout)
		err := s.conn.Ping(ctx)
		cancel()
		switch {
		case s.ctx.Err() != nil:
			return
		case err == nil:
			s.proven.Store(true)
		case s.reading.Load():
			s.cancel(errSilent)
			return
		}
		if sleep(s.ctx, pingPause) != nil {
			return
		}
		timeout = silence - pingPause
	}
}

func (s *socket) read() (frame, error) {
	s.reading.Store(true)
	defer s.reading.Store(false)
	_, data, err := s.conn.Read(s.ctx)
	if err == nil {
		s.proven.Store(true)
		return frame{data: data}, nil
	}
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return frame{}, closeEnd(int(closed.Code), closed.Reason)
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		err = &TooLargeError{Limit: s.largest, what: "an event", err: err}
	} else if why := context.Cause(s.ctx); why != nil {
		err = why
	}
	err = fmt.Errorf("b2b: a WebSocket broke: %w", err)
	if !s.proven.Load() {
		err = &noSocketError{err: err}
	}
	return frame{}, &end{action: backOff, err: err}
}

// closeEnd returns the end for a close frame.
func closeEnd(code int, reason string) *end {
	what, errorCode := ofClose(code, reason)
	text := fmt.Sprintf("the server closed the connection with %d %s", code, reason)
	err := errors.New("b2b: " + text)
	if name := errorCode; name != "" || what == resync {
		if name == "" {
			name = reason // of 4009
		}
		err = catalogue.Error(text, &b2bv1.ErrorDetail{Code: codeNamed(name)})
	}
	return &end{action: what, err: err}
}

func (s *socket) close() {
	s.cancel(context.Canceled)
	_ = s.conn.CloseNow() // it may be closed already
	s.pinging.Wait()
}
