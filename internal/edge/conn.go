package edge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
)

// phase is the state of a connection.
type phase int32

const (
	fresh    phase = iota // before the first request
	idle                  // between requests
	busy                  // serving a request; on HTTP/2, at least one
	hijacked              // upgraded to a WebSocket connection
)

// Conn is a connection of a [Listener]. It sets the deadlines of its writes itself: each piece must
// be written within one Stall.
//
// On HTTP/1 it is the call.Peer of its requests.
type Conn struct {
	net.Conn
	owner *Listener
	from  netip.Prefix // its address, for Limits.maxPerAddress

	anonymous bool // counted as anonymous; guarded by owner.mu

	phase         atomic.Int32
	since         atomic.Int64 // start of the timed period: see enter and Listener.now
	http2         atomic.Bool
	authenticated atomic.Bool // a caller has authenticated on it
	callerKnown   atomic.Bool // on HTTP/1: the caller of the current request has authenticated
	paced         atomic.Bool // the response to that request must be read at a pace
	writing       atomic.Bool // a write is in progress
	closed        atomic.Bool
	bodyCut       atomic.Bool // on HTTP/1: a body did not arrive in time

	bodyBy  atomic.Int64 // on HTTP/1: the deadline of the body of that request; 0: none
	writeBy atomic.Int64 // the write deadline that is set
	body    body         // of the current request on HTTP/1
	pace    pace         // of its response; used by the writing goroutine while paced
}

// Authenticated implements call.Peer.
func (c *Conn) Authenticated() {
	if !c.callerKnown.Load() {
		c.callerKnown.Store(true)
		c.paced.Store(true)
	}
	c.markAuthenticated()
}

// Endless implements call.Peer.
func (c *Conn) Endless() { c.paced.Store(false) }

func (c *Conn) markAuthenticated() {
	if !c.authenticated.Load() && c.authenticated.CompareAndSwap(false, true) {
		c.owner.authenticated(c)
	}
}

// enter starts a phase. The time of an anonymous connection starts when it is accepted and again
// with each later request, so idle time counts as well.
func (c *Conn) enter(p phase) {
	c.bodyBy.Store(0)
	c.paced.Store(false)
	c.pace = pace{}
	was := phase(c.phase.Swap(int32(p)))
	if p == busy && was != fresh || c.authenticated.Load() {
		c.since.Store(c.owner.now())
	}
}

// Read reads what the client sends, with the deadlines that net/http and body set. It returns
// nothing after a body that did not arrive in time: its rest must not be read as the next request.
func (c *Conn) Read(p []byte) (int, error) {
	if c.bodyCut.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Read(p)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		// net/http interrupts its own reads with deadlines in the past; those do not count.
		if by := c.bodyBy.Load(); by != 0 && c.owner.now() >= by && c.bodyBy.CompareAndSwap(by, 0) {
			c.bodyCut.Store(true)
			c.owner.cut(cutBody, c)
		}
	}
	return n, err
}

// Write writes piece by piece, since each piece has its own deadline.
func (c *Conn) Write(p []byte) (int, error) {
	whole := len(p)
	for len(p) > piece {
		n, err := c.write(p[:piece])
		if p = p[n:]; err != nil {
			return whole - len(p), err
		}
	}
	n, err := c.write(p)
	return whole - len(p) + n, err
}

func (c *Conn) write(p []byte) (int, error) {
	c.begin()
	n, err := c.Conn.Write(p)
	return n, c.wrote(int64(n), err)
}

// WriteBuffers writes small buffers with one system call.
func (c *Conn) WriteBuffers(b *net.Buffers) (sent int64, err error) {
	size := 0
	for _, p := range *b {
		size += len(p)
	}
	if size <= 4*piece {
		c.begin()
		sent, err = b.WriteTo(c.Conn)
		return sent, c.wrote(sent, err)
	}
	for _, p := range *b {
		n, err := c.Write(p)
		if sent += int64(n); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// ReadFrom lets the kernel send a file from disk. src must not be longer than one piece.
func (c *Conn) ReadFrom(src io.Reader) (int64, error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	c.begin()
	n, err := to.ReadFrom(src)
	return n, c.wrote(n, err)
}

// begin marks the start of a write, which ends with wrote. It moves the write deadline only if a
// quarter of the allowed time has passed since it was set.
func (c *Conn) begin() {
	now, most := c.owner.now(), int64(c.owner.limits.Stall)
	if c.paced.Load() {
		most = c.pace.begin(now, &c.owner.limits)
	}
	by, set := now+most, c.writeBy.Load()
	if by < set || by-set > most/4 {
		if c.Conn.SetWriteDeadline(c.owner.at(by)) == nil {
			c.writeBy.Store(by)
		}
	}
	c.writing.Store(true)
}

func (c *Conn) wrote(n int64, err error) error {
	c.writing.Store(false)
	if c.paced.Load() {
		c.pace.wrote(n, c.owner)
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.owner.cut(cutAnswer, c)
	}
	return err
}

// SetWriteDeadline does nothing, since Conn sets its own deadlines.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the read deadline only.
func (c *Conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// CloseWrite signals the end of data to the client. net/http calls it, then waits until the client
// has read the response.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	return half.CloseWrite()
}

// Close closes the connection, once.
func (c *Conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.owner.leave(c)
	if phase(c.phase.Load()) == fresh && c.owner.now()-c.since.Load() >= int64(c.owner.limits.Headers) {
		c.owner.cut(cutHeaders, c) // closed by Run or by net/http
	}
	return c.Conn.Close()
}

// overdue reports whether an anonymous caller has occupied the connection for too long, and why.
func (c *Conn) overdue(now int64) (why string, over bool) {
	l := &c.owner.limits
	age := time.Duration(now - c.since.Load())
	known := c.authenticated.Load()
	switch phase(c.phase.Load()) {
	case fresh:
		return cutHeaders, age >= min(l.Headers, l.Anonymous)
	case idle:
		return cutIdle, !known && age >= l.Anonymous
	case hijacked:
		return cutRequest, !known && age >= l.Anonymous
	}
	switch {
	case age < l.Anonymous, known && (c.http2.Load() || c.callerKnown.Load()):
		return "", false // on HTTP/2 each stream has its own deadlines
	case c.writing.Load():
		return cutAnswer, true
	case c.bodyBy.Load() != 0:
		return cutBody, true
	}
	return cutRequest, true
}
