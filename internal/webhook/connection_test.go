package webhook

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/tracecontext"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

// counted is a receiver that counts its connections.
type counted struct {
	*httptest.Server
	opened, closed atomic.Int64
}

func newCounted(t *testing.T, start func(*httptest.Server), handler http.HandlerFunc) *counted {
	return countedOn(t, httptest.NewUnstartedServer(handler), start)
}

func countedOn(t *testing.T, s *httptest.Server, start func(*httptest.Server)) *counted {
	c := &counted{Server: s}
	c.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			c.opened.Add(1)
		case http.StateClosed, http.StateHijacked:
			c.closed.Add(1)
		default:
		}
	}
	start(c.Server)
	t.Cleanup(c.Close)
	return c
}

// connectionTo returns a connection that may lead to this machine and trusts the receiver.
func connectionTo(t testing.TB, s *httptest.Server, timeout time.Duration) *connection {
	t.Helper()
	own := newSender(webhookurl.Policy{Allow: here(t)}, "test", timeout)
	if s.TLS != nil {
		own.dialers["https"] = encrypted(own.dialers["http"], s.Client().Transport.(*http.Transport).TLSClientConfig)
	}
	conn := own.connection(s.URL, newSigner("hush"))
	t.Cleanup(conn.close)
	return conn
}

// toRaw returns a connection, in memory, to a receiver that responds with some bytes: see raw.
func toRaw(t *testing.T, response string, timeout time.Duration) *connection {
	t.Helper()
	var network nettest.Network
	s := raw(t, &network, response)
	own := newSender(webhookurl.Policy{}, "test", timeout)
	own.dialers["http"] = func(ctx context.Context, to *url.URL) (net.Conn, error) {
		return network.DialContext(ctx, "tcp", to.Host)
	}
	conn := own.connection(s.URL, newSigner("hush"))
	t.Cleanup(conn.close)
	return conn
}

func (c *connection) posts(t testing.TB, body string) result {
	t.Helper()
	return c.send(t.Context(), "id", []byte(body), time.Now(), tracecontext.Context{})
}

// TestConnectionIsKept: events use one connection while both ends keep it. A connection that the
// receiver closed is replaced before a request is sent on it.
func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){"http": (*httptest.Server).Start, "https": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newCounted(t, start, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "thanks") })
			conn := connectionTo(t, r.Server, 10*time.Second)
			deliver := func(n int) {
				t.Helper()
				for range n {
					if res := conn.posts(t, "{}"); res.reason != "" || res.status != http.StatusOK {
						t.Fatalf("%+v", res)
					}
				}
			}
			deliver(20)
			if n := r.opened.Load(); n != 1 {
				t.Errorf("20 events over %d connections", n)
			}
			r.CloseClientConnections()
			deliver(20)
			if n := r.opened.Load(); n != 2 {
				t.Errorf("%d connections after one was closed", n)
			}
			conn.body = make([]byte, 0, 100)
			if res := conn.posts(t, strings.Repeat("x", keepBytes)); res.reason != "" || conn.conn == nil || conn.text != nil || conn.body != nil {
				t.Errorf("%+v, %d bytes kept", res, cap(conn.text)+cap(conn.body))
			}
			conn.close()
			if conn.sender.open.Load() != 0 || conn.in != nil {
				t.Error("a closed connection counts as open")
			}
		})
	}
}

// TestKeptConnectionsAreBounded: beyond maxKept, connections are closed after each event.
func TestKeptConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	r := newCounted(t, (*httptest.Server).Start, status(http.StatusNoContent))
	conn := connectionTo(t, r.Server, 10*time.Second)
	for others, want := range map[int64]int64{maxKept - 1: 1, maxKept: 3} {
		conn.close()
		r.opened.Store(0)
		conn.sender.open.Store(others)
		for range 3 {
			if res := conn.posts(t, "{}"); res.reason != "" {
				t.Fatalf("%+v", res)
			}
		}
		if n := r.opened.Load(); n != want {
			t.Errorf("with %d others, three events over %d connections, want %d", others, n, want)
		}
		conn.close()
		conn.sender.open.Store(0)
	}
}

// TestIdleConnectionIsClosed: an idle connection is closed after keepTime, and not before.
func TestIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := countedOn(t, fx.network.NewUnstartedServer(status(http.StatusNoContent)), (*httptest.Server).Start)
		fx.bot("bob", r.URL, "")
		fx.node("n")
		fx.say("ann", "bob", 1)
		fx.await("a delivery", time.Millisecond, func() bool { return fx.health("bob").LastSuccess != nil })
		fx.clock.advance(keepTime - time.Second)
		synctest.Wait()
		if r.closed.Load() != 0 {
			t.Error("the connection was closed too early")
		}
		fx.await("the end of the connection", 100*time.Millisecond, func() bool { return r.closed.Load() == 1 })
		fx.say("ann", "bob", 1)
		fx.await("another", 0, func() bool { return r.opened.Load() == 2 })
	})
}

// raw returns a receiver that reads the head of each request and responds with some bytes. It does
// not read the rest, and leaves the connection open.
func raw(t *testing.T, network *nettest.Network, response string) *httptest.Server {
	done := make(chan struct{})
	s := network.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, response); err != nil {
			t.Error(err)
		}
		<-done
	}))
	t.Cleanup(func() {
		close(done)
		s.Close()
	})
	return s
}

// TestInterimResponses: up to maxInterim 1xx responses are skipped. 101 is a final response, and a
// failure.
func TestInterimResponses(t *testing.T) {
	t.Parallel()
	const early, fine = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"
	for name, c := range map[string]struct {
		response string
		want     result
	}{
		"none":    {fine, result{status: 204}},
		"some":    {"HTTP/1.1 100 Continue\r\n\r\n" + early + fine, result{status: 204}},
		"endless": {strings.Repeat(early, 50), result{reason: "the connection failed before the response"}},
		"upgrade": {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + fine, result{status: 101, reason: "responded 101"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := toRaw(t, c.response, 5*time.Second).posts(t, "{}"); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestEarlyResponse: a response counts also when the receiver does not read the whole request.
func TestEarlyResponse(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 16<<20) // more than the socket buffers
	for name, c := range map[string]struct {
		body     string
		response string
		want     result
	}{
		"refused": {large, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", result{status: 413, reason: "responded 413"}},
		"silent":  {large, "", result{reason: "no response in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				conn := toRaw(t, c.response, time.Second)
				if got := conn.posts(t, c.body); got != c.want {
					t.Errorf("%+v, want %+v", got, c.want)
				}
				if conn.conn != nil {
					t.Error("the connection was kept")
				}
			})
		})
	}
}

// TestSurplusBytes: a connection with bytes after the response is not used again.
func TestSurplusBytes(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"at once":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
		"to close":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"unbounded": "HTTP/1.0 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := toRaw(t, response, 3*time.Second)
			if got := conn.posts(t, "{}"); got.reason != "" {
				t.Errorf("%+v", got)
			}
			if conn.conn != nil {
				t.Error("the connection was kept")
			}
		})
	}
}
