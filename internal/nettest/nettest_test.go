package nettest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	xnettest "golang.org/x/net/nettest"

	"github.com/b2b-protocol/b2b/internal/nettest"
)

// connect returns both ends of a connection.
func connect(t testing.TB, l *nettest.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// TestConn runs the tests that every net.Conn must pass.
func TestConn(t *testing.T) {
	t.Parallel()
	xnettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		var network nettest.Network
		l := network.Listen()
		a, b = connect(t, l)
		return a, b, func() { _ = errors.Join(a.Close(), b.Close(), l.Close()) }, nil
	})
}

// TestBuffer: a writer waits when the buffer is full, and the time of a bubble passes meanwhile.
func TestBuffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var network nettest.Network
		l := network.Listen()
		l.Buffer = 4
		client, server := connect(t, l)
		if err := client.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if n, err := client.Write([]byte("123456")); n != 4 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) != time.Hour {
			t.Errorf("%d bytes were written after %v, %v", n, time.Since(begun), err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if text, err := io.ReadAll(server); string(text) != "1234" || err != nil {
			t.Errorf("read %q, %v", text, err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("wrote to a closed connection: %v", err)
		}
	})
}

// TestRefused: connections need a listener, and those that were not accepted end with it.
func TestRefused(t *testing.T) {
	t.Parallel()
	var network nettest.Network
	l := network.Listen()
	waiting, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := waiting.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection that was not accepted: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepted: %v", err)
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connected: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := network.Listen().Dial(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("connected with a cancelled context: %v", err)
	}
}

// TestServer: an HTTP server works in a bubble, since it uses no socket.
func TestServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var network nettest.Network
		s := network.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			_, _ = io.Copy(w, r.Body) // the client checks it
		}))
		defer s.Close()
		res, err := s.Client().Post(s.URL, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); string(text) != "hello" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	})
}
