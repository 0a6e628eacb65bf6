package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
}

func server(loopback bool, token string) *Server {
	return &Server{config: Config{Token: token, Metrics: text("metrics"), Health: text("healthy"), Log: slog.New(slog.DiscardHandler)}, loopback: loopback}
}

// What is served to whom (B2B-SRV-032).
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	const token = "0f3c2b1a9d8e7f60"
	bearer := []string{"Authorization", "Bearer " + token}
	for _, c := range []struct {
		name     string
		loopback bool
		token    string
		method   string
		host     string
		path     string
		headers  []string
		want     int
	}{
		{"a program of the machine", true, "", "GET", "127.0.0.1:4801", "/metrics", nil, 200},
		{"by its name", true, "", "GET", "localhost:4801", "/metrics", nil, 200},
		{"by IPv6", true, "", "GET", "[::1]:4801", "/metrics", nil, 200},
		{"without a port", true, "", "GET", "[::1]", "/metrics", nil, 200},
		{"HEAD", true, "", "HEAD", "127.0.0.1:4801", "/metrics", nil, 200},
		{"a profile", true, "", "GET", "localhost:4801", "/debug/pprof/goroutine?debug=1", nil, 200},
		{"the list of profiles", true, "", "GET", "localhost:4801", "/debug/pprof/", nil, 200},
		{"the list of paths", true, "", "GET", "localhost:4801", "/", nil, 200},
		{"another path", true, "", "GET", "localhost:4801", "/api/version", nil, 404},
		{"the command line", true, "", "GET", "localhost:4801", "/debug/pprof/cmdline", nil, 404},
		{"another profile", true, "", "GET", "localhost:4801", "/debug/pprof/secrets", nil, 404},
		{"a profile for an hour", true, "", "GET", "localhost:4801", "/debug/pprof/profile?seconds=3600", nil, 400},
		{"a trace for an hour", true, "", "GET", "localhost:4801", "/debug/pprof/trace?seconds=1e9", nil, 400},
		{"a difference of an hour", true, "", "GET", "localhost:4801", "/debug/pprof/heap?seconds=3600", nil, 400},
		{"a profile for no time", true, "", "GET", "localhost:4801", "/debug/pprof/profile?seconds=NaN", nil, 400},

		{"DNS rebinding", true, "", "GET", "evil.example:4801", "/metrics", nil, 403},
		{"DNS rebinding to a profile", true, "", "GET", "evil.example", "/debug/pprof/heap", nil, 403},
		{"DNS rebinding to the health", true, "", "GET", "evil.example", "/health", nil, 403},
		{"a name that begins like ours", true, "", "GET", "localhost.evil.example", "/metrics", nil, 403},
		{"a name that begins like our address", true, "", "GET", "127.0.0.1.evil.example:4801", "/metrics", nil, 403},
		{"another address", true, "", "GET", "192.0.2.1:4801", "/metrics", nil, 403},
		{"no name", true, "", "GET", "", "/metrics", nil, 403},
		{"a page of another site", true, "", "GET", "127.0.0.1:4801", "/debug/pprof/profile", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of a sister site", true, "", "GET", "localhost:4801", "/metrics", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a script of another site", true, "", "GET", "localhost:4801", "/metrics", []string{"Origin", "https://evil.example"}, 403},
		{"a sandboxed page", true, "", "GET", "localhost:4801", "/metrics", []string{"Origin", "null"}, 403},
		{"an address typed into a browser", true, "", "GET", "localhost:4801", "/debug/pprof/", []string{"Sec-Fetch-Site", "none"}, 200},
		{"a link of our own page", true, "", "GET", "localhost:4801", "/debug/pprof/", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"a form", true, "", "POST", "localhost:4801", "/debug/pprof/symbol", nil, 405},

		{"with a token", true, token, "GET", "localhost:4801", "/metrics", bearer, 200},
		{"without the token", true, token, "GET", "localhost:4801", "/metrics", nil, 401},
		{"with another token", true, token, "GET", "localhost:4801", "/metrics", []string{"Authorization", "Bearer " + token + "0"}, 401},
		{"with a part of the token", true, token, "GET", "localhost:4801", "/metrics", []string{"Authorization", "Bearer " + token[:15]}, 401},
		{"with the token in another scheme", true, token, "GET", "localhost:4801", "/metrics", []string{"Authorization", token}, 401},
		{"with the token, of a rebound name", true, token, "GET", "evil.example", "/metrics", bearer, 403},
		{"the health without the token", true, token, "GET", "localhost:4801", "/health", nil, 200},

		{"from another machine", false, "", "GET", "b2b.internal:4801", "/metrics", nil, 200},
		{"a profile from another machine", false, "", "GET", "b2b.internal:4801", "/debug/pprof/heap", nil, 403},
		{"a profile from another machine by another spelling", false, "", "GET", "b2b.internal:4801", "//debug/pprof/heap", nil, 307},
		{"the same with a token", false, token, "GET", "b2b.internal:4801", "/debug/pprof/heap", bearer, 200},
		{"the same without it", false, token, "GET", "b2b.internal:4801", "/debug/pprof/heap", nil, 401},
		{"the metrics without it", false, token, "GET", "b2b.internal:4801", "/metrics", nil, 401},
		{"a probe", false, token, "GET", "10.0.0.7:4801", "/health", nil, 200},
		{"a page of another site, from another machine", false, "", "GET", "b2b.internal:4801", "/metrics", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
			r.Host = c.host
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			w := httptest.NewRecorder()
			server(c.loopback, c.token).Handler().ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d: %.200s", w.Code, c.want, w.Body)
			}
			if strings.Contains(w.Body.String(), token) {
				t.Error("the response has the token")
			}
			for header, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": ""} {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s is %q", header, got)
				}
			}
		})
	}
}

// A port that is in use is an error that names the setting.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	s, err := Listen(t.Context(), Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.loopback {
		t.Error("127.0.0.1 counts as an address that other machines reach")
	}
	_, err = Listen(t.Context(), Config{Addr: s.Addr().String()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "B2B_ADMIN_LISTEN") {
		t.Errorf("a second listener: %v", err)
	}
	every, err := Listen(t.Context(), Config{Addr: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer every.Close()
	if every.loopback {
		t.Error("0.0.0.0 counts as an address of this machine alone")
	}
}

// The server stops with its context, though a client has a request open.
func TestStop(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	begun, cut := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(cut)
	})
	s, err := Listen(ctx, Config{Addr: "127.0.0.1:0", Metrics: slow, Health: text("healthy"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		if res, err := client.Get("http://" + s.Addr().String() + "/metrics"); err == nil {
			res.Body.Close()
		}
	}()
	<-begun
	res, err := client.Get("http://" + s.Addr().String() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	stop()
	if err := <-served; err != nil {
		t.Errorf("the stop: %v", err)
	}
	<-cut
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}
