package conformance

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hooks is a webhook receiver.
type hooks struct {
	t       *T
	url     string
	mu      sync.Mutex
	all     []delivery
	respond http.HandlerFunc // nil: status 200
	foreign bool             // what it gets is not of the OpenAPI document
}

// delivery is one request that the receiver got.
type delivery struct {
	at     time.Time
	header http.Header
	body   []byte
	event  map[string]any
}

func (d delivery) id() string { return d.header.Get("webhook-id") }

func (d delivery) kind() string { s, _ := d.event["type"].(string); return s }

// content returns the content of the message in the event.
func (d delivery) content() string {
	m, _ := d.event["message"].(map[string]any)
	s, _ := m["content"].(string)
	return s
}

// hooks starts a webhook receiver. It stops after the check.
func (t *T) hooks() *hooks {
	l, err := net.Listen("tcp", net.JoinHostPort(t.target.receiver, "0"))
	if err != nil {
		t.Fatalf("listening for webhooks: %v; set --receiver to an address of this machine", err)
	}
	h := &hooks{t: t, url: "http://" + l.Addr().String() + "/hook/" + rand.Text() + "?x=" + rand.Text()}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // returns after Close
	}()
	t.Cleanup(func() {
		_ = s.Close() // an error has no effect after the check
		<-done
	})
	return h
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 2<<20))
	if err != nil {
		return
	}
	d := delivery{time.Now(), r.Header, body, nil}
	if r.Method == http.MethodPost {
		_ = json.Unmarshal(body, &d.event) // the check fails if event is nil
		if !h.foreign {
			h.t.target.recorder.webhook(body)
		}
	}
	h.mu.Lock()
	h.all = append(h.all, d)
	respond := h.respond
	h.mu.Unlock()
	if respond != nil {
		respond(w, r)
	}
}

func (h *hooks) respondWith(f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.respond = f
}

func (h *hooks) respondStatus(code int) {
	h.respondWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func (h *hooks) got() []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]delivery{}, h.all...)
}

// wait waits until the receiver has n requests, and returns all.
func (h *hooks) wait(n int) []delivery {
	limit := h.t.patient(30 * time.Second)
	for end := time.Now().Add(limit); len(h.got()) < n; h.t.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("received %d webhook requests within %v, want %d", len(h.got()), limit, n)
		}
	}
	return h.got()
}

// bot registers a bot with a webhook to this receiver.
func (h *hooks) bot(o *Org, name, secret string) *Bot {
	fields := J{"name": name, "ticket": o.ticket(), "webhook_url": h.url, "webhook_secret": secret}
	r := o.Register(fields)
	if r.StatusCode() == 400 {
		r.fatalf("the server does not allow webhooks to this suite: set B2B_WEBHOOK_ALLOW=%s on the server, or choose another address with --receiver", h.t.target.receiver)
	}
	r.OK()
	return &Bot{ID: r.Str("bot_id"), Name: r.Str("name"), Token: Token(r.Str("token")), Registration: r, org: o}
}

// hubSignature and standardSignature return the expected values of the signature headers.
func hubSignature(secret, timestamp string, body []byte) string {
	return "sha256=" + hex.EncodeToString(hmacOf([]byte(secret), timestamp+".", body))
}

func standardSignature(secret, id, timestamp string, body []byte) string {
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if k, err := base64.StdEncoding.DecodeString(text); err == nil {
			key = k
		}
	}
	return "v1," + base64.StdEncoding.EncodeToString(hmacOf(key, id+"."+timestamp+".", body))
}

func hmacOf(key []byte, head string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(head))
	m.Write(body)
	return m.Sum(nil)
}
