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
)

// TestKillInMidDelivery kills a server with SIGKILL while it posts to a webhook. A
// server that comes back on SQLite, and another node on PostgreSQL, goes on: nothing is
// lost, and what is repeated has the id that it had (B2B-HOOK-003, 013).
func TestKillInMidDelivery(t *testing.T) {
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
			}
			send(100)
			r.wait(t, 30, time.Minute)
			r.hang()
			send(20)
			first.kill()
			r.release()
			if second == nil {
				second = serve(t, data, env...)
			}
			writer.url = second.URL
			send(20)
			r.wait(t, acknowledged, time.Minute) // a lease of half a minute has to run out
			r.judge(t, acknowledged)
		})
	}
}

// hookReceiver is where a webhook leads.
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

// wait waits until n different messages have come.
func (r *hookReceiver) wait(t *testing.T, n int, most time.Duration) {
	t.Helper()
	for end := time.Now().Add(most); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		got := len(r.ids)
		r.mu.Unlock()
		if got >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d messages came within %v", got, n, most)
		}
	}
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
