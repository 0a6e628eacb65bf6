package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/waittest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A transport is one way to subscribe.
type transport struct {
	name   string
	target string
	method string
	header http.Header
	body   []byte
}

var transports = []transport{
	{"ws", "/ws?ticket=", "GET", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}, nil},
	{"sse", "/api/events", "GET", http.Header{}, nil},
	{"connect", "/b2b.v1.EventService/Subscribe", "POST", http.Header{"Content-Type": {"application/connect+proto"}}, make([]byte, 5)},
	{"connect json", "/b2b.v1.EventService/Subscribe", "POST", http.Header{"Content-Type": {"application/connect+json"}}, []byte("\x00\x00\x00\x00\x02{}")},
	{"grpc", "/b2b.v1.EventService/Subscribe", "POST", http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}, make([]byte, 5)},
}

// patience limits every wait.
const patience = 30 * time.Second

// Names in events: countedName is counted, startName shows that a subscription has started.
const (
	countedName = "the new name of a bot"
	startName   = "the name before"
)

// sink is a client that counts the events that it is sent, as a response or as a connection.
type sink struct {
	net.Conn // nil
	header   http.Header
	got      *atomic.Int64
	begun    atomic.Bool
	closed   chan struct{}
	once     sync.Once
}

func (s *sink) Header() http.Header              { return s.header }
func (s *sink) WriteHeader(int)                  {}
func (s *sink) Flush()                           {}
func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
func (s *sink) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }

func (s *sink) Write(p []byte) (int, error) {
	s.got.Add(int64(bytes.Count(p, []byte(countedName))))
	if !s.begun.Load() && bytes.Contains(p, []byte(startName)) {
		s.begun.Store(true)
	}
	return len(p), nil
}

func (s *sink) Read([]byte) (int, error) {
	<-s.closed
	return 0, io.EOF
}

func (s *sink) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return s, bufio.NewReadWriter(bufio.NewReaderSize(s, 16), bufio.NewWriterSize(s, 16)), nil
}

// listen subscribes a caller of an org over a transport until leave is called. It returns when the
// subscription has started.
func (n *node) listen(t testing.TB, org string, c caller, d transport, got *atomic.Int64) (leave func()) {
	t.Helper()
	target := d.target
	if d.name == "ws" {
		target += n.must(t, c, "POST", "/api/ws-ticket", nil)["ticket"].(string)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequest(d.method, target, bytes.NewReader(d.body)).WithContext(ctx)
	if d.name == "grpc" {
		r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
	}
	r.Header = d.header.Clone()
	r.Header["Authorization"] = c.header["Authorization"]
	s := &sink{header: http.Header{}, got: got, closed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.server.Handler().ServeHTTP(s, r)
	}()
	waittest.Until(t, d.name+": an event arrives", func() bool {
		n.publish(t, org, startName)
		return s.begun.Load()
	})
	return func() {
		cancel()
		_ = s.Close() // never fails
		<-done
	}
}

// publish commits one event that the whole org receives, without a call.
func (n *node) publish(t testing.TB, org, name string) {
	t.Helper()
	e := &b2bv1.Event{Event: &b2bv1.Event_BotRenamed{BotRenamed: &b2bv1.BotRenamedEvent{BotId: "b", OldName: "old", NewName: name}}}
	payload, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	err = n.server.Store().Update(t.Context(), org, func(tx store.Tx) error {
		_, err := tx.Append(t.Context(), store.Event{Type: "bot_renamed", Audience: store.AudienceOrg, At: time.Now().UnixMilli(), Payload: payload})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mallocs returns how many allocations do makes, n times.
func mallocs(n int, do func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		do()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// deliveries sends events to subscribers of one transport, and returns the allocations per
// delivery, without those of the commit.
func deliveries(t testing.TB, d transport, readers, events int) float64 {
	t.Helper()
	n := newNode(t)
	o := n.newOrg(t, "deliveries")
	const warm = 50
	alone := func() { n.publish(t, o.id, countedName) }
	_ = mallocs(warm, alone)
	commit := mallocs(warm, alone) / warm
	var got atomic.Int64
	for range readers {
		t.Cleanup(n.listen(t, o.id, o.member, d, &got))
	}
	want := int64(0)
	round := func() {
		n.publish(t, o.id, countedName)
		want += int64(readers)
		for deadline := time.Now().Add(patience); got.Load() < want; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d deliveries of %d", d.name, got.Load(), want)
			}
		}
	}
	round() // listen has returned, so all listen
	_ = mallocs(warm, round)
	return (mallocs(events, round) - commit*float64(events)) / float64(readers*events)
}

// An event is encoded once for all its subscribers: a delivery allocates almost nothing, over any
// transport.
func TestDeliveryAllocates(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	for _, d := range transports {
		t.Run(d.name, func(t *testing.T) {
			per := deliveries(t, d, 20, 100)
			t.Logf("%.2f allocations a delivery", per)
			if per > 6 && !thinned { // the race detector allocates, too
				t.Errorf("%.2f allocations a delivery", per)
			}
		})
	}
}

// BenchmarkDelivery measures a delivery over each transport, up to the write to the network: time,
// and allocs/delivery.
func BenchmarkDelivery(b *testing.B) {
	for _, d := range transports {
		b.Run(d.name, func(b *testing.B) {
			const readers = 60 // of one bot
			begin := time.Now()
			per := deliveries(b, d, readers, b.N)
			b.ReportMetric(per, "allocs/delivery")
			b.ReportMetric(float64(time.Since(begin).Nanoseconds())/float64(b.N*readers), "ns/delivery")
		})
	}
}
