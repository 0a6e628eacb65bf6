package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
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
	floodSize   = 60
	floodMemory = 100 << 10       // what one flood may add to the memory of the server, garbage included, in KiB
	allFloods   = 150 << 10       // what all of them may add
	floodTime   = 5 * time.Second // within which each request of an unauthenticated one gets a response
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
	n := len(data)
	return append([]byte{flags, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, data...)
}

// floods returns the requests: lists of empty members in each encoding, objects with many keys, and
// bodies that inflate to a gigabyte.
func floods(t testing.TB) []flood {
	const size = 1 << 20
	// CreateThreadRequest.participants (field 3) is a StringList with empty values (field 1).
	list := bytes.Repeat([]byte{1<<3 | 2, 0}, (size-16)/2)
	members := protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), list)
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

// TestFlood sends sixty expensive requests at once, over one connection and over many,
// unauthenticated and by a bot: the memory of the server is bounded, and unauthenticated ones get a
// response soon (B2B-HTTP-021, B2B-LIM-032).
func TestFlood(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir(), "B2B_LOG_LEVEL=info")
	_, bots := n.team("writer")
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	one := &http.Transport{Protocols: &protocols}
	many := &http.Transport{MaxIdleConnsPerHost: floodSize}
	defer one.CloseIdleConnections()
	defer many.CloseIdleConnections()
	idle, all := n.resident(), floods(t)
	highest := idle
	// A bot may keep its own connection busy for long.
	for _, from := range []struct {
		name      string
		token     string
		transport *http.Transport
		wait      time.Duration
	}{
		{"no credential, one connection", "", one, floodTime},
		{"no credential, many connections", "", many, floodTime},
		{"a bot, many connections", bots["writer"].token, many, time.Minute},
	} {
		for _, f := range all {
			if f.anybody && from.token != "" {
				continue
			}
			before := n.resident()
			n.resetPeak()
			var wg sync.WaitGroup
			var mu sync.Mutex
			var slowest time.Duration
			responses := map[string]int{}
			for range floodSize {
				wg.Go(func() {
					start := time.Now()
					got := throw(t, from.transport, n.URL, f, from.token)
					mu.Lock()
					defer mu.Unlock()
					slowest = max(slowest, time.Since(start))
					responses[got]++
				})
			}
			wg.Wait()
			peak := n.memory("VmHWM:")
			more := peak - before
			highest = max(highest, peak)
			t.Logf("%s, %s: %d MiB more, the slowest took %v, %v", f.name, from.name, more>>10, slowest.Round(time.Millisecond), responses)
			if more > floodMemory {
				t.Errorf("%s, %s: %d MiB more, want at most %d", f.name, from.name, more>>10, floodMemory>>10)
			}
			if slowest > from.wait {
				t.Errorf("%s, %s: a response took %v, want at most %v", f.name, from.name, slowest, from.wait)
			}
		}
	}
	if more := highest - idle; more > allFloods {
		t.Errorf("all floods: %d MiB more, want at most %d", more>>10, allFloods>>10)
	}
	bots["writer"].must("POST", "/api/threads", map[string]any{"topic": "the server goes on"})
}

// throw sends one request and returns its status.
func throw(t *testing.T, transport *http.Transport, url string, f flood, token string) string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", url+f.path, bytes.NewReader(f.body))
	if err != nil {
		t.Error(err)
		return ""
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(f.headers); i += 2 {
		r.Header.Set(f.headers[i], f.headers[i+1])
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return "error: " + err.Error()
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint(res.StatusCode, " ", res.Header.Get("Grpc-Status"), res.Trailer.Get("Grpc-Status"))
}
