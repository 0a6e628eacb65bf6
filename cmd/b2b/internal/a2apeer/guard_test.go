package a2apeer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/a2apeer/a2atest"
)

func TestCredential(t *testing.T) {
	t.Parallel()
	schemes := a2a.NamedSecuritySchemes{
		"bearer": a2a.HTTPAuthSecurityScheme{Scheme: "bearer"}, "basic": a2a.HTTPAuthSecurityScheme{Scheme: "Basic"},
		"key":    a2a.APIKeySecurityScheme{Name: "x-key", Location: a2a.APIKeySecuritySchemeLocationHeader},
		"query":  a2a.APIKeySecurityScheme{Name: "key", Location: a2a.APIKeySecuritySchemeLocationQuery},
		"host":   a2a.APIKeySecurityScheme{Name: "host", Location: a2a.APIKeySecuritySchemeLocationHeader},
		"broken": a2a.APIKeySecurityScheme{Name: "a: b\r\nc", Location: a2a.APIKeySecuritySchemeLocationHeader},
		"oauth":  a2a.OAuth2SecurityScheme{},
	}
	for needs, want := range map[string]string{ // ',' is "or", '+' is "and", '-' is no scheme; the header, or a part of the error
		"bearer": "Authorization: Bearer t", "oauth": "Authorization: Bearer t", "key": "X-Key: t", "basic,key": "X-Key: t", "basic": "another kind",
		"query": "another kind", "host": "another kind", "broken": "another kind", "bearer+key": "another kind", "unknown": "another kind",
		"basic,-": "another kind", "": "Authorization: Bearer t",
	} {
		c := &Card{}
		if c.SecuritySchemes = schemes; needs == "" {
			c.SecuritySchemes = nil
		}
		for _, either := range strings.Split(needs, ",") {
			r := a2a.SecurityRequirements{}
			for _, name := range strings.Split(either, "+") {
				if name != "-" {
					r[a2a.SecuritySchemeName(name)] = nil
				}
			}
			if needs != "" {
				c.SecurityRequirements = append(c.SecurityRequirements, r)
			}
		}
		key, err := c.credentialOf("t")
		if got := ""; err == nil {
			if got = key.name + ": " + key.value; got != want {
				t.Errorf("%q: %s", needs, got)
			}
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", needs, err)
		}
		key, err = c.credentialOf("")
		if optional := needs == "" || strings.Contains(needs, "-"); key != nil || (err == nil) != optional {
			t.Errorf("%q without a token: %v, %v", needs, key, err)
		}
	}
	c := &Card{}
	c.SecuritySchemes = a2a.NamedSecuritySchemes{"key": schemes["key"]}
	if key, err := c.credentialOf("t"); err != nil || key.name != "X-Key" {
		t.Errorf("declared and not required: %v, %v", key, err)
	}
}

// offline answers for a host that does not exist, with the card of an agent.
type offline struct{ card string }

func (o offline) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(o.card)), Header: http.Header{}}, nil
}

