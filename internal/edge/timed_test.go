package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const known = "Authorization: Bearer x\r\n"

// B2B-LIM-040: what an anonymous caller leaves unfinished over HTTP/1 is cut and logged.
func TestAnonymousOverHTTP1(t *testing.T) {
	t.Parallel()
	const post = "POST /read HTTP/1.1\r\nHost: x\r\n"
	for _, c := range []struct{ name, send, want, kind string }{
		{"nothing", "", "", "headers"},
		{"half of the headers", post, "", "headers"},
		{"half of a body", post + "Content-Length: 9\r\n\r\nhalf", "HTTP/1.1 400 ", "body"},
		{"half of a body in chunks", post + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "HTTP/1.1 400 ", "body"},
		{"half of a body that the handler does not read", "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf", "HTTP/1.1 200 ", "body"},
		{"an endless call", "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n", "", "request"},
		{"half of the next headers", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /", "HTTP/1.1 200 ", ""},
		{"no next request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, short, nil)
				got := ended(t, w.open(t, c.send))
				if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
					t.Errorf("answered %q, want %q", got, c.want)
				}
				if c.kind != "" {
					w.waitFor(t, "kind="+c.kind+" count=1")
				} else if w.log.String() != "" {
					t.Errorf("logged: %s", w.log)
				}
			})
		})
	}
}

// B2B-LIM-040: a response that an anonymous caller does not read.
func TestUnreadAnswer(t *testing.T) {
	t.Parallel()
	w := serveTCP(t, short)
	conn := w.open(t, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	w.waitFor(t, "kind=answer count=1")
	most := 64<<20 - 1
	if runtime.GOOS == "linux" {
		most = 1 << 20
	}
	if got := len(ended(t, conn)); got > most {
		t.Errorf("%d bytes were buffered for a client that does not read", got)
	}
}

// B2B-LIM-041: authenticated callers have longer for the same things; and a body that arrived in
// time is not affected by its deadline passing later.
func TestAuthenticated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, short, nil)
		slow := w.open(t, "POST /read HTTP/1.1\r\nHost: x\r\n"+known+"Content-Length: 8\r\n\r\nhalf")
		wait := w.open(t, "GET /wait HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
		next := w.open(t, "GET / HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
		nextFrom := bufio.NewReader(next)
		readOK(t, nextFrom)
		late := w.open(t, "POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nhalf")
		readOK(t, bufio.NewReader(late))
		// An anonymous connection that began later is cut by now, so the others were spared.
		ended(t, w.open(t, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"))
		if _, err := io.WriteString(slow, "half"); err != nil {
			t.Fatal(err)
		}
		readOK(t, bufio.NewReader(slow))
		if _, err := io.WriteString(next, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		readOK(t, nextFrom)
		if err := wait.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := wait.Read(make([]byte, 1)); err == nil || !err.(net.Error).Timeout() {
			t.Errorf("the call of an authenticated caller: %v", err)
		}
	})
}

// The rest of a body that a handler did not read is never taken for a request: the connection ends.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nowhere", "/duplex"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, patient(16), nil)
				const size = 1 << 20 // more than net/http reads of it
				conn := w.open(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n"+known+"Content-Length: %d\r\n\r\n", path, size))
				var sending sync.WaitGroup
				sending.Go(func() { // an error means that the server has closed the connection
					_, _ = io.WriteString(conn, strings.Repeat("GET /wait HTTP/1.1\r\nHost: x\r\n"+known+"\r\n", size/50))
				})
				if got := ended(t, conn); strings.Count(got, "HTTP/1.1 ") != 1 {
					t.Errorf("responses: %q", got)
				}
				sending.Wait()
				if n := w.waiting.Load(); n != 0 {
					t.Errorf("%d requests were read from a body", n)
				}
			})
		})
	}
}

// The same when the body does not arrive in time.
func TestLateBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/nowhere", "/duplex"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, short, nil)
				got := ended(t, w.open(t, "POST "+path+" HTTP/1.1\r\nHost: x\r\n"+known+"Content-Length: 100\r\n\r\nhalf"))
				if strings.Count(got, "HTTP/1.1 ") != 1 {
					t.Errorf("responses: %q", got)
				}
			})
		})
	}
}

// A request without a credential on an authenticated connection is anonymous.
func TestAnonymousAfterAuthenticated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, short, nil)
		conn := w.open(t, "GET / HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
		readOK(t, bufio.NewReader(conn))
		if _, err := io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		ended(t, conn)
		w.waitFor(t, "kind=request count=1")
	})
}

// B2B-LIM-041: authenticated callers must make progress, too.
func TestAuthenticatedStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := short
		limits.Stall = 300 * time.Millisecond
		w := serve(t, limits, nil)
		got := ended(t, w.open(t, "POST /read HTTP/1.1\r\nHost: x\r\n"+known+"Content-Length: 9\r\n\r\nhalf"))
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("half of a body: %q", got)
		}
		conn := w.open(t, "GET /large HTTP/1.1\r\nHost: x\r\n"+known+"\r\n")
		w.waitFor(t, "kind=answer count=1")
		ended(t, conn)
	})
}

// B2B-LIM-041: a slow body that makes progress is accepted; one of single bytes is not.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := short
		limits.Stall = time.Second
		w := serve(t, limits, nil)
		send := func(size int, pieces int, every time.Duration) string {
			conn := w.open(t, fmt.Sprintf("POST /read HTTP/1.1\r\nHost: x\r\n"+known+"Content-Length: %d\r\n\r\n", size*pieces))
			for range pieces {
				if _, err := conn.Write(make([]byte, size)); err != nil {
					break
				}
				time.Sleep(every)
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil {
				return err.Error()
			}
			return line
		}
		if got := send(64<<10, 15, 100*time.Millisecond); !strings.HasPrefix(got, "HTTP/1.1 200 ") { // 1.5 s
			t.Errorf("640 KiB a second: %q", got)
		}
		if got := send(1, 25, 100*time.Millisecond); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("10 bytes a second: %q", got)
		}
	})
}

