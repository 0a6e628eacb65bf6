package server_test

import (
	"bytes"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/b2b-protocol/b2b/internal/waittest"
	"github.com/b2b-protocol/b2b/server"
)

// B2B-LIM-035: responses that a client requests and does not read occupy a limited part of memory,
// and do not affect calls of others. Each response here has 4 MB.
func TestUnreadAnswers(t *testing.T) {
	// Not parallel: it fills the memory budget, and measures what is used.
	const (
		calls = 250       // as many streams as a connection of HTTP/2 has
		most  = 150 << 20 // bytes of heap
		soon  = 5 * time.Second
	)
	n := newLiveNode(t, func(*server.Config) {})
	own, other := n.newOrg(t, "own"), n.newOrg(t, "other")
	thread := own.at["thread"]
	large := []byte(`{"parts":[{"type":"json","content":["` + strings.Repeat("x", 1_000_000) + `"]}]}`)
	for range 4 {
		if a := n.send(own.member, "POST", "/api/threads/"+thread+"/messages", large); a.status != 200 {
			t.Fatalf("a large message: %v", a)
		}
	}
	list := "/api/threads/" + thread + "/messages?limit=4"
	for name, ask := range map[string]unread{
		"REST":    {path: list},
		"Connect": {path: "/b2b.v1.ThreadService/ListThreadMessages", body: `{"threadId":"` + thread + `","limit":4}`},
	} {
		t.Run(name, func(t *testing.T) {
			base := live()
			asked := n.askUnread(t, own.member, ask, calls)
			end := time.Now().Add(4 * time.Second)
			var peak uint64
			for time.Now().Before(end) || asked.count("200") == 0 || asked.refused() == 0 {
				peak = max(peak, live())
				start := time.Now()
				n.must(t, other.member, "POST", "/api/send", map[string]any{"to": "other-bot2", "content": "x"})
				if took := time.Since(start); took > soon {
					t.Errorf("a message of another org took %v", took)
				}
				if time.Since(end) > time.Minute {
					t.Fatalf("of the answers, %d have begun and %d were refused", asked.count("200"), asked.refused())
				}
			}
			if peak > base+most {
				t.Errorf("unread answers hold %d MiB", (peak-base)>>20)
			}
			t.Logf("%d MiB; %d answers begun, %d refused", (peak-min(peak, base))>>20, asked.count("200"), asked.refused())
			asked.close()
			waittest.Until(t, "the calls of the client that is gone end", func() bool {
				a := n.send(own.member, "GET", list, nil)
				return a.status == 200 && len(a.body) > 3_900_000
			})
		})
	}
}

// live returns how many bytes of the heap are in use after a collection.
func live() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// unread is a call with a response that is not read; with a body it is a POST.
type unread struct{ path, body string }

// unreadCalls is an HTTP/2 connection with a window that is never updated.
type unreadCalls struct {
	conn net.Conn
	over chan struct{}

	mu       sync.Mutex
	statuses map[string]int
}

func (n *liveNode) askUnread(t *testing.T, c caller, ask unread, calls int) *unreadCalls {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	u := &unreadCalls{conn: conn, over: make(chan struct{}), statuses: map[string]int{}}
	t.Cleanup(u.close)
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var head bytes.Buffer
	fields := hpack.NewEncoder(&head)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(framer.WriteSettings())
	method := http.MethodGet
	if ask.body != "" {
		method = http.MethodPost
	}
	for i := range calls {
		head.Reset()
		for _, f := range [][2]string{
			{":method", method}, {":path", ask.path}, {":scheme", "http"}, {":authority", "x"},
			{"authorization", c.header.Get("Authorization")}, {"content-type", "application/json"},
		} {
			must(fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
		}
		stream := uint32(2*i + 1)
		must(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: ask.body == ""}))
		if ask.body != "" {
			must(framer.WriteData(stream, true, []byte(ask.body)))
		}
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	go u.read(framer)
	return u
}

// read counts statuses until the connection is closed.
func (u *unreadCalls) read(framer *http2.Framer) {
	defer close(u.over)
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			u.mu.Lock()
			u.statuses[h.PseudoValue("status")]++
			u.mu.Unlock()
		}
	}
}

func (u *unreadCalls) count(status string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.statuses[status]
}

func (u *unreadCalls) refused() int {
	return u.count("429") + u.count("503")
}

func (u *unreadCalls) close() {
	_ = u.conn.Close() // a second time, at the end
	<-u.over
}
