package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
)

// NewServer returns the HTTP server for a listener, to be run with http.Server.Serve: HTTP/1.1 and
// HTTP/2 without TLS on one port.
func (l *Listener) NewServer(h http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           l.timed(h),
		Protocols:         &protocols,
		ReadHeaderTimeout: l.limits.Headers + 2*l.limits.Sweep,
		IdleTimeout:       l.limits.Idle,
		MaxHeaderBytes:    64 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      l.limits.Stall,
			PingTimeout:          l.limits.Stall / 2,
		},
		ConnState: l.stateOf,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if c, ok := c.(*Conn); ok {
				return context.WithValue(call.WithPeer(ctx, c), connKey{}, c)
			}
			return ctx
		},
		ErrorLog: quiet(l.log),
	}
}

type connKey struct{}

func (l *Listener) stateOf(conn net.Conn, s http.ConnState) {
	c, ok := conn.(*Conn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		c.callerKnown.Store(false)
		c.enter(busy)
	case http.StateIdle:
		c.enter(idle)
	case http.StateHijacked:
		c.enter(hijacked)
	}
}

// timed sets the deadlines of requests.
func (l *Listener) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*Conn)
		switch {
		case !ok:
			next.ServeHTTP(w, r)
		case r.ProtoMajor == 1:
			if r.ContentLength != 0 {
				// Set at once, since net/http reads a part of a body that the handler does not
				// read.
				c.body = body{ReadCloser: r.Body, conn: c, control: c.Conn, proven: &c.callerKnown, start: l.now()}
				c.body.arm()
				// In a copy, since net/http must find its own body in r: it closes the connection if
				// too much of that is left. Otherwise the rest would be read as the next request.
				own := *r
				own.Body = &c.body
				r = &own
			}
			next.ServeHTTP(w, r)
		default:
			c.http2.Store(true)
			c.since.Store(l.now())
			s := &stream{ResponseWriter: w, conn: c, control: http.NewResponseController(w), start: l.now()}
			s.body = body{ReadCloser: r.Body, conn: c, control: s.control, proven: &s.proven, start: s.start}
			r = r.WithContext(call.WithPeer(r.Context(), s))
			r.Body = &s.body
			next.ServeHTTP(s, r)
		}
	})
}

// body is a request body with the deadlines of its caller.
type body struct {
	io.ReadCloser
	conn    *Conn
	control interface{ SetReadDeadline(time.Time) error }
	proven  *atomic.Bool // the caller has authenticated
	start   int64
	by      int64 // the deadline that is set now
	n       int64 // bytes read
}

// Read waits for the next bytes within the deadline of the caller.
func (b *body) Read(p []byte) (int, error) {
	b.arm()
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if err != nil {
		if b.conn.http2.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			b.conn.owner.cut(cutBody, b.conn)
		}
		b.conn.bodyBy.Store(0)
	}
	return n, err
}

// arm sets the deadline of the next bytes. The whole body of an anonymous caller has one deadline;
// that of an authenticated caller must keep its pace.
func (b *body) arm() {
	l := b.conn.owner
	by := b.start + int64(l.limits.Body)
	if b.proven.Load() {
		stall := int64(l.limits.Stall)
		by = min(l.now()+stall, b.start+stall+b.n*int64(time.Second)/leastPace)
	}
	if l.moves(b.by, by) {
		if b.control.SetReadDeadline(l.at(by)) == nil {
			b.by = by
			b.conn.bodyBy.Store(by) // not used on HTTP/2
		}
	}
}

// moves reports whether to move a deadline from set to wanted. Setting one is costly on HTTP/2, so
// it is moved only if it is earlier, or later by more than 1/16 of a Stall.
func (l *Listener) moves(set, wanted int64) bool {
	return set == 0 || wanted < set || wanted-set > int64(l.limits.Stall/16)
}

// stream is the response on an HTTP/2 stream with the deadlines of its caller: a client that opens
// no flow-control window must not occupy the stream.
type stream struct {
	http.ResponseWriter
	conn    *Conn
	control *http.ResponseController
	body    body
	start   int64
	by      int64 // the write deadline that is set
	pace    pace  // of the response to an authenticated caller
	proven  atomic.Bool
	endless atomic.Bool
	counted bool
}

// Authenticated implements call.Peer.
func (s *stream) Authenticated() {
	s.proven.Store(true)
	s.conn.markAuthenticated()
}

// Endless implements call.Peer.
func (s *stream) Endless() { s.endless.Store(true) }

func (s *stream) paced() bool { return s.proven.Load() && !s.endless.Load() }

// Unwrap is for http.ResponseController.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// SetReadDeadline is not supported: body sets read deadlines.
func (s *stream) SetReadDeadline(time.Time) error { return http.ErrNotSupported }

// SetWriteDeadline is not supported: stream sets write deadlines.
func (s *stream) SetWriteDeadline(time.Time) error { return http.ErrNotSupported }

func (s *stream) arm() {
	l := s.conn.owner
	switch {
	case !s.proven.Load():
		s.writeBy(s.start+int64(l.limits.Anonymous), int64(l.limits.Stall))
	case s.endless.Load():
		s.writeBy(l.now()+int64(l.limits.Stall), int64(l.limits.Stall))
	default:
		now := l.now()
		most := s.pace.begin(now, &l.limits)
		s.writeBy(now+most, most)
	}
}

// writeBy sets the write deadline, unless it is later than the one set by no more than 1/16 of
// most. HTTP/2 resets the stream at its deadline even if there is nothing to write; the heartbeats
// of event streams come more often than that.
func (s *stream) writeBy(by, most int64) {
	if s.by != 0 && by >= s.by && by-s.by <= most/16 {
		return
	}
	if s.control.SetWriteDeadline(s.conn.owner.at(by)) == nil {
		s.by = by
	}
}

func (s *stream) wrote(n int, err error) {
	l := s.conn.owner
	if err != nil {
		if !s.counted && l.now() >= s.by {
			s.counted = true
			l.cut(cutAnswer, s.conn)
		}
		return
	}
	if s.paced() {
		s.pace.wrote(int64(n), l)
		if s.pace.ahead(&l.limits) < 0 { // the time that the server needs for the rest must not end the stream
			s.writeBy(l.now()+int64(l.limits.Stall), int64(l.limits.Stall))
		}
	}
}

// WriteHeader writes the status and headers.
func (s *stream) WriteHeader(status int) {
	s.arm()
	s.ResponseWriter.WriteHeader(status)
}

// Write writes piece by piece, since each piece has its own deadline.
func (s *stream) Write(p []byte) (int, error) {
	whole := len(p)
	for {
		next := p[:min(len(p), piece)]
		s.arm()
		n, err := s.ResponseWriter.Write(next)
		s.wrote(n, err)
		p = p[n:]
		if err != nil || len(p) == 0 {
			return whole - len(p), err
		}
	}
}

// FlushError sends what was written.
func (s *stream) FlushError() error {
	s.arm()
	err := s.control.Flush()
	s.wrote(0, err)
	return err
}

// Flush implements http.Flusher.
func (s *stream) Flush() { _ = s.FlushError() } // http.Flusher has no error
