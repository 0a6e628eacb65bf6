package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// relay is a proxy in front of nodes. It sends each request and connection to the next node in
// turn, so that nothing depends on one node. It records the secrets and texts that pass through it,
// which no node may log.
type relay struct {
	URL   string
	t     *testing.T
	nodes []*node
	turn  atomic.Uint64

	mu     sync.Mutex
	secret map[string]string // where each was seen first
}

func newRelay(t *testing.T, nodes ...*node) *relay {
	t.Helper()
	r := &relay{t: t, nodes: nodes, secret: map[string]string{adminSecret: "the environment"}}
	urls := make([]*url.URL, len(nodes))
	for i, n := range nodes {
		u, err := url.Parse(n.URL)
		if err != nil {
			t.Fatal(err)
		}
		urls[i] = u
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.TCPConn).SetReadBuffer(relayBuffer)
	}
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // flush events at once
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(urls[r.turn.Add(1)%uint64(len(urls))])
			p.Out.Host = p.In.Host
			// The suite simulates many client addresses: its header is passed on.
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			r.sent(p.In.URL.Path, p.Out)
		},
		ModifyResponse: r.answered,
	})
	proxy.Listener = narrow{proxy.Listener}
	proxy.Start()
	t.Cleanup(proxy.Close)
	r.URL = proxy.URL
	return r
}

// relayBuffer is how many bytes a relay buffers in each direction for a slow reader. By default the
// kernel may buffer everything that such a reader is sent.
const relayBuffer = 64 << 10

// narrow is a listener with connections that have small buffers.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetWriteBuffer(relayBuffer)
}

// sent records the content of messages, and the URL and secret of a webhook.
func (r *relay) sent(path string, req *http.Request) {
	if req.Method != http.MethodPost || req.Body == nil {
		return
	}
	message := strings.HasSuffix(path, "/send") || strings.HasSuffix(path, "/messages")
	if !message && !strings.HasSuffix(path, "/register") {
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the server sees the length
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return
	}
	if message {
		if text, ok := m["content"].(string); ok && len(text) >= 20 && len(text) < 200 {
			r.note(text, path)
		}
		return
	}
	if address, ok := m["webhook_url"].(string); ok {
		if u, err := url.Parse(address); err == nil {
			for _, part := range append(strings.Split(u.Path, "/"), u.Query()["x"]...) {
				if len(part) == len(rand.Text()) {
					r.note(part, webhookURL)
				}
			}
		}
	}
	if secret, ok := m["webhook_secret"].(string); ok && len(secret) >= 16 {
		r.note(secret, path)
	}
}

// webhookURL is the source of the secret parts of webhook URLs.
const webhookURL = "the address of a webhook"

// answered records the secrets in a response.
func (r *relay) answered(res *http.Response) error {
	for _, c := range res.Cookies() {
		if c.Value != "" {
			r.note(c.Value, "Set-Cookie")
		}
	}
	if res.ContentLength < 0 || res.Request.Method != http.MethodPost || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	for _, key := range []string{"token", "org_secret", "ticket", "code"} {
		if text, ok := m[key].(string); ok && strings.ContainsAny(text, "0123456789") && len(text) >= 16 {
			r.note(text, res.Request.URL.Path)
		}
	}
	return nil
}

func (r *relay) note(secret, where string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.secret[secret]; !known {
		r.secret[secret] = where
	}
}

// checkLogs looks for errors in the logs of the nodes, and for secrets and texts.
func (r *relay) checkLogs() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, n := range r.nodes {
		logs := n.logs.String()
		if containsError(logs) {
			r.t.Errorf("node %d logged errors:\n%s", i, errorLines(logs))
		}
		for secret := range within([]byte(logs), r.secret) {
			line := logs[strings.LastIndexByte(logs[:strings.Index(logs, secret)], '\n')+1:]
			line, _, _ = strings.Cut(line, "\n")
			r.t.Errorf("node %d logged what passed in %s: %s", i, r.secret[secret], line)
		}
		r.t.Logf("node %d: %d bytes of log have none of %d secrets and texts", i, len(logs), len(r.secret))
	}
}

func errorLines(logs string) string {
	var lines []string
	for line := range strings.Lines(logs) {
		if containsError(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
