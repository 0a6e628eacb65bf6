package b2b_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	b2b "github.com/b2b-protocol/b2b/sdk/go"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/sdk/go/b2b/v1/b2bv1connect"
)

// TestNoHerd: 500 listeners of a server that restarts are back within 5 seconds, and at most 100 of
// them come in any 100 ms (B2B-SDK-021).
func TestNoHerd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const listeners = 500
		h := startHub(t)
		for range listeners {
			h.faults = append(h.faults, fault{after: 20 * time.Second, code: 1012, reason: "Service restart"})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		c := h.client()
		for range listeners {
			wg.Go(func() {
				for _, err := range c.Listen(ctx) {
					if ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(25 * time.Second)
		at := h.attempts()
		if len(at) != 2*listeners {
			t.Fatalf("%d connections, want %d", len(at), 2*listeners)
		}
		for i := listeners + 100; i < len(at); i++ {
			if d := at[i].at.Sub(at[i-100].at); d <= 100*time.Millisecond {
				t.Fatalf("101 connections came within %v", d)
			}
		}
		cancel()
		wg.Wait()
	})
}

// BenchmarkListen measures how long one event takes from a WebSocket to the loop.
func BenchmarkListen(b *testing.B) {
	text := []byte(`{"type":"thread_message","thread_id":"2f1c","message":{"id":"0198","thread_id":"2f1c","sender_id":"b1",` +
		`"sender_name":"planner","content":"Ready to start?","content_type":"text","parts":[{"type":"text","content":"Ready to start?"}],` +
		`"mentions":[],"mention_all":false,"reply_to_id":null,"metadata":null,"created_at":1767225600000},"cursor":"`)
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewWebSocketServiceHandler(&hub{}))
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx := conn.CloseRead(context.WithoutCancel(r.Context()))
		var frame []byte
		for i := 0; ctx.Err() == nil; i++ {
			frame = append(append(frame[:0], text...), time.Duration(i+1).String()...)
			if conn.Write(ctx, websocket.MessageText, append(frame, `"}`...)) != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	b.ReportAllocs()
	n := 0
	for e, err := range b2b.New(server.URL, b2b.WithToken("t")).Listen(b.Context(), b2b.FromPosition("0")) {
		if err != nil || e.GetThreadMessage() == nil {
			b.Fatal(e, err)
		}
		if n++; n == 1 {
			b.ResetTimer()
		}
		if n > b.N {
			break
		}
	}
}

// BenchmarkSend measures one call of Send, and a bare POST of the same message.
func BenchmarkSend(b *testing.B) {
	mux := http.NewServeMux()
	mux.Handle(b2bv1connect.NewChannelServiceHandler(channels{}, connect.WithCompressMinBytes(1024)))
	server := httptest.NewServer(mux)
	defer server.Close()
	c := b2b.New(server.URL, b2b.WithToken("t"))
	b.Run("SDK", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Send(b.Context(), "engineering", "Ready to start?"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		body, err := proto.Marshal(&b2bv1.SendDirectMessageRequest{
			To: proto.String("engineering"), Content: proto.String("Ready to start?"), RequestId: proto.String("0123456789abcdef0123456789"),
		})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+b2bv1connect.ChannelServiceSendDirectMessageProcedure, strings.NewReader(string(body)))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/proto")
			req.Header.Set("Authorization", "Bearer t")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
				b.Fatal(res.Status, err)
			}
			res.Body.Close()
		}
	})
}
