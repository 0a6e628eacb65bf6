// Package nettest is a network in memory, for tests that need connections but no sockets.
//
// Its waits end by channels, conditions and timers only, so it works in the bubbles of
// testing/synctest: time passes there while both ends of a connection wait.
package nettest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
)

// buffer is how many bytes each direction of a connection holds unread, unless
// [Listener.Buffer] sets another number.
const buffer = 64 << 10

// backlog is how many connections wait for Accept.
const backlog = 1024

// Network connects dialers with listeners. All addresses are on 127.0.0.1. The zero value has no
// listeners. It is safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*Listener
	port      int // the last one that was assigned
}

// Listen returns a listener on a new port.
func (n *Network) Listen() *Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*Listener{}
	}
	l := &Listener{network: n, addr: n.next(), waiting: make(chan net.Conn, backlog), done: make(chan struct{})}
	n.listeners[l.addr.String()] = l
	return l
}

// next returns an address that was not assigned before.
func (n *Network) next() *net.TCPAddr {
	n.port++
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: n.port}
}

// DialContext connects to the listener with an address. It has the signature of
// [http.Transport.DialContext].
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	n.mu.Lock()
	l, own := n.listeners[address], n.next()
	n.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	size := buffer
	if l.Buffer > 0 {
		size = l.Buffer
	}
	client, server := pipe(size, own, l.addr)
	select {
	case l.waiting <- server:
		return client, nil
	default:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
}

// NewServer returns an HTTP server on a new port, as httptest.NewServer does. Its Client connects
// to every server of the network. The caller must close it.
func (n *Network) NewServer(h http.Handler) *httptest.Server {
	s := n.NewUnstartedServer(h)
	s.Start()
	s.Client().Transport = &http.Transport{DialContext: n.DialContext}
	return s
}

// NewUnstartedServer returns a server that listens on a new port once it is started.
func (n *Network) NewUnstartedServer(h http.Handler) *httptest.Server {
	return &httptest.Server{Listener: n.Listen(), Config: &http.Server{Handler: h}}
}

// Listener is a net.Listener of a [Network].
type Listener struct {
	// Buffer is how many unread bytes each direction of a connection holds; 0 means 64 KiB. It may
	// be set before the first connection.
	Buffer int

	network *Network
	addr    *net.TCPAddr
	waiting chan net.Conn
	once    sync.Once
	done    chan struct{}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	case conn := <-l.waiting:
		return conn, nil
	}
}

// Close ends the listener and the connections that were not accepted.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.addr.String())
		l.network.mu.Unlock()
		close(l.done)
	})
	for {
		select {
		case conn := <-l.waiting:
			_ = conn.Close() // never fails
		default:
			return nil
		}
	}
}

// Addr returns the address that DialContext connects to.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial connects to the listener.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	return l.network.DialContext(ctx, "tcp", l.addr.String())
}
