package b2b_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// countedConn counts the writes to a connection.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestOneWrite: a call with a small request is one write to the connection, and so one packet. The
// server gets the same request when it is large.
func TestOneWrite(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewChannelServiceHandler(channels{}))
	server := httptest.NewServer(mux)
	defer server.Close()
	var writes atomic.Int64
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return countedConn{conn, &writes}, err
	}}
	defer transport.CloseIdleConnections()
	c := b2b.New(server.URL, b2b.WithToken("t"), b2b.WithHTTPClient(&http.Client{Transport: transport}))
	for _, test := range []struct {
		name    string
		content string
		small   bool
	}{
		{"small", "Ready to start?", true},
		{"large", strings.Repeat("all work ", 1<<13), false},
	} {
		before := writes.Load()
		sent, err := c.Send(t.Context(), "engineering", test.content)
		if err != nil {
			t.Fatal(test.name, err)
		}
		if got := sent.GetMessage().GetContent(); got != test.content {
			t.Errorf("%s: the server got %d bytes, want %d", test.name, len(got), len(test.content))
		}
		if n := writes.Load() - before; (n == 1) != test.small {
			t.Errorf("%s: %d writes", test.name, n)
		}
	}
}
