package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

const (
	waitsOfBot  = 64        // that a node accepts (B2B-DLV-020)
	waitsOfOrg  = 1024      // that a node accepts
	waitsMemory = 160 << 10 // what the claims may add to the memory of the server, garbage included, in KiB
)

// TestWaitingClaims lets all claims of two orgs wait that a node accepts, and more: those are
// rejected, the memory of the server is bounded, and a message wakes a claim soon (B2B-DLV-020).
func TestWaitingClaims(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir(), "B2B_LOG_LEVEL=info")
	var names []string
	for i := range waitsOfOrg / waitsOfBot {
		names = append(names, fmt.Sprint("worker-", i))
	}
	names = append(names, "sender")
	_, first := n.team(names...)
	_, second := n.team(names...)
	idle := n.resident()

	ctx, stop := context.WithCancel(t.Context())
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var waits sync.WaitGroup
	defer waits.Wait()
	defer stop()
	var got atomic.Int64
	for _, org := range []map[string]*client{first, second} {
		for _, name := range names[:len(names)-1] {
			for range waitsOfBot {
				waits.Go(func() {
					if waitForText(ctx, t, transport, org[name], "wake up") {
						got.Add(1)
					}
				})
			}
		}
		for _, name := range names[:len(names)-1] {
			waittest.Until(t, "the claims do not wait", func() bool {
				status, text := claimWith(t.Context(), t, transport, org[name], 1)
				return status == http.StatusTooManyRequests && strings.Contains(text, "TOO_MANY_STREAMS")
			})
		}
	}
	if status, text := claimWith(t.Context(), t, transport, first["sender"], 1); status != http.StatusTooManyRequests {
		t.Errorf("one claim more in the org: %d %s", status, text)
	}
	more := n.resident() - idle
	t.Logf("%d waiting claims: %d MiB more", 2*waitsOfOrg, more>>10)
	if more > waitsMemory {
		t.Errorf("%d waiting claims: %d MiB more, want at most %d", 2*waitsOfOrg, more>>10, waitsMemory>>10)
	}
	for i, org := range []map[string]*client{first, second} {
		begun := time.Now()
		org["sender"].must("POST", "/api/send", map[string]any{"to": "worker-3", "content": "wake up"})
		waittest.Until(t, "no claim was woken", func() bool { return got.Load() == int64(i+1) })
		t.Logf("a message woke one of %d claims after %v", waitsOfBot, time.Since(begun).Round(time.Millisecond))
	}
}

// waitForText claims until it gets a message with a text. A claim of the test may have taken its place
// for a second.
func waitForText(ctx context.Context, t *testing.T, transport *http.Transport, c *client, want string) bool {
	for ctx.Err() == nil {
		status, text := claimWith(ctx, t, transport, c, 60)
		switch {
		case ctx.Err() != nil:
		case status == http.StatusOK && strings.Contains(text, want):
			return true
		case status == http.StatusTooManyRequests:
			time.Sleep(10 * time.Millisecond) // Sleeps: as a worker does that was rejected.
		case status != http.StatusOK:
			t.Errorf("a claim that waits: %d %s", status, text)
			return false
		}
	}
	return false
}

// claimWith claims a delivery, and returns the status and the body.
func claimWith(ctx context.Context, t *testing.T, transport *http.Transport, c *client, wait int) (int, string) {
	r, err := http.NewRequestWithContext(ctx, "POST", c.url+"/api/inbox/claim", strings.NewReader(fmt.Sprintf(`{"wait_seconds":%d}`, wait)))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.token)
	res, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}
