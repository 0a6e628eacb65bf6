package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// TestKillInMidDelivery kills a server with SIGKILL while it delivers to a webhook. A restarted
// server on SQLite, or another node on PostgreSQL, continues: nothing is lost, and a repeated
// delivery has the same id (B2B-HOOK-003, 013). The other node continues within 15 seconds
// (B2B-HOOK-060), and shows the bots of the killed node offline (B2B-PRES-007).
func TestKillInMidDelivery(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			env := append(backend.env(t), "B2B_WEBHOOK_ALLOW=127.0.0.1")
			r := newHookReceiver(t)
			data := t.TempDir()
			first := serve(t, data, env...)
			org, bots := first.team("writer")
			writer := bots["writer"]
			hooked := map[string]any{"org_id": org["id"], "org_secret": org["org_secret"], "name": "hooked", "webhook_url": r.URL, "webhook_secret": "hush"}
			(&client{t: t, url: first.URL}).must("POST", "/api/auth/register", hooked)
			acknowledged := 0
			send := func(n int) {
				for range n {
					writer.must("POST", "/api/send", map[string]any{"to": "hooked", "content": fmt.Sprint(acknowledged)})
					acknowledged++
				}
			}
			var second *node
			if backend.name != "sqlite" {
				second = serve(t, data, env...) // the first one has the lease
				openSocket(t, first, writer.token)
			}
			send(100)
			r.wait(t, 30)
			r.hang()
			send(20)
			first.kill()
			killed := time.Now()
			r.release()
			taken := second != nil
			if !taken {
				second = serve(t, data, env...)
			}
			writer.url = second.URL
			send(20)
			r.wait(t, acknowledged) // a lease has to run out
			if rest := time.Since(killed); taken && rest > lateMost {
				t.Errorf("webhooks rested for %v after a node was killed", rest)
			}
			offline := func() bool { return writer.must("GET", "/api/me", nil)["online"] == false }
			if taken && !waittest.Within(lateMost-time.Since(killed), offline) {
				t.Fatalf("a bot is online %v after its node was killed", time.Since(killed))
			}
			t.Logf("all is well %v after the kill", time.Since(killed))
			r.judge(t, acknowledged)
		})
	}
}

// lateMost is the 15 seconds of the requirement, and more for a busy machine.
const lateMost = 20 * time.Second

// openSocket opens a WebSocket for a bot, which ends with the test or the node.
func openSocket(t *testing.T, n *node, token string) {
	t.Helper()
	own := &client{t: t, url: n.URL, token: token}
	ticket := own.must("POST", "/api/ws-ticket", nil)["ticket"].(string)
	conn, _, err := websocket.Dial(t.Context(), n.URL+"/ws?ticket="+ticket, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() }) // its node may be gone
	waittest.Until(t, "a bot with a connection is online", func() bool { return own.must("GET", "/api/me", nil)["online"] == true })
}

// hookReceiver is the receiver of a webhook.
type hookReceiver struct {
	*httptest.Server
	mu      sync.Mutex
	ids     map[string]string // by text
	renamed []string
	total   int
	hung    chan struct{} // nil: it answers at once
}

func newHookReceiver(t *testing.T) *hookReceiver {
	r := &hookReceiver{ids: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var e struct{ Message struct{ Content string } }
		if err != nil || json.Unmarshal(body, &e) != nil {
			return
		}
		r.mu.Lock()
		id, text := req.Header.Get("webhook-id"), e.Message.Content
		if was, known := r.ids[text]; known && was != id {
			r.renamed = append(r.renamed, text)
		}
		r.ids[text] = id
		r.total++
		hung := r.hung
		r.mu.Unlock()
		if hung != nil {
			select {
			case <-hung:
			case <-req.Context().Done():
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *hookReceiver) hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hung = make(chan struct{})
}

func (r *hookReceiver) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.hung)
	r.hung = nil
}

// wait waits until n different messages have arrived.
func (r *hookReceiver) wait(t *testing.T, n int) {
	t.Helper()
	waittest.Until(t, fmt.Sprint(n, " messages have arrived"), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.ids) >= n
	})
}

func (r *hookReceiver) judge(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[string]bool{}
	for _, id := range r.ids {
		names[id] = true
	}
	if len(r.ids) != n || len(names) != n || len(r.renamed) > 0 {
		t.Errorf("%d messages came under %d ids, %d were acknowledged; under another id again: %v", len(r.ids), len(names), n, r.renamed)
	}
	t.Logf("%d messages in %d requests", len(r.ids), r.total)
}
