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
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/edge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// short are limits that a test can wait for. Those of known callers are longer by far.
var short = edge.Limits{
	Connections: 400, Headers: 200 * time.Millisecond, Body: 200 * time.Millisecond, Anonymous: 400 * time.Millisecond,
	Stall: time.Minute, Idle: time.Minute, Sweep: 20 * time.Millisecond,
}

// outer is how long a test waits at most for what limits of under a second bring about.
const outer = 20 * time.Second

// world is a listener with a handler: a request with any Authorization is a known
// caller's, paths say what is done.
type world struct {
	addr string
	log  *lines
	now  atomic.Int64 // requests of /busy
	most atomic.Int64 // of these at once

	waiting atomic.Int64 // requests of /wait
	made    atomic.Int64 // pieces of /slow
}

// lines is a log for tests.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func serve(t *testing.T, limits edge.Limits, wrap func(net.Listener) net.Listener) *world {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{addr: inner.Addr().String(), log: &lines{}}
	if wrap != nil {
		inner = wrap(inner)
	}
	l := edge.Listen(inner, limits, slog.New(slog.NewTextHandler(w.log, nil)))
	s := l.NewServer(http.HandlerFunc(w.act))
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

func (x *world) act(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		call.Authenticated(r.Context())
	}
	switch r.URL.Path {
	case "/read":
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "cut", http.StatusBadRequest)
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
	case "/slow": // to make, 640 KiB in 2 s
		for text := make([]byte, 64<<10); ; {
			if _, err := w.Write(text); err != nil || x.made.Add(1) == 10 {
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	case "/busy": // whatever becomes of its request
		n := x.now.Add(1)
		for most := x.most.Load(); n > most && !x.most.CompareAndSwap(most, n); most = x.most.Load() {
		}
		time.Sleep(100 * time.Millisecond)
		x.now.Add(-1)
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

// open connects and writes.
func (w *world) open(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have done so
	if err := conn.SetDeadline(time.Now().Add(outer)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ended waits until the server has closed a connection, and returns what it wrote.
func ended(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatalf("the connection stands; it was told %q", text)
	}
	return string(text)
}

// waitFor waits for a line of the log.
func (w *world) waitFor(t *testing.T, part string) {
	t.Helper()
	for end := time.Now().Add(outer); !strings.Contains(w.log.String(), part); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log has no %q: %s", part, w.log.String())
		}
	}
}
