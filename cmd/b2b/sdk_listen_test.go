package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/waittest"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// badProxy is a TCP proxy that breaks connections. The server behind it may change.
type badProxy struct {
	t      *testing.T
	listen net.Listener
	target atomic.Value // host:port
	mu     sync.Mutex
	calls  map[net.Conn]bool // connections of calls, and those to the server for them
	faults []int64           // of the next connections for events: cut after so many bytes; 0: refused with 503
}

func newBadProxy(t *testing.T, url string) *badProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &badProxy{t: t, listen: l, calls: map[net.Conn]bool{}}
	p.lead(url)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { // the clients have closed their connections
		l.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

func (p *badProxy) url() string { return "http://" + p.listen.Addr().String() }

func (p *badProxy) lead(url string) { p.target.Store(strings.TrimPrefix(url, "http://")) }

// cut breaks the connections of calls, in whatever they do.
func (p *badProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.calls {
		c.Close()
	}
	clear(p.calls)
}

func (p *badProxy) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[c] = true
}

// fault returns the fault of a connection that begins with a request; no limit for all but those of
// events.
func (p *badProxy) fault(head string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.HasPrefix(head, "GET /ws?") && !strings.HasPrefix(head, "GET /api/events") || len(p.faults) == 0 {
		return 1 << 60
	}
	f := p.faults[0]
	p.faults = p.faults[1:]
	return f
}

func (p *badProxy) serve(c net.Conn) {
	defer c.Close()
	head := make([]byte, 4096)
	n, err := c.Read(head)
	if err != nil {
		return
	}
	limit := p.fault(string(head[:n]))
	if limit == 0 {
		io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	server, err := net.Dial("tcp", p.target.Load().(string))
	if err != nil {
		return
	}
	defer server.Close()
	if strings.HasPrefix(string(head[:n]), "POST ") {
		p.add(c)
	}
	if _, err := server.Write(head[:n]); err != nil {
		return
	}
	go func() {
		io.Copy(server, c)
		server.Close()
	}()
	io.CopyN(c, server, limit) // then both are closed, perhaps in the middle of a frame
}

// TestGoListener: the Go client sends 1,200 messages and listens to them over both transports, in
// several loops that continue at the stored position, through proxies that cut connections in the
// middle of frames, while the server is killed and starts again. Every message is sent and delivered
// once, in order (B2B-SDK-001, B2B-SDK-010, B2B-SDK-011, B2B-SDK-012).
func TestGoListener(t *testing.T) {
	t.Parallel()
	const messages = 1200
	data := t.TempDir()
	n := serve(t, data)
	_, bots := n.team("writer", "reader")
	proxy := newBadProxy(t, n.URL)
	proxies := []*badProxy{proxy}
	ctx, cancel := context.WithTimeout(t.Context(), 5*waittest.Most)
	defer cancel()

	ready, wrote := sync.WaitGroup{}, atomic.Int64{}
	var wg sync.WaitGroup
	for name, transport := range map[string]b2b.Transport{"WebSocket": b2b.AnyTransport, "server-sent events": b2b.ServerSentEvents} {
		ready.Add(1)
		proxy := newBadProxy(t, n.URL)
		proxy.faults = []int64{400 + rand.Int64N(100_000), 0} // each makes the pauses longer
		proxies = append(proxies, proxy)
		wg.Go(func() {
			began := sync.OnceFunc(ready.Done)
			defer began()
			web := &http.Client{Transport: &http.Transport{}}
			defer web.CloseIdleConnections()
			c := b2b.New(proxy.url(), b2b.WithToken(bots["reader"].token), b2b.WithHTTPClient(web))
			store := &startedStore{FileStore: b2b.FileStore(filepath.Join(t.TempDir(), "position")), saved: began}
			for want := 0; want < messages; {
				leave := want + 300 // the loop ends there, as if the program did
				for e, err := range c.Listen(ctx, b2b.WithTransport(transport), b2b.WithPositionStore(store)) {
					if err != nil {
						t.Errorf("%s: %v after %d messages", name, err, want)
						return
					}
					if e.GetMessage() == nil {
						continue
					}
					if got := e.GetMessage().GetMessage().GetContent(); got == strconv.Itoa(want-1) && want+300 == leave {
						continue // the event in whose handling the last loop ended
					} else if got != strconv.Itoa(want) {
						t.Errorf("%s: message %s, want %d", name, got, want)
						return
					}
					if want++; want == leave || want == messages {
						break
					}
				}
			}
		})
	}
	ready.Wait() // both have a position

	wg.Go(func() {
		web := &http.Client{Transport: &http.Transport{}}
		defer web.CloseIdleConnections()
		c := b2b.New(proxy.url(), b2b.WithToken(bots["writer"].token), b2b.WithHTTPClient(web), b2b.WithRetries(40))
		for i := range messages {
			if i%50 == 25 {
				go proxy.cut() // before, during or after the send
			}
			if _, err := c.Send(ctx, "reader", fmt.Sprint(i), func(r *b2bv1.SendDirectMessageRequest) {
				r.ContentType = proto.String("text")
			}); err != nil {
				t.Errorf("send %d: %v", i, err)
				cancel()
				return
			}
			wrote.Store(int64(i))
		}
	})
	waittest.Until(t, "half of the messages", func() bool { return wrote.Load() > messages/2 || ctx.Err() != nil })
	n.kill()
	n = serve(t, data)
	for _, p := range proxies {
		p.lead(n.URL)
	}
	wg.Wait()
	if containsError(n.logs.String()) {
		t.Errorf("the server logged an error\n%s", n.logs)
	}
}

// startedStore reports the first position that is saved.
type startedStore struct {
	b2b.FileStore
	saved func()
}

func (s *startedStore) Save(ctx context.Context, position string) error {
	defer s.saved()
	return s.FileStore.Save(ctx, position)
}
