package server_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/edge"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server"
)

// paceTest is a call with a response of about 4 MB.
type paceTest struct {
	name, path, kind string
	body             []byte // with one it is a POST
	http1            bool   // also
}

func grpcBody(t *testing.T, prefixed proto.Message) []byte {
	t.Helper()
	m, err := proto.Marshal(prefixed)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// B2B-LIM-045: on every binding, a caller that reads a response more slowly than required is cut
// off, while a fast caller gets all of it, also on a busy machine. The test requires 128 KiB/s and
// reads 64 KiB/s.
func TestPaceOfAnswers(t *testing.T) {
	t.Parallel()
	const size = 3_900_000
	n := newLiveNode(t, func(c *server.Config) { c.Limits = edge.Limits{Stall: 2 * time.Second, Pace: 128 << 10} })
	o := n.newOrg(t, "own")
	thread := o.at["thread"]
	large := []byte(`{"parts":[{"type":"json","content":["` + strings.Repeat("x", 1_000_000) + `"]}]}`)
	for range 4 {
		if a := n.send(o.member, "POST", "/api/threads/"+thread+"/messages", large); a.status != 200 {
			t.Fatalf("a large message: %v", a)
		}
	}
	var file struct{ ID string }
	if a := n.send(o.member, "POST", "/api/files/upload", form(nil, "text/plain", strings.Repeat("x", 4_000_000))); json.Unmarshal([]byte(a.body), &file) != nil || file.ID == "" {
		t.Fatalf("upload: %v", a)
	}
	four := int32(4)
	list := &b2bv1.ListThreadMessagesRequest{ThreadId: thread, Limit: &four}
	for _, c := range []paceTest{
		{name: "REST", path: "/api/threads/" + thread + "/messages?limit=4", http1: true},
		{name: "file", path: "/api/files/" + file.ID, http1: true},
		{name: "Connect", path: "/b2b.v1.ThreadService/ListThreadMessages", kind: "application/json", body: []byte(`{"threadId":"` + thread + `","limit":4}`), http1: true},
		{name: "gRPC-web", path: "/b2b.v1.ThreadService/ListThreadMessages", kind: "application/grpc-web+proto", body: grpcBody(t, list), http1: true},
		{name: "gRPC", path: "/b2b.v1.ThreadService/ListThreadMessages", kind: "application/grpc+proto", body: grpcBody(t, list)},
		{name: "file over gRPC", path: "/b2b.v1.FileService/GetFile", kind: "application/grpc+proto", body: grpcBody(t, &b2bv1.GetFileRequest{Id: file.ID})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.http1 {
				t.Run("HTTP/1", func(t *testing.T) {
					t.Parallel()
					n.paceOf(t, o.member, c, size, false)
				})
			}
			t.Run("HTTP/2", func(t *testing.T) {
				t.Parallel()
				n.paceOf(t, o.member, c, size, true)
			})
		})
	}
}

// paceOf makes the call twice: it reads the response at once, then slowly.
func (n *liveNode) paceOf(t *testing.T, by caller, c paceTest, size int64, http2 bool) {
	t.Helper()
	const part = 64 << 10
	client := &http.Transport{
		Protocols: new(http.Protocols), DisableCompression: true,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: part, MaxReceiveBufferPerConnection: part},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err == nil {
				err = conn.(*net.TCPConn).SetReadBuffer(part)
			}
			return conn, err
		},
	}
	client.Protocols.SetHTTP1(!http2)
	client.Protocols.SetUnencryptedHTTP2(http2)
	defer client.CloseIdleConnections()
	for _, slowly := range []bool{false, true} {
		method := http.MethodGet
		if c.body != nil {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(t.Context(), method, n.url+c.path, strings.NewReader(string(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = by.header.Clone()
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		res, err := client.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		for err = error(nil); err == nil; {
			var took int64
			if took, err = io.CopyN(io.Discard, res.Body, part); slowly {
				time.Sleep(time.Second) // Sleeps: the client reads slowly.
			}
			got += took
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		switch {
		case res.StatusCode != http.StatusOK:
			t.Errorf("status %d", res.StatusCode)
		case !slowly && (err != io.EOF || got < size):
			t.Errorf("%d bytes came at once, then %v", got, err)
		case slowly && (err == io.EOF || got > size/2):
			t.Errorf("%d bytes could be taken slowly, then %v", got, err)
		}
	}
}
