package b2btest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// network is a listener in memory, with the HTTP client that reaches it. The connections are pipes,
// on which a bubble of synctest can wait.
type network struct {
	pipes  chan net.Conn
	closed chan struct{}
	shut   func()
	server *http.Server
	client *http.Client
	served chan struct{}
}

func newNetwork(handler http.Handler) *network {
	n := &network{pipes: make(chan net.Conn), closed: make(chan struct{}), served: make(chan struct{})}
	n.shut = sync.OnceFunc(func() { close(n.closed) })
	n.client = &http.Client{Transport: &http.Transport{DialContext: n.dial, MaxIdleConnsPerHost: 16}}
	n.server = &http.Server{Handler: handler}
	go func() {
		defer close(n.served)
		_ = n.server.Serve(n) // until close
	}()
	return n
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case n.pipes <- far:
		return near, nil
	case <-n.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.pipes:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (n *network) Close() error {
	n.shut()
	return nil
}

// Addr implements net.Listener.
func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) close() {
	n.shut()
	_ = n.server.Close() // its listener is closed, which is no error here
	<-n.served
	n.client.CloseIdleConnections()
}
