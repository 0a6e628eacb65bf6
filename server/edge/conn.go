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

// phase is what a connection is at.
type phase int32

const (
	fresh    phase = iota // nothing was asked on it yet
	idle                  // between requests
	busy                  // a request is under way; on HTTP/2, one at least
	hijacked              // it has become a WebSocket connection
)

// Conn is a connection of a [Listener]. Its writes have deadlines of their own, which
// nobody else sets: each piece of what is written must be taken within one Stall.
//
// It is the call.Peer of the requests that come over it on HTTP/1.
type Conn struct {
	net.Conn
	owner *Listener
	from  netip.Prefix // for the share of an address

	anonymous bool // counted as one; guarded by owner.mu

	phase         atomic.Int32
	since         atomic.Int64 // when what is timed began: see enter, and Listener.now
	http2         atomic.Bool
	authenticated atomic.Bool // somebody has proved on it who they are
	callerKnown   atomic.Bool // on HTTP/1: the caller of the request under way has
	paced         atomic.Bool // so the answer to that request must be taken at a pace
	stuck         atomic.Bool // something is being written
	closed        atomic.Bool

	bodyBy  atomic.Int64 // on HTTP/1: when the body of that request must have come on; 0: there is none any more
	writeBy atomic.Int64 // the deadline of writes that is set
	body    body         // of the request under way on HTTP/1
	pace    pace         // of its answer; that of whoever writes it, while paced
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

// enter begins a phase. The time of a stranger runs from when it came, and anew with each
// later request: what it does not do in between is part of it.
func (c *Conn) enter(p phase) {
	c.bodyBy.Store(0)
	c.paced.Store(false)
	c.pace = pace{}
	was := phase(c.phase.Swap(int32(p)))
	if p == busy && was != fresh || c.authenticated.Load() {
		c.since.Store(c.owner.now())
	}
}

// Read reads what the client sends, by the deadlines that net/http and body set.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		// Deadlines that have not passed yet are how net/http ends its own reads.
		if by := c.bodyBy.Load(); by != 0 && c.owner.now() >= by && c.bodyBy.CompareAndSwap(by, 0) {
			c.owner.cut(cutBody, c)
		}
	}
	return n, err
}

// Write writes piece by piece, for each must be taken in time.
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

// WriteBuffers writes several buffers with one system call where they are small.
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

// ReadFrom lets the kernel send a file of the disk; src is one piece of it.
func (c *Conn) ReadFrom(src io.Reader) (int64, error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	c.begin()
	n, err := to.ReadFrom(src)
	return n, c.wrote(n, err)
}

// begin says that something is being written, until wrote is called. It moves the
// deadline of writes on when a quarter of what may be left of it has passed.
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
	c.stuck.Store(true)
}

func (c *Conn) wrote(n int64, err error) error {
	c.stuck.Store(false)
	if c.paced.Load() {
		c.pace.wrote(n, c.owner)
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		c.owner.cut(cutAnswer, c)
	}
	return err
}

// SetWriteDeadline does nothing: see Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline of reads alone.
func (c *Conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// CloseWrite tells the client that nothing more will come; net/http waits for it to have
// read the answer then.
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
		c.owner.cut(cutHeaders, c) // by Run or by net/http
	}
	return c.Conn.Close()
}

// overdue reports whether the connection is held by a stranger for too long, and why.
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
	case c.stuck.Load():
		return cutAnswer, true
	case c.bodyBy.Load() != 0:
		return cutBody, true
	}
	return cutRequest, true
}
