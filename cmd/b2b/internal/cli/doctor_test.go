package cli_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/cli"
)

// TestDoctor breaks one thing at a time, and looks which check finds it and what it says.
func TestDoctor(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	org := newOrg(t)
	m := newMachine(t)
	if res := m.runWith(t.Context(), map[string]string{"B2B_ORG_SECRET": org.GetOrgSecret()}, "", "join", server, "--org",
		org.GetId(), "--name", "lead"); res.status != 0 {
		t.Fatalf("%+v", res)
	}
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	whole := httputil.NewSingleHostReverseProxy(target)
	start := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	noUpgrade := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no upgrade here", http.StatusBadRequest)
			return
		}
		whole.ServeHTTP(w, r)
	}))
	other := start(http.NotFoundHandler())
	tls := httptest.NewTLSServer(whole)
	t.Cleanup(tls.Close)
	helper := m.run("", "token", "create", "--scope", "full")
	if helper.status != 0 {
		t.Fatalf("%+v", helper)
	}
	token := strings.TrimSpace(helper.out)
	tests := []struct {
		name         string
		url, token   string
		skew         time.Duration
		status       int
		check, state string
		says         string
	}{
		{name: "nothing", url: server, token: token, check: "websocket", state: "ok"},
		{name: "the address", url: "ftp://x", token: token, status: cli.ExitUsage, check: "address", state: "failed",
			says: "https://"},
		{name: "the name", url: "http://b2b.invalid", token: token, status: cli.ExitUnreachable, check: "name", state: "failed",
			says: "b2b.invalid"},
		{name: "the server", url: "http://127.0.0.1:1", token: token, status: cli.ExitUnreachable, check: "connection",
			state: "failed", says: "Does the server run"},
		{name: "the certificate", url: tls.URL, token: token, status: cli.ExitUnreachable, check: "tls", state: "failed",
			says: "SSL_CERT_FILE"},
		{name: "TLS where there is none", url: strings.Replace(server, "http:", "https:", 1), token: token,
			status: cli.ExitUnreachable, check: "tls", state: "failed", says: "http://"},
		{name: "what answers", url: other, token: token, status: cli.ExitUnreachable, check: "version", state: "failed",
			says: "/api/version"},
		{name: "the token", url: server, token: "bot_wrong", status: cli.ExitCredential, check: "token", state: "failed",
			says: "b2b join"},
		{name: "the clock", url: server, token: token, skew: -time.Hour, check: "clock", state: "warning", says: "behind"},
		{name: "the proxy", url: noUpgrade, token: token, check: "websocket", state: "warning", says: "Upgrade"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broken := *m
			broken.now = func() time.Time { return time.Now().Add(tt.skew) }
			res := broken.runWith(t.Context(), map[string]string{"B2B_URL": tt.url, "B2B_TOKEN": tt.token}, "", "doctor", "--json")
			if res.status != tt.status || strings.Contains(res.out+res.err, tt.token) {
				t.Errorf("the status is %d, want %d\n%s%s", res.status, tt.status, res.out, res.err)
			}
			for line := range strings.Lines(res.out) {
				if strings.HasPrefix(line, `{"check":"`+tt.check+`"`) {
					if !strings.Contains(line, `"state":"`+tt.state+`"`) || !strings.Contains(line, tt.says) {
						t.Errorf("%s, want %s with %q", line, tt.state, tt.says)
					}
					return
				}
			}
			t.Errorf("there is no check of the %s:\n%s", tt.check, res.out)
		})
	}
}