func TestNoTokenOverPlainHTTP(t *testing.T) {
	t.Parallel()
	card := func(address string) offline {
		return offline{`{"name":"A","supportedInterfaces":[{"url":"` + address + `","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`}
	}
	for _, k := range []struct {
		at, endpoint, token string
		fine                bool
	}{
		{"http://agent.example.com", "http://agent.example.com/", "t", false}, {"http://agent.example.com", "http://agent.example.com/", "", true},
		{"https://agent.example.com", "http://agent.example.com/", "t", false}, {"http://agent.example.com", "https://agent.example.com/", "t", false},
		{"https://agent.example.com", "https://agent.example.com/", "t", true}, {"http://127.0.0.1:1", "http://127.0.0.1:2/", "t", true},
		{"http://[::1]:1", "http://[::1]:2/", "t", true}, {"http://localhost:1", "http://localhost:2/", "t", true},
	} {
		_, err := Open(t.Context(), Options{URL: k.at, Token: k.token, Transport: card(k.endpoint)})
		if (err == nil) != k.fine || err != nil && !strings.Contains(err.Error(), "plain http") {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

// TestTokenStaysWithTheAgent: where an agent leads, its token does not go.
func TestTokenStaysWithTheAgent(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(other.Close)
	for _, rest := range []bool{false, true} {
		agent := a2atest.Start(t, a2atest.Options{REST: rest, Wrap: func(http.Handler) http.Handler {
			return http.RedirectHandler(other.URL, http.StatusTemporaryRedirect)
		}})
		a, err := Open(t.Context(), Options{URL: agent.URL, Token: "t", Transport: http.DefaultTransport})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.get(t.Context(), "x")
		f := failureOf(err)
		if !errors.Is(err, errRedirect) || temporary(err) || strings.Contains(f.Reason, "http") || reached.Load() != 0 {
			t.Errorf("it was followed: %v, %+v", err, f)
		}
	}
	g := &guard{next: http.DefaultTransport, origin: parse(t, "https://agent.example.com/")}
	for _, address := range []string{other.URL, "http://agent.example.com/", "https://agent.example.com:8443/"} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if _, err := g.RoundTrip(req); !errors.Is(err, errElsewhere) {
			t.Errorf("%s was called: %v", address, err)
		}
	}
}

// respond opens an agent that answers every call so.
func respond(t *testing.T, o a2atest.Options, answer http.HandlerFunc) *Agent {
	t.Helper()
	o.Wrap = func(http.Handler) http.Handler { return answer }
	agent := a2atest.Start(t, o)
	a, err := Open(t.Context(), Options{URL: agent.URL, Transport: http.DefaultTransport, mostBody: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCalls: what agents answer, as an error; which of them are worth another try, and what others read.
func TestCalls(t *testing.T) {
	t.Parallel()
	const secret = "/home/agent/secret"
	for name, k := range map[string]struct {
		status      int
		media, body string
		reason      string
		again       bool
		final       bool
	}{
		"credentials":  {401, "text/plain", secret, "the agent does not accept the credentials of its runner", false, false},
		"busy":         {503, "text/plain", secret, "the agent cannot be reached", true, false},
		"limited":      {429, "text/plain", secret, "the agent cannot be reached", true, false},
		"broken":       {200, "application/json", `{"result":`, "the agent cannot be reached", true, false},
		"no JSON":      {200, "text/html", "<html>" + secret, "the agent sent what could not be read", false, false},
		"unknown":      {200, "application/json", `{"error":{"code":-32001,"message":"` + secret + `"}}`, "the agent does not know the task any more", false, false},
		"refused":      {200, "application/json", `{"error":{"code":-32602,"message":"` + secret + `"}}`, "the agent refused the message: INVALID_PARAMS", false, true},
		"of its own":   {200, "application/json", `{"error":{"code":-32603,"message":"` + secret + `"}}`, "the agent reported an error: INTERNAL_ERROR", false, false},
		"another code": {200, "application/json", `{"error":{"code":7,"message":"` + secret + `"}}`, "the agent reported an error: INTERNAL_ERROR", false, false},
		"too much":     {200, "application/json", `{"result":"` + strings.Repeat("x", 1<<20) + `"}`, "the agent sent more than its runner takes", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := respond(t, a2atest.Options{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", k.media)
				w.WriteHeader(k.status)
				_, _ = io.WriteString(w, k.body) // the client may have enough
			})
			for _, streamed := range []bool{false, true} {
				var err error
				if _, err = a.get(t.Context(), "x"); streamed {
					for _, err = range a.send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser)) {
						if err == nil {
							t.Error("there is an event")
						}
					}
				}
				if streamed && err == nil && k.media == "text/html" {
					continue // a stream without events
				}
				if f := failureOf(err); f.Reason != k.reason || f.Final != k.final || temporary(err) != k.again {
					t.Errorf("streamed %v: %+v, worth another try: %v, %v", streamed, f.Reason, temporary(err), brief(err))
				}
			}
		})
	}
}

// TestSilentStream: a stream that is silent for too long counts as lost.
func TestSilentStream(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ": hello\n\n") // the client reads it
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	g := &guard{next: http.DefaultTransport, origin: parse(t, server.URL), idle: 100 * time.Millisecond}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if !strings.HasPrefix(": hello\n\n", string(text)) || !errors.Is(err, errIdle) || !temporary(err) {
		t.Errorf("the stream ended with %v after %q", err, text)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestMessageAsStream: an answer that is no stream counts as one event.
func TestMessageAsStream(t *testing.T) {
	t.Parallel()
	a := respond(t, a2atest.Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, "{\n \"result\": {\"message\": {\"messageId\": \"m\", \"role\": \"ROLE_AGENT\", \"parts\": [{\"text\": \"a\\nb\"}]}}\n}")
	})
	var texts []string
	for event, err := range a.send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser)) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, event.(*a2a.Message).Parts[0].Text())
	}
	if !slices.Equal(texts, []string{"a\nb"}) {
		t.Errorf("the events are %q", texts)
	}
}
