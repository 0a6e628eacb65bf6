package b2b_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
)

// pipes is a listener of which the connections are pipes, so that a server and its clients can be in
// one bubble of synctest.
type pipes struct {
	open  chan net.Conn
	close func()
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	c, ok := <-p.open
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

// Close implements net.Listener.
func (p *pipes) Close() error { p.close(); return nil }

// Addr implements net.Listener.
func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// servePipes serves until the end of the test, and returns what reaches it at any address.
func servePipes(t *testing.T, handler http.Handler) *http.Client {
	p := &pipes{open: make(chan net.Conn)}
	p.close = sync.OnceFunc(func() { close(p.open) })
	server := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- server.Serve(p) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case p.open <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return &http.Client{Transport: transport}
}