// h2 is an HTTP/2 client that sends and reads single frames.
type h2 struct {
	t      *testing.T
	conn   net.Conn
	framer *http2.Framer
	buf    bytes.Buffer
	enc    *hpack.Encoder
}

// dialH2 connects with this initial window for each stream.
func (w *fixture) dialH2(t *testing.T, window uint32) *h2 {
	t.Helper()
	conn := w.open(t, http2.ClientPreface)
	h := &h2{t: t, conn: conn, framer: http2.NewFramer(conn, conn)}
	h.enc = hpack.NewEncoder(&h.buf)
	h.check(h.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
	return h
}

func (h *h2) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// request opens a stream; end reports that it has no body.
func (h *h2) request(id uint32, method, path string, end bool, headers ...string) {
	h.t.Helper()
	h.buf.Reset()
	pairs := append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "x"}, headers...)
	for i := 0; i < len(pairs); i += 2 {
		h.check(h.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	h.check(h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.buf.Bytes(), EndHeaders: true, EndStream: end}))
}

// await reads frames until one fits, and acknowledges settings.
func (h *h2) await(fits func(http2.Frame) bool) http2.Frame {
	h.t.Helper()
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			h.t.Fatalf("no such frame: %v", err)
		}
		if fits(f) {
			return f
		}
		if f, ok := f.(*http2.SettingsFrame); ok && !f.IsAck() {
			h.check(h.framer.WriteSettingsAck())
		}
	}
}

func reset(id uint32) func(http2.Frame) bool {
	return func(f http2.Frame) bool { return f.Header().Type == http2.FrameRSTStream && f.Header().StreamID == id }
}

func headersOf(id uint32) func(http2.Frame) bool {
	return func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders && f.Header().StreamID == id }
}

// B2B-LIM-040, 041: an anonymous stream is cut although the connection is authenticated; the other
// streams go on.
func TestAnonymousStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, short, nil)
		h := w.dialH2(t, 0)
		h.request(1, "POST", "/read", false, "authorization", "x")
		h.request(3, "POST", "/read", false)
		h.await(headersOf(3)) // 400, since its body did not arrive
		w.waitFor(t, "kind=body count=1")
		h.request(5, "GET", "/large", true, "authorization", "x")
		h.request(7, "GET", "/large", true)
		h.await(reset(7))
		w.waitFor(t, "kind=answer count=1")
		h.check(h.framer.WriteData(1, true, []byte("body")))
		h.await(headersOf(1))
		h.check(h.framer.WriteWindowUpdate(5, 1000))
		h.await(func(f http2.Frame) bool { return f.Header().Type == http2.FrameData && f.Header().StreamID == 5 })
	})
}

// B2B-LIM-040: an HTTP/2 connection without an authenticated caller, whatever is missing.
func TestAnonymousConnectionOverHTTP2(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*h2){
		"no stream":    func(*h2) {},
		"half headers": func(h *h2) { h.check(h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})) },
		"waiting":      func(h *h2) { h.request(1, "GET", "/wait", true) },
		"body":         func(h *h2) { h.request(1, "POST", "/read", false) },
		"answer":       func(h *h2) { h.request(1, "GET", "/large", true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, short, nil)
				h := w.dialH2(t, 0)
				begin(h)
				ended(t, h.conn)
			})
		})
	}
}

// The streams of an authenticated caller must be read, too.
func TestAuthenticatedStallOverHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := short
		limits.Stall = 300 * time.Millisecond
		w := serve(t, limits, nil)
		h := w.dialH2(t, 0)
		h.request(1, "GET", "/large", true, "authorization", "x")
		var pings sync.WaitGroup
		pings.Go(func() { // keep the connection active
			for h.framer.WritePing(false, [8]byte{}) == nil {
				time.Sleep(20 * time.Millisecond)
			}
		})
		w.waitFor(t, "kind=answer count=1")
		h.check(h.conn.Close())
		pings.Wait()
	})
}

// Streams that are opened and reset while their handlers run on are limited, and end the
// connection: net/http does that. None of the handlers ends during the flood, since net/http
// forgets the waiting streams that were reset whenever one does.
func TestResetFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, short, nil)
		defer close(w.idle)
		h := w.dialH2(t, 1<<16)
		go func() { _, _ = io.Copy(io.Discard, h.conn) }()
		var err error
		sent := 0
		for ; err == nil && sent < 20_000; sent++ {
			h.buf.Reset()
			for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/busy"}, {Name: ":authority", Value: "x"}} {
				h.check(h.enc.WriteField(f))
			}
			id := uint32(2*sent + 1)
			if err = h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.buf.Bytes(), EndHeaders: true, EndStream: true}); err == nil {
				err = h.framer.WriteRSTStream(id, http2.ErrCodeCancel)
			}
			if sent%1000 == 999 {
				time.Sleep(5 * time.Second) // more than net/http lets a client read why it is cut
			}
		}
		if err == nil {
			t.Errorf("%d streams were opened and reset", sent)
		}
		ok(t, w)
		if n := w.busy.Load(); n < 100 || n > 251 {
			t.Errorf("%d handlers at once", n)
		}
	})
}

// ok makes a call as an authenticated caller.
func ok(t *testing.T, w *fixture) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), outer)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer x")
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != 200 {
		t.Errorf("status %d, %v", res.StatusCode, err)
	}
}

func readOK(t *testing.T, from *bufio.Reader) {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
		t.Errorf("status %d, %v", res.StatusCode, err)
	}
}
