package edge_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/edge"
)

// answering is a handler that reads the body of an authenticated request and responds.
func answering(b *testing.B) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call.Authenticated(r.Context())
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			b.Error(err)
		}
		if _, err := w.Write([]byte(`{"ok":true}`)); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkPost measures the cost of the edge for a small authenticated call over one HTTP/1
// connection; "plain" is net/http alone.
func BenchmarkPost(b *testing.B) {
	h := answering(b)
	run := func(b *testing.B, l net.Listener, s *http.Server) {
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = s.Serve(l) // ended by Close
		}()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		request := []byte("POST /api/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"to\":\"own-b\"}")
		from := bufio.NewReader(conn)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := conn.Write(request); err != nil {
				b.Fatal(err)
			}
			for { // to the end of the headers, and the body of 11 bytes
				line, err := from.ReadSlice('\n')
				if err != nil {
					b.Fatal(err)
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := from.Discard(11); err != nil {
				b.Fatal(err)
			}
		}
		if err := conn.Close(); err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
		<-served
	}
	listen := func(b *testing.B) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	b.Run("plain", func(b *testing.B) { run(b, listen(b), &http.Server{Handler: h}) })
	b.Run("edge", func(b *testing.B) {
		l := edge.Listen(listen(b), edge.Limits{}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		run(b, l, l.NewServer(edge.Handler(edge.Config{REST: h})))
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkHTTP2 measures the same over one HTTP/2 connection.
func BenchmarkHTTP2(b *testing.B) {
	h := answering(b)
	run := func(b *testing.B, l net.Listener, s *http.Server) {
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = s.Serve(l) // ended by Close
		}()
		client := &http.Transport{Protocols: new(http.Protocols)}
		client.Protocols.SetUnencryptedHTTP2(true)
		b.ReportAllocs()
		for b.Loop() {
			r, err := http.NewRequest("POST", "http://"+l.Addr().String()+"/", strings.NewReader(`{"to":"own-b"}`))
			if err != nil {
				b.Fatal(err)
			}
			res, err := client.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				b.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				b.Error(err)
			}
		}
		client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			b.Error(err)
		}
		<-served
	}
	listen := func(b *testing.B) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	b.Run("plain", func(b *testing.B) {
		s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
		s.Protocols.SetUnencryptedHTTP2(true)
		run(b, listen(b), s)
	})
	b.Run("edge", func(b *testing.B) {
		l := edge.Listen(listen(b), edge.Limits{}, slog.New(slog.DiscardHandler))
		run(b, l, l.NewServer(edge.Handler(edge.Config{REST: h})))
	})
}
