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

// hooks is a receiver of webhooks that the suite runs.
type hooks struct {
	t      *T
	url    string
	mu     sync.Mutex
	all    []delivered
	answer http.HandlerFunc
}

// delivered is one request that it got.
type delivered struct {
	at     time.Time
	header http.Header
	body   []byte
	event  map[string]any
}

func (d delivered) id() string { return d.header.Get("webhook-id") }

func (d delivered) kind() string { s, _ := d.event["type"].(string); return s }

// content is the text of a message.
func (d delivered) content() string {
	m, _ := d.event["message"].(map[string]any)
	s, _ := m["content"].(string)
	return s
}

// hooks starts a receiver for a check.
func (t *T) hooks() *hooks {
	l, err := net.Listen("tcp", net.JoinHostPort(t.target.receiver, "0"))
	if err != nil {
		t.Fatalf("listening for webhooks (choose an address of this machine with --receiver): %v", err)
	}
	h := &hooks{t: t, url: "http://" + l.Addr().String() + "/hook/" + rand.Text() + "?x=" + rand.Text()}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Close
	}()
	t.Cleanup(func() {
		_ = s.Close() // the check is over
		<-done
	})
	return h
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 2<<20))
	if err != nil {
		return
	}
	d := delivered{time.Now(), r.Header, body, nil}
	if r.Method == http.MethodPost {
		_ = json.Unmarshal(body, &d.event) // a check finds it missing
		h.t.target.described.webhook(body)
	}
	h.mu.Lock()
	h.all = append(h.all, d)
	answer := h.answer
	h.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

func (h *hooks) answers(f http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

func (h *hooks) status(code int) {
	h.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func (h *hooks) got() []delivered {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]delivered{}, h.all...)
}

// wait waits for n requests.
func (h *hooks) wait(n int) []delivered {
	for end := time.Now().Add(30 * time.Second); len(h.got()) < n; h.t.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("%d webhook requests came within 30 s, %d were to come", len(h.got()), n)
		}
	}
	return h.got()
}

// bot registers a bot whose webhook leads here.
func (h *hooks) bot(o *Org, name, secret string) *Bot {
	fields := J{"name": name, "ticket": o.ticket(), "webhook_url": h.url, "webhook_secret": secret}
	r := o.Register(fields)
	if r.StatusCode() == 400 {
		r.fatalf("the server refuses the receiver of this suite: allow it by B2B_WEBHOOK_ALLOW=%s, or choose another address with --receiver", h.t.target.receiver)
	}
	r.OK()
	return &Bot{ID: r.Str("bot_id"), Name: r.Str("name"), Token: Token(r.Str("token")), Registration: r, org: o}
}

// hubSignature and standardSignature are what the headers must say.
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
