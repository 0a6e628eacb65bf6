// Package admin is the listener for the people and programs that run the server: metrics, health
// and profiles. It has a port of its own; the public listener serves none of it (B2B-SRV-032).
//
// # Who may ask
//
// On a loopback address, any program of the machine. A web page that a person of that machine
// visits must not: its browser sends requests to 127.0.0.1, too, and with a name that resolves to
// it (DNS rebinding) the page could read the responses. So requests need a Host that is a loopback
// address or localhost, and none that a browser sends for a page of another site is served.
//
// On another address, other machines reach it. Then a token is required for all but /health; without
// one, profiles are not served at all: they show what the server works on, and taking one costs
// processor time.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/netutil"
)

// Config configures a Server.
type Config struct {
	Addr    string // host:port to listen on; port 0: any free one
	Token   string // that requests must have; empty: none
	Metrics http.Handler
	Health  http.Handler
	Log     *slog.Logger
}

// Server is the listener.
type Server struct {
	config   Config
	listener net.Listener
	loopback bool // no other machine reaches it
}

const (
	maxConns   = 64
	maxHeaders = 16 << 10
	headerTime = 5 * time.Second
	idleTime   = time.Minute
	stopTime   = 500 * time.Millisecond
	// maxProfile is the longest profile, in seconds. Responses have a little longer.
	maxProfile = 120
	writeTime  = (maxProfile + 30) * time.Second
)

// Listen opens the listener. Serve serves it; Close closes one that is not served.
func Listen(ctx context.Context, c Config) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for B2B_ADMIN_LISTEN: %w", c.Addr, err)
	}
	s := &Server{config: c, listener: netutil.LimitListener(l, maxConns)}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		s.loopback = tcp.IP.IsLoopback()
	}
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close closes the listener.
func (s *Server) Close() error { return s.listener.Close() }

// Serve serves until ctx ends, and closes the listener. A profile that is being taken is cut off.
func (s *Server) Serve(ctx context.Context) error {
	h := &http.Server{
		Handler: s.Handler(), MaxHeaderBytes: maxHeaders, ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, WriteTimeout: writeTime,
		IdleTimeout: idleTime, ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	s.config.Log.InfoContext(ctx, "listening for metrics, health and profiles", "addr", s.Addr().String())
	served := make(chan error, 1)
	go func() { served <- h.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s for B2B_ADMIN_LISTEN: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := h.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.Close()
	}
	<-served
	return err
}

// index is the response to /.
const index = `B2B server: for operators

/metrics        Prometheus
/health         whether the server works
/debug/pprof/   profiles of the process
`

// Handler returns the handler of all paths.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(index)) // an error means that the client is gone
	})
	mux.Handle("GET /metrics", s.config.Metrics)
	mux.Handle("GET /health", s.config.Health)
	// The command line may have the password of the database, so it is not served.
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/", bounded(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/profile", bounded(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/trace", bounded(pprof.Trace))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if why, status := s.refusal(r); status != 0 {
			if status == http.StatusUnauthorized {
				h.Set("WWW-Authenticate", `Bearer realm="b2b admin"`)
			}
			http.Error(w, why, status)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// bounded refuses profiles that take too long.
func bounded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if text := r.FormValue("seconds"); text != "" {
			if n, err := strconv.ParseFloat(text, 64); err != nil || !(n > 0 && n <= maxProfile) {
				http.Error(w, fmt.Sprintf("seconds must be a number up to %d", maxProfile), http.StatusBadRequest)
				return
			}
		}
		next(w, r)
	}
}

// refusal returns why a request is not served and the status for it; 0: it is served.
func (s *Server) refusal(r *http.Request) (why string, status int) {
	switch {
	case s.loopback && !isLoopback(r.Host):
		return "This listener is for programs of its own machine: the Host header must be localhost or a loopback address.", http.StatusForbidden
	case r.Header.Get("Origin") != "" || !fromHere(r.Header.Get("Sec-Fetch-Site")):
		return "This listener serves no pages of other sites.", http.StatusForbidden
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "Only GET is served here.", http.StatusMethodNotAllowed
	case r.URL.Path == "/health":
		return "", 0
	case s.config.Token != "":
		if s.hasToken(r) {
			return "", 0
		}
		return "The header Authorization: Bearer … must have the token of B2B_ADMIN_LISTEN_TOKEN.", http.StatusUnauthorized
	case !s.loopback && strings.HasPrefix(r.URL.Path, "/debug/"):
		return "Other machines reach this listener, so profiles need a token: set B2B_ADMIN_LISTEN_TOKEN, or listen on 127.0.0.1.", http.StatusForbidden
	}
	return "", 0
}

// hasToken compares the token in a time that does not depend on where the texts differ.
func (s *Server) hasToken(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sent, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.config.Token))
	return ok && subtle.ConstantTimeCompare(sent[:], want[:]) == 1
}

// fromHere reports whether a request does not come from a page of another site, by its header
// Sec-Fetch-Site, which programs other than browsers do not send.
func fromHere(site string) bool { return site == "" || site == "none" || site == "same-origin" }

// isLoopback reports whether a Host header names this machine.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}
