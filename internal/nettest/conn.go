package nettest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection.
type conn struct {
	in, out       *half
	local, remote net.Addr
}

func pipe(size int, a, b net.Addr) (left, right net.Conn) {
	x, y := newHalf(size), newHalf(size)
	return &conn{in: x, out: y, local: a, remote: b}, &conn{in: y, out: x, local: b, remote: a}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(p []byte) (int, error)  { n, err := c.in.take(p); return n, c.wrap("read", err) }
func (c *conn) Write(p []byte) (int, error) { n, err := c.out.put(p); return n, c.wrap("write", err) }

// CloseWrite signals the end of data to the other end.
func (c *conn) CloseWrite() error { c.out.end(); return nil }

// Close ends both directions. The other end can read what was written before.
func (c *conn) Close() error {
	c.out.end()
	c.in.abandon()
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

// wrap returns errors as a socket does.
func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// half is one direction of a connection: a bounded buffer.
type half struct {
	mu      sync.Mutex
	changed sync.Cond
	data    []byte // unread; a part of store
	store   []byte // reused, up to size bytes
	size    int    // the most that data holds

	ended     bool // the writer has closed it
	abandoned bool // the reader has closed it

	readBy, writeBy deadline
}

// deadline is a point in time that wakes those who wait for a half.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newHalf(size int) *half {
	h := &half{size: size}
	h.changed.L = &h.mu
	return h
}

// take waits for data and reads it.
func (h *half) take(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.abandoned:
			return 0, net.ErrClosed
		case h.readBy.over():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(h.data) > 0:
			n := copy(p, h.data)
			h.data = h.data[n:]
			h.changed.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

// put waits for room and writes all of p.
func (h *half) put(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.ended:
			return n, net.ErrClosed
		case h.abandoned:
			return n, syscall.EPIPE
		case h.writeBy.over():
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		}
		if free := h.size - len(h.data); free > 0 {
			part := p[n:min(len(p), n+free)]
			if len(h.data)+len(part) > cap(h.data) {
				h.store = append(h.store[:0], h.data...)
				h.data = h.store
			}
			h.data = append(h.data, part...)
			if len(h.data) > cap(h.store) {
				h.store = h.data[:0]
			}
			n += len(part)
			h.changed.Broadcast()
			continue
		}
		h.changed.Wait()
	}
}

// end is called by the writer: the reader gets what is left, then io.EOF.
func (h *half) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.writeBy.stop()
	h.changed.Broadcast()
}

// abandon is called by the reader: what is written is discarded.
func (h *half) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.abandoned, h.data, h.store = true, nil, nil
	h.readBy.stop()
	h.changed.Broadcast()
}

func (h *half) setDeadline(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.stop()
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})
	}
	h.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
