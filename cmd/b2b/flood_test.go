package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"
)

// A flood is many simultaneous requests that are cheap to send and expensive to read.
type flood struct {
	name    string
	path    string
	headers []string
	body    []byte
	anybody bool // is a public call
}

const (
	floodSize  = 60
	floodBytes = 100 << 20       // what a flood may add to the memory of the process
	floodTime  = 5 * time.Second // within which each request of it is answered
)

// zipped compresses data. Repeated n times it is a body of n members, which gunzip reads as one.
func zipped(t testing.TB, data []byte, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(b.Bytes(), n)
}

// enveloped returns a message of a stream: its flags, its length, its bytes.
func enveloped(flags byte, data []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(data)))
	return append(b, data...)
}

// floods returns the requests: lists of empty members in each encoding, objects with many keys, and
// bodies that inflate to a gigabyte.
func floods(t testing.TB) []flood {
	const size = 1 << 20
	// CreateThreadRequest.participants (field 3) is a StringList with empty values (field 1).
	list := bytes.Repeat([]byte{1<<3 | 2, 0}, (size-16)/2)
	members := append(binary.AppendUvarint([]byte{3<<3 | 2}, uint64(len(list))), list...)
	texts := strings.Repeat(`"",`, (size-64)/3) + `""`
	connectJSON := []byte(`{"participants":{"values":[` + texts + `]}}`)
	restJSON := []byte(`{"topic":"a","participants":[` + texts + `]}`)
	var keys bytes.Buffer
	keys.WriteByte('{')
	for i := 0; keys.Len() < size-16; i++ {
		fmt.Fprintf(&keys, `"%x":0,`, i)
	}
	keys.WriteString(`"":0}`)
	packed, bomb := zipped(t, members, 1), zipped(t, make([]byte, size), 1<<10)
	fields := zipped(t, bytes.Repeat([]byte{5<<3 | 2, 0}, 100<<10), 1)
	proto, asJSON := []string{"Content-Type", "application/proto"}, []string{"Content-Type", "application/json"}
	gzip := append([]string{"Content-Encoding", "gzip"}, proto...)
	grpc := []string{"Content-Type", "application/grpc+proto", "Grpc-Encoding", "gzip", "Te", "trailers"}
	web := []string{"Content-Type", "application/grpc-web+proto", "Grpc-Encoding", "gzip"}
	stream := []string{"Content-Type", "application/connect+proto", "Connect-Content-Encoding", "gzip"}
	const create, register = "/b2b.v1.ThreadService/CreateThread", "/b2b.v1.AuthService/RegisterBot"
	return []flood{
		{"Connect, gzip, a list of empty members", create, gzip, packed, false},
		{"Connect, gzip, a bomb", create, gzip, bomb, false},
		{"Connect, a list of empty members", create, proto, members, false},
		{"Connect JSON, a list of empty texts", create, asJSON, connectJSON, false},
		{"gRPC, gzip, a list of empty members", create, grpc, enveloped(1, packed), false},
		{"gRPC, gzip, a bomb", create, grpc, enveloped(1, bomb), false},
		{"gRPC-web, gzip, a list of empty members", create, web, enveloped(1, packed), false},
		{"Connect stream, gzip, a bomb", "/b2b.v1.EventService/Subscribe", stream, enveloped(1, bomb), false},
		{"Connect upload, gzip, a bomb", "/b2b.v1.FileService/UploadFile", stream, enveloped(1, bomb), false},
		{"REST, many keys", "/api/threads", asJSON, keys.Bytes(), false},
		{"REST, a list of empty texts", "/api/threads", asJSON, restJSON, false},
		{"REST, unknown path", "/api/nothing", asJSON, keys.Bytes(), false},
		{"Connect, gzip, a login, a bomb", "/b2b.v1.AuthService/Login", gzip, bomb, true},
		{"Connect, gzip, a registration of many fields", register, gzip, fields, true},
		{"gRPC, gzip, a registration, a bomb", register, grpc, enveloped(1, bomb), true},
		{"REST, a login of many keys", "/api/auth/login", asJSON, append(keys.Bytes()[:200<<10:200<<10], `"z":0}`...), true},
		{"REST, a registration of many keys", "/api/auth/register", asJSON, keys.Bytes(), true},
	}
}

// peak measures the memory of the process until stop, which returns the largest increase.
func peak(t testing.TB) (stop func() int64) {
	t.Helper()
	debug.FreeOSMemory()
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	now := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64()) - int64(sample[1].Value.Uint64())
	}
	before := now()
	most := before
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, now())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 {
		cancel()
		<-done
		return most - before
	}
}

// listen runs a node with a port.
func listen(t *testing.T) (*node, string) {
	t.Helper()
	n := newNode(t)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: n.server.Handler(), Protocols: &protocols, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	t.Cleanup(func() {
		if err := web.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	return n, "http://" + l.Addr().String()
}

// Sixty simultaneous expensive requests, over one connection and over many, unauthenticated and by
// a bot: their memory is bounded, and unauthenticated ones get a response soon (B2B-HTTP-021,
// B2B-LIM-032).
func TestFlood(t *testing.T) {
	// Not parallel: it measures the memory of the whole process.
	n, url := listen(t)
	o := n.newOrg(t, "own")
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	one := &http.Transport{Protocols: &protocols}
	many := &http.Transport{MaxIdleConnsPerHost: floodSize}
	defer one.CloseIdleConnections()
	defer many.CloseIdleConnections()
	// A bot may keep its own connection busy for long.
	for _, from := range []struct {
		name      string
		by        caller
		transport *http.Transport
		wait      time.Duration
	}{
		{"no credential, one connection", nobody, one, floodTime},
		{"no credential, many connections", nobody, many, floodTime},
		{"a bot, many connections", o.member, many, time.Minute},
	} {
		for _, f := range floods(t) {
			if f.anybody && from.by.kind != nobody.kind {
				continue
			}
			t.Run(f.name+", "+from.name, func(t *testing.T) {
				stop := peak(t)
				var wg sync.WaitGroup
				var mu sync.Mutex
				var slowest time.Duration
				answers := map[string]int{}
				for range floodSize {
					wg.Go(func() {
						start := time.Now()
						got := throw(t, from.transport, url, f, from.by)
						mu.Lock()
						defer mu.Unlock()
						slowest = max(slowest, time.Since(start))
						answers[got]++
					})
				}
				wg.Wait()
				more := stop()
				t.Logf("%d MiB more, the slowest took %v, %v", more>>20, slowest.Round(time.Millisecond), answers)
				if more > floodBytes {
					t.Errorf("%d MiB more, want at most %d", more>>20, floodBytes>>20)
				}
				if slowest > from.wait {
					t.Errorf("an answer took %v, want at most %v", slowest, from.wait)
				}
			})
		}
	}
	n.must(t, o.member, "POST", "/api/threads", map[string]any{"topic": "the server goes on"})
}

// throw sends one request and returns its status and code.
func throw(t *testing.T, transport *http.Transport, url string, f flood, by caller) string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", url+f.path, bytes.NewReader(f.body))
	if err != nil {
		t.Error(err)
		return ""
	}
	for k, v := range by.header {
		r.Header[k] = v
	}
	for i := 0; i < len(f.headers); i += 2 {
		r.Header.Set(f.headers[i], f.headers[i+1])
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return "error: " + err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "error: " + err.Error()
	}
	status := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
	return fmt.Sprintf("%d %s %s", res.StatusCode, answer{body: string(body)}.code(), status)
}
