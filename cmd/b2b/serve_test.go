package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// B2B-ENV-002: a server without an admin secret does not start.
func TestServeNeedsAnAdminSecret(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(build(t), "serve", "--port", "0", "--data", t.TempDir())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "B2B_ADMIN_SECRET") || strings.Contains(string(out), "goroutine") {
		t.Errorf("err %v, output:\n%s", err, out)
	}
}

func TestServeStopsGracefully(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	n := serve(t, data)
	org, bots := n.team("keeper")
	person := &client{t: t, url: n.URL}
	_, _, header := person.try("POST", "/api/auth/login", map[string]any{"type": "org_admin", "org_id": org["id"], "org_secret": org["org_secret"]})
	person.cookie, _, _ = strings.Cut(header.Get("Set-Cookie"), ";")
	before := person.must("GET", "/api/org/sessions", nil)
	if err := n.stop(); err != nil {
		t.Fatalf("stop: %v\n%s", err, n.logs)
	}
	for _, secret := range []string{adminSecret, bots["keeper"].token, org["org_secret"].(string)} {
		if strings.Contains(n.logs.String(), secret) {
			t.Errorf("the log contains the secret %s…", secret[:8])
		}
	}
	again := serve(t, data)
	me := (&client{t: t, url: again.URL, token: bots["keeper"].token}).must("GET", "/api/me", nil)
	if me["name"] != "keeper" {
		t.Errorf("after a restart: %v", me)
	}
	person.url = again.URL // B2B-AUTH-052: sessions and refs outlive a restart
	if after := person.must("GET", "/api/org/sessions", nil); !reflect.DeepEqual(after, before) || len(after["items"].([]any)) != 1 {
		t.Errorf("sessions before a restart %v, after it %v", before, after)
	}
}

func TestServeInDevelopmentNeedsNoSecret(t *testing.T) {
	t.Parallel()
	n := serve(t, t.TempDir(), "B2B_ADMIN_SECRET=", "B2B_DEV_MODE=true")
	unauthenticated := &client{t: t, url: n.URL}
	org := unauthenticated.must("POST", "/api/orgs", map[string]any{"name": "dev"})
	if org["org_secret"] == nil {
		t.Errorf("org: %v", org)
	}
	_, _, header := unauthenticated.try("POST", "/api/auth/login", map[string]any{"type": "org_admin", "org_id": org["id"], "org_secret": org["org_secret"]})
	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	if err != nil || cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a login in development: %v %v", err, header)
	}
	for origin, allowed := range map[string]bool{ // B2B-ENV-002
		"http://localhost:3000": true, "https://127.0.0.1": true, "http://[::1]:8080": true,
		"https://evil.example": false, "http://localhost.evil.example": false, "null": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+"/api/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Access-Control-Allow-Origin"); (got == origin) != allowed || !allowed && got != "" {
			t.Errorf("in development a page of %s is allowed to read for %q", origin, got)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(build(t), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "b2b ") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestQuickstart plays the scenario twice: the second run finds the team of the first.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for run := range 2 {
		out, err := exec.Command(build(t), "quickstart", "--once", "--pause", "0", "--port", "0", "--data", data).CombinedOutput()
		if err != nil {
			t.Fatalf("run %d: %v\n%s", run, err, out)
		}
		for _, want := range []string{"GET /api/peers", "@engineering (direct)", "version 1", "reviewing", "version 2", "brought operations", "resolved", "curl -H", "tokens.env",
			"claimed it from its inbox (direct, attempt 1", "engineering: working, “reading the session code”", "engineering: done",
			"took the lease repo/auth/**", "engineering holds it", "the thread is blocked", "The thread is active again",
			"(decision closed, attempt 1", "released repo/auth/**", "/api/inbox/claim"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("run %d: no %q in the transcript:\n%s", run, want, out)
			}
		}
		if tokens, err := os.ReadFile(filepath.Join(data, "tokens.env")); err != nil {
			t.Error(err)
		} else if !regexp.MustCompile(`^export B2B_URL=http://localhost:\d+ B2B_TOKEN=bot_\w+ OTHER_TOKEN=bot_\w+\n$`).Match(tokens) {
			t.Errorf("run %d: tokens.env has another form", run) // its content is secret
		}
		if made := strings.Contains(string(out), "Making an org"); made != (run == 0) {
			t.Errorf("run %d: made a team: %v", run, made)
		}
	}
}

// TestQuickstartInterrupted: Ctrl-C in the middle of the scene is no error, and the output says
// what to do.
func TestQuickstartInterrupted(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(build(t), "quickstart", "--pause", "1h", "--port", "0", "--data", t.TempDir())
	var failed strings.Builder
	cmd.Stderr = &failed
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	var out strings.Builder
	for lines.Scan() {
		out.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "Who can help?") { // the scene has begun
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || failed.Len() > 0 {
		t.Errorf("%v: %s", err, failed.String())
	}
	if !strings.Contains(out.String(), "Run it again") {
		t.Errorf("the output does not say what to do:\n%s", out.String())
	}
}
