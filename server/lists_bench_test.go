package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/server"
)

// counted is a client that counts the bytes of a response.
type counted struct {
	header http.Header
	status int
	bytes  int64
}

func (c *counted) Header() http.Header    { return c.header }
func (c *counted) WriteHeader(status int) { c.status = status }
func (c *counted) Flush()                 {}
func (c *counted) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}

// largeLists fills a thread with lists of more than a page, and returns requests for pages of
// them in each binding.
func largeLists(t testing.TB) (n *node, by caller, requests []listRequest) {
	n = newNodeWith(t, func(c *server.Config) { c.MaxMessage = 100_000 })
	o := n.newOrg(t, "own")
	by = o.member
	thread := func() string {
		return n.must(t, by, "POST", "/api/threads", map[string]any{"topic": "large"})["id"].(string)
	}
	messages, parts, small := thread(), thread(), thread()
	for i := range 80 {
		text := strings.Repeat(fmt.Sprintf("message %d. ", i), 5000)
		n.must(t, by, "POST", "/api/threads/"+messages+"/messages", map[string]any{"content": text})
		n.must(t, by, "POST", "/api/threads/"+parts+"/messages", map[string]any{
			"parts": []any{map[string]any{"type": "markdown", "content": text}, map[string]any{"type": "json", "content": map[string]any{"text": text}}},
		})
		n.must(t, by, "POST", "/api/send", map[string]any{"to": "own-bot2", "content": text})
	}
	for range 100 {
		n.must(t, by, "POST", "/api/threads/"+small+"/messages", map[string]any{"content": strings.Repeat("x", 220)})
	}
	for i := range 10 {
		n.must(t, by, "POST", "/api/threads/"+messages+"/artifacts", map[string]any{
			"artifact_key": fmt.Sprintf("large-%d", i), "type": "markdown", "content": strings.Repeat(fmt.Sprintf("line %d\n", i), 100_000),
		})
	}
	for _, l := range []struct{ name, path, procedure, body string }{
		{"messages", "/api/threads/" + messages + "/messages?limit=100", "ThreadService/ListThreadMessages", `{"threadId":"` + messages + `","limit":100}`},
		{"parts", "/api/threads/" + parts + "/messages?limit=100", "ThreadService/ListThreadMessages", `{"threadId":"` + parts + `","limit":100}`},
		{"artifacts", "/api/threads/" + messages + "/artifacts", "ArtifactService/ListArtifacts", `{"threadId":"` + messages + `"}`},
		{"channel", "/api/channels/" + o.at["channel"] + "/messages?limit=100", "ChannelService/ListChannelMessages", `{"channelId":"` + o.at["channel"] + `","limit":100}`},
		{"small messages", "/api/threads/" + small + "/messages?limit=100", "ThreadService/ListThreadMessages", `{"threadId":"` + small + `","limit":100}`},
	} {
		requests = append(requests,
			listRequest{l.name + "/rest", "GET", l.path, "", ""},
			listRequest{l.name + "/connect", "POST", "/b2b.v1." + l.procedure, "application/json", l.body},
		)
	}
	return n, by, requests
}

type listRequest struct{ name, method, path, kind, body string }

func (l listRequest) send(n *node, by caller) *counted {
	r := httptest.NewRequest(l.method, l.path, strings.NewReader(l.body))
	r.Header["Authorization"] = by.header["Authorization"]
	if l.kind != "" {
		r.Header.Set("Content-Type", l.kind)
	}
	w := &counted{header: http.Header{}}
	n.server.Handler().ServeHTTP(w, r)
	return w
}

// BenchmarkLargeLists measures the memory that pages of lists allocate, in bytes for each byte of
// the response.
func BenchmarkLargeLists(b *testing.B) {
	n, by, requests := largeLists(b)
	for _, l := range requests {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			sent := int64(0)
			for b.Loop() {
				w := l.send(n, by)
				if w.status != 0 && w.status != http.StatusOK {
					b.Fatal(w.status)
				}
				sent += w.bytes
			}
			runtime.ReadMemStats(&after)
			b.SetBytes(sent / int64(b.N))
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(sent), "B/sent-B")
		})
	}
}

// Pages of lists allocate what is read and decoded of them, once: the memory to encode them in is
// reused. Buffers that grow with each page would take more than twice the bytes of this bound.
func TestLargeListsAllocateLittle(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	// Bytes allocated for each byte of the response: with memory that is reused, and without.
	const rounds, reused, fresh = 24, 1.0, 3.0
	n, by, requests := largeLists(t)
	for _, l := range requests {
		switch l.name {
		case "messages/rest", "messages/connect", "channel/rest", "channel/connect":
		default:
			continue
		}
		l.send(n, by) // the size of a response is known after the first
		var calls []float64
		sent := int64(0)
		for range rounds {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			bytes := l.send(n, by).bytes
			runtime.ReadMemStats(&after)
			sent += bytes
			calls = append(calls, float64(after.TotalAlloc-before.TotalAlloc)/float64(bytes))
		}
		// A page ends with the last message that fits: their content is shown twice.
		const bound, rest, message = 4 << 20, 4 << 10, 122_000
		if page := sent / rounds; page > bound || page < bound-rest-message {
			t.Errorf("%s: a page has %d bytes, want %d to %d", l.name, page, bound-rest-message, bound)
		}
		// With the race detector, a pool loses a quarter of what it is given, at random, so that half of
		// the calls and more have nothing to reuse.
		slices.Sort(calls)
		if got := calls[0]; got > reused {
			t.Errorf("%s: %.2f bytes allocated for each byte of the response, want at most %.1f", l.name, got, reused)
		}
		if got := calls[rounds-1]; got > fresh {
			t.Errorf("%s: %.2f bytes allocated for each byte of a response without memory to reuse, want at most %.1f", l.name, got, fresh)
		}
	}
}

// Large bodies are read into memory that is reused.
func TestLargeBodiesAllocateLittle(t *testing.T) {
	// Not parallel: it counts the allocations of the whole process.
	const rounds, most = 32, 0.5 // bytes allocated for each byte of the body
	n := newNode(t)
	by := n.newOrg(t, "own").member
	body := `{"to":"nobody","content":"x"` + strings.Repeat(" ", 480<<10) + `}`
	for _, l := range []listRequest{
		{"rest", "POST", "/api/send", "application/json", body},
		{"connect", "POST", "/b2b.v1.ChannelService/SendDirectMessage", "application/json", body},
	} {
		l.send(n, by)
		var calls []float64
		for range rounds {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := l.send(n, by)
			runtime.ReadMemStats(&after)
			if w.status != http.StatusNotFound {
				t.Fatalf("%s: status %d of a message to nobody", l.name, w.status)
			}
			calls = append(calls, float64(after.TotalAlloc-before.TotalAlloc)/float64(len(body)))
		}
		// With the race detector, a pool loses a quarter of what it is given, at random.
		slices.Sort(calls)
		got := calls[rounds/10]
		if got > most {
			t.Errorf("%s: %.2f bytes allocated for each byte of a body, want at most %.1f", l.name, got, most)
		}
	}
}
