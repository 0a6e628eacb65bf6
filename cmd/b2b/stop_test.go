package main

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/files/s3files/s3test"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// TestStopWhileOthersHang stops a server while Redis accepts connections and does not respond, and
// while the file store accepts a file and does not respond (B2B-LIFE-035). TestSilentDatabase does
// the same with the database.
func TestStopWhileOthersHang(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		n := serve(t, t.TempDir(), "B2B_DATABASE_URL="+pgtest.URL(t), "B2B_REDIS_URL=redis://"+tarPit(t))
		_, bots := n.team("writer", "reader")
		bots["writer"].must("POST", "/api/send", map[string]any{"to": "reader", "content": "hello"})
		bots["writer"].must("POST", "/api/ws-ticket", nil)
		stopsSoon(t, n)
	})
	t.Run("files", func(t *testing.T) {
		t.Parallel()
		var hangs atomic.Bool
		asked, release := make(chan struct{}, 100), make(chan struct{})
		defer close(release)
		_, bucket := s3test.New(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if hangs.Load() {
					asked <- struct{}{}
					<-release
				}
				next.ServeHTTP(w, r)
			})
		})
		n := serve(t, t.TempDir(), "B2B_FILES_URL="+bucket("files"), "AWS_ACCESS_KEY_ID="+s3test.KeyID, "AWS_SECRET_ACCESS_KEY="+s3test.SecretKey)
		_, bots := n.team("writer")
		bots["writer"].mustUpload(someBytes(10))
		hangs.Store(true)
		go func() { bots["writer"].upload("f", someBytes(10), "r-1") }() // ends with the node
		<-asked
		stopsSoon(t, n)
	})
}

func stopsSoon(t *testing.T, n *node) {
	t.Helper()
	begun := time.Now()
	err := n.stop() // any status
	took := time.Since(begun)
	t.Logf("stopped after %v: %v", took, err)
	if took > inTime {
		t.Errorf("stopped after %v", took)
	}
}

// tarPit returns an address that accepts connections and never responds.
func tarPit(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close() // nothing was written to it
		<-done
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}
