package edge_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/edge"
)

// patient are limits that no anonymous connection of a test exceeds.
func patient(connections int) edge.Limits {
	return edge.Limits{
		Connections: connections, Headers: time.Minute, Body: time.Minute, Anonymous: time.Minute,
		Stall: time.Minute, Idle: time.Minute, Sweep: 20 * time.Millisecond,
	}
}

// knownConn opens a connection of an authenticated caller, which stays open.
func (w *fixture) knownConn(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := w.open(t, "GET / HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
	from := bufio.NewReader(conn)
	readOK(t, from)
	return conn, from
}

// again makes a call on an open connection.
func again(t *testing.T, conn net.Conn, from *bufio.Reader) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	readOK(t, from)
}

// gone reports whether the server has closed a connection.
func gone(t *testing.T, conn net.Conn) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	timeout, ok := err.(net.Error)
	return err != nil && !(ok && timeout.Timeout())
}

// B2B-LIM-043: however many anonymous connections there are, callers with a credential can connect
// and stay; anonymous connections without a request are closed first.
func TestReserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, patient(64), nil) // 32 anonymous ones, 8 per address
		first, from := w.knownConn(t)
		busy := w.open(t, "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
		synctest.Wait() // its request has begun
		var anonymous []net.Conn
		for range 200 {
			anonymous = append(anonymous, w.open(t, ""))
		}
		var later []func()
		for range 40 {
			conn, from := w.knownConn(t)
			later = append(later, func() { again(t, conn, from) })
		}
		w.waitFor(t, "kind=room")
		left := 0
		for _, c := range anonymous {
			if !gone(t, c) {
				left++
			}
		}
		if left > 8 {
			t.Errorf("%d anonymous connections of one address are left", left)
		}
		if gone(t, busy) {
			t.Error("an anonymous connection with a request was closed before those without")
		}
		again(t, first, from)
		for _, f := range later {
			f()
		}
	})
}

// B2B-LIM-043: authenticated callers may have all connections, and no more than the limit.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, patient(16), nil)
		var conns []net.Conn
		for range 16 {
			conn, _ := w.knownConn(t)
			if _, err := io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\n"+known+"\r\n"); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		synctest.Wait()
		if n := w.waiting.Load(); n != 16 {
			t.Fatalf("%d requests are in progress", n)
		}
		ended(t, w.open(t, ""))
		w.waitFor(t, `kind="no room" count=1`)
		for _, conn := range conns {
			if gone(t, conn) {
				t.Error("the request of an authenticated caller was cut")
			}
		}
		if err := conns[0].Close(); err != nil { // then another may connect
			t.Fatal(err)
		}
		w.getIn(t)
	})
}

// B2B-LIM-043: authenticated callers cannot occupy all connections without using them.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, patient(16), nil)
		used, _ := w.knownConn(t)
		if _, err := io.WriteString(used, "GET /wait HTTP/1.1\r\nHost: x\r\n"+known+"\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 40 {
			w.knownConn(t)
		}
		w.getIn(t)
		if gone(t, used) {
			t.Error("the request of an authenticated caller was cut")
		}
	})
}

// getIn waits until an authenticated caller can connect.
func (w *fixture) getIn(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(outer); ; {
		conn := w.open(t, "GET / HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil && strings.HasPrefix(line, "HTTP/1.1 200") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("an authenticated caller cannot connect")
		}
	}
}

// failing is a listener that runs out of descriptors for a while.
type failing struct {
	net.Listener
	left atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

// B2B-LIM-044: failures to accept connections are logged, and do not end the server.
func TestAcceptFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, patient(64), func(l net.Listener) net.Listener {
			f := &failing{Listener: l}
			f.left.Store(5)
			return f
		})
		ok(t, w)
		text := w.log.String()
		if n := strings.Count(text, "connections not accepted"); n != 1 || !strings.Contains(text, "level=WARN") ||
			!strings.Contains(text, `kind="not accepted" count=1 error="accept: too many open files"`) {
			t.Errorf("the log: %s", text)
		}
	})
}

// B2B-LIFE-035: a connection on which no request has arrived does not delay the stop of the server,
// a request does.
func TestFreshConnectionsDoNotDelayStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, request := range []bool{false, true} {
			w := serve(t, patient(16), nil)
			conn := w.open(t, "")
			if request {
				if _, err := io.WriteString(conn, "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			begin := time.Now()
			time.AfterFunc(3*time.Second, func() { close(w.idle) })
			if err := w.server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); request != (took >= 3*time.Second) || !request && took > 2*time.Second {
				t.Errorf("with a request: %v, the stop took %v", request, took)
			}
		}
	})
}
