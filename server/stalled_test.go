package server_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/edge"
	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/server"
)

// stalled is how many connections of each sort TestStalled opens. If it is set, the test uses the
// limits of a real server and takes minutes:
//
//	go test ./server -run TestStalled -v -stalled 1000
var stalled = flag.Int("stalled", 0, "stalled connections of each sort")

// A stall is what is written to a connection, and whether its response is read.
type stall struct {
	name string
	text string
	read bool
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// h2Frame returns an HTTP/2 frame.
func h2Frame(kind, flags byte, stream byte, payload string) string {
	return string([]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, stream}) + payload
}

// h2Get returns a request on a stream, with fields of the static table and a path. In flags, 4
// means that the headers are complete, 1 that there is no body.
func h2Get(method byte, path string, flags byte) string {
	return h2Frame(1, flags, 1, string([]byte{0x80 | method, 0x86, 0x04, byte(len(path))})+path+"\x41\x01x")
}

func stalls() []stall {
	post := func(path, kind string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + kind + "\r\nContent-Length: 90000\r\n\r\n{"
	}
	settings := preface + h2Frame(4, 0, 0, "")
	closed := preface + h2Frame(4, 0, 0, "\x00\x04\x00\x00\x00\x00") // streams have a window of 0
	form := "POST /api/files/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbytes"
	return []stall{
		{"nothing", "", true},
		{"headers", "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nX-A: ", true},
		{"JSON body", post("/api/auth/login", "application/json"), true},
		{"Connect body", post("/b2b.v1.AuthService/Login", "application/json"), true},
		{"gRPC-web body", post("/b2b.v1.AuthService/Login", "application/grpc-web+proto"), true},
		{"body at an unknown path", post("/b2b.v1.Nothing/At", "application/proto"), true},
		{"upload without token", form, true},
		{"unread answer over HTTP/1", strings.Repeat("GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 4), false},
		{"idle after a call", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", true},
		{"handshake", "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", true},
		{"HTTP/2 without a stream", settings, true},
		{"headers over HTTP/2", settings + h2Get(3, "/b2b.v1.AuthService/Login", 0), true},
		{"body over HTTP/2", settings + h2Get(3, "/b2b.v1.AuthService/Login", 4), true},
		{"window of 0 over HTTP/2", closed + h2Get(2, "/api/openapi.json", 5), true},
	}
}

// B2B-LIM-040: however many anonymous connections are stalled, messages of a bot are accepted, and
// each stalled connection is closed in time.
func TestStalled(t *testing.T) {
	t.Parallel()
	count, longest := 10, 20*time.Second
	limits := edge.Limits{
		Headers: 500 * time.Millisecond, Body: 500 * time.Millisecond, Anonymous: time.Second, Stall: time.Minute, Sweep: 50 * time.Millisecond,
	}
	if *stalled > 0 {
		count, longest, limits = *stalled, 15*time.Second, edge.Limits{}
	}
	n := newLiveNode(t, func(c *server.Config) { c.Limits, c.MaxConnections = limits, 15*max(count, 1000) })
	o := n.newOrg(t, "own")
	n.report(t, "none", n.messages(t, o))
	var waiting sync.WaitGroup
	for _, s := range stalls() {
		held, opened := n.hold(t, s, count)
		waiting.Go(func() {
			took := untilClosed(t, s, held, opened)
			t.Logf("%-28s the last of %d was closed after %v", s.name, count, took.Round(time.Millisecond))
			if took > longest {
				t.Errorf("%s: held for %v", s.name, took)
			}
		})
		if *stalled > 0 { // one sort after the other, for they come from one address
			n.report(t, s.name, n.messages(t, o))
			waiting.Wait()
		}
	}
	n.report(t, "all", n.messages(t, o))
	waiting.Wait()
}

// hold opens stalled connections, and returns when each was opened.
func (n *liveNode) hold(t *testing.T, s stall, count int) (held []net.Conn, opened []time.Time) {
	t.Helper()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	for range count {
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() }) // the server may have done so
		if !s.read {
			if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.WriteString(conn, s.text); err != nil {
			t.Fatal(err)
		}
		held, opened = append(held, conn), append(opened, time.Now())
	}
	return held, opened
}

// untilClosed waits until the server has closed them all, and returns the longest time that one was
// open. Connections that are not read are checked by sending: a closed connection returns an error.
func untilClosed(t *testing.T, s stall, held []net.Conn, opened []time.Time) time.Duration {
	t.Helper()
	var mu sync.Mutex
	var longest time.Duration
	var all sync.WaitGroup
	for i, conn := range held {
		all.Go(func() {
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			var err error
			if s.read {
				_, err = io.Copy(io.Discard, conn)
			} else {
				waittest.Within(waittest.Most, func() bool {
					_, err = conn.Write([]byte("\r\n"))
					return err != nil
				})
				if err == nil {
					err = os.ErrDeadlineExceeded
				}
			}
			took := time.Since(opened[i])
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: still open", s.name)
			}
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
		})
	}
	all.Wait()
	return longest
}

// messages sends some messages of a bot, each over a new connection, and returns how long each
// took.
func (n *liveNode) messages(t *testing.T, o *org) (took []time.Duration) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for i := range 20 {
		start := time.Now()
		r, err := http.NewRequestWithContext(t.Context(), "POST", n.url+"/api/send", strings.NewReader(fmt.Sprintf(`{"to":"own-bot2","content":"m%d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = o.member.header.Clone()
		r.Header.Set("Content-Type", "application/json")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%d %s, %v", res.StatusCode, body, err)
		}
		took = append(took, time.Since(start))
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	return took
}

func (n *liveNode) report(t *testing.T, name string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("%-28s messages took %v, at most %v", name, took[len(took)/2].Round(10*time.Microsecond),
		took[len(took)-1].Round(10*time.Microsecond))
	if most := 100 * time.Millisecond; *stalled > 0 && took[len(took)-1] > most {
		t.Errorf("%s: a message took %v, more than %v", name, took[len(took)-1], most)
	}
}

// B2B-LIM-042: unfinished messages of bots on WebSocket connections.
func TestStalledMessages(t *testing.T) {
	t.Parallel()
	count := 20
	limits := edge.Limits{Stall: time.Second, Sweep: 50 * time.Millisecond}
	if *stalled > 0 {
		count, limits = *stalled, edge.Limits{}
	}
	n := newLiveNode(t, func(c *server.Config) { c.Limits = limits })
	o := n.newOrg(t, "own")
	var all sync.WaitGroup
	for i := 0; i < count; i += 20 { // as many as one bot may have, nearly
		code := n.must(t, o.human, "POST", "/api/org/tickets", map[string]any{"reusable": true, "skip_approval": true})["ticket"].(string)
		made := n.must(t, nobody, "POST", "/api/auth/register", map[string]any{"org_id": o.id, "name": fmt.Sprintf("own-slow%d", i), "ticket": code})
		slow := bearer("bot", "bot", "full", made["token"].(string))
		for range 20 {
			ticket := n.must(t, slow, "POST", "/api/ws-ticket", nil)["ticket"].(string)
			conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(n.url, "http")+"/ws?ticket="+ticket, nil)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetReadLimit(-1)
			half, err := conn.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := half.Write(bytes.Repeat([]byte{'x'}, 8<<10)); err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
				defer cancel()
				for {
					if _, _, err = conn.Read(ctx); err != nil {
						break
					}
				}
				if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
					t.Errorf("ended with %v", err)
				}
			})
		}
	}
	n.report(t, "WebSocket message", n.messages(t, o))
	all.Wait()
}
