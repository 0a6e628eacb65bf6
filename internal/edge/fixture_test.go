package edge_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/logtest"
	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/waittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short are limits that a test can wait for. Those of authenticated callers are much longer.
var short = edge.Limits{
	Connections: 400, Headers: 200 * time.Millisecond, Body: 200 * time.Millisecond, Anonymous: 400 * time.Millisecond,
	Stall: time.Minute, Idle: time.Minute, Sweep: 20 * time.Millisecond,
}

// outer is the longest wait of a test for limits of under a second.
const outer = 20 * time.Second

// fixture is a listener with a handler. A request with any Authorization header is authenticated;
// its path selects what the handler does.
type fixture struct {
	dial   func(context.Context) (net.Conn, error)
	server *http.Server
	log    *logtest.Buffer
	busy   atomic.Int64  // current requests of /busy
	idle   chan struct{} // closed when they may end

	waiting atomic.Int64 // requests of /wait
	made    atomic.Int64 // pieces written by /slow
}

// serve returns a fixture in memory. The caller runs in a bubble, so its waits take no time.
func serve(t *testing.T, limits edge.Limits, wrap func(net.Listener) net.Listener) *fixture {
	t.Helper()
	var network nettest.Network
	l := network.Listen()
	inner := net.Listener(l)
	if wrap != nil {
		inner = wrap(l)
	}
	return serveOn(t, inner, l.Dial, limits)
}

// serveTCP returns a fixture with sockets, for what the system does.
func serveTCP(t *testing.T, limits edge.Limits) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	return serveOn(t, l, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", l.Addr().String()) }, limits)
}

func serveOn(t *testing.T, inner net.Listener, dial func(context.Context) (net.Conn, error), limits edge.Limits) *fixture {
	t.Helper()
	w := &fixture{dial: dial, log: &logtest.Buffer{}, idle: make(chan struct{})}
	l := edge.Listen(inner, limits, slog.New(slog.NewTextHandler(w.log, nil)))
	s := l.NewServer(http.HandlerFunc(w.act))
	w.server = s
	ctx, stop := context.WithCancel(context.Background())
	var jobs sync.WaitGroup
	jobs.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	jobs.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		stop()
		jobs.Wait()
	})
	return w
}

func (x *fixture) act(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		call.Authenticated(r.Context())
	}
	switch r.URL.Path {
	case "/read":
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "cut", http.StatusBadRequest)
		}
	case "/duplex": // responds before it has read the body
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case "/large":
		text := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
	case "/endless":
		call.Endless(r.Context())
		for text := make([]byte, 64<<10); ; {
			if _, err := w.Write(text); err != nil {
				return
			}
		}
	case "/slow": // takes 2 s to write 640 KiB
		for text := make([]byte, 64<<10); ; {
			if _, err := w.Write(text); err != nil || x.made.Add(1) == 10 {
				return
			}
			time.Sleep(200 * time.Millisecond) // Sleeps: in a bubble.
		}
	case "/busy": // runs on after its request has ended
		x.busy.Add(1)
		<-x.idle
		x.busy.Add(-1)
	case "/wait":
		x.waiting.Add(1)
		<-r.Context().Done()
	case "/late": // longer than the deadline of its body
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "cut", http.StatusBadRequest)
			return
		}
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// open connects and writes text.
func (w *fixture) open(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := w.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
	if err := conn.SetDeadline(time.Now().Add(outer)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil && !errors.Is(err, syscall.EPIPE) { // closed at once: no room
		t.Fatal(err)
	}
	return conn
}

// ended waits until the server has closed a connection, and returns what it wrote.
func ended(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatalf("the connection is still open after %q", text)
	}
	return string(text)
}

// waitFor waits until the log contains part.
func (w *fixture) waitFor(t *testing.T, part string) {
	t.Helper()
	waittest.Until(t, "the log has "+part, func() bool { return strings.Contains(w.log.String(), part) })
}
