//go:build agents

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

// The real programs, with nothing of b2b but what b2b join and b2b setup wrote, and a stand-in for the
// model. B2B_CODEX, B2B_GEMINI and B2B_OPENCODE are the programs.

func TestCodex(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "codex", map[string]string{".codex/config.toml": `model = "m"
model_provider = "standin"
[model_providers.standin]
name = "standin"
base_url = "%s/v1"
wire_api = "responses"
`})
	// A person trusts the hooks once.
	p.start("B2B_CODEX", nil, "exec", "--skip-git-repo-check", "--dangerously-bypass-hook-trust", "hello")
	p.works("mcp__b2b")
}

func TestGemini(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "gemini", map[string]string{".gemini/settings.json": `{"security": {"auth": {"selectedType": "gemini-api-key"}}}`})
	p.start("B2B_GEMINI", []string{"GEMINI_API_KEY=x", "GOOGLE_GEMINI_BASE_URL=" + p.model.URL, "GEMINI_CLI_TRUST_WORKSPACE=true"},
		"--prompt", "hello", "--model", "m")
	p.works("tool server 'b2b'") // it offers no tools that ask a person when there is none
}

func TestOpenCode(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "opencode", map[string]string{".config/opencode/opencode.json": `{
		"autoupdate": false, "share": "disabled", "model": "standin/m", "small_model": "standin/m", "provider": {"standin": {
		"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "%s/v1", "apiKey": "x"}, "models": {"m": {"name": "m"}}}}}`})
	port := freePort(t)
	logs := p.start("B2B_OPENCODE", nil, "serve", "--hostname", "127.0.0.1", "--port", port, "--print-logs")
	waittest.Until(t, "OpenCode does not listen", func() bool { return strings.Contains(logs.String(), "listening on") })
	url := "http://127.0.0.1:" + port
	session := post(t, url+"/session", `{}`)["id"].(string)
	say := func(text string) {
		post(t, url+"/session/"+session+"/message", fmt.Sprintf(`{"parts": [{"type": "text", "text": %q}]}`, text))
	}
	say("hello")
	waittest.Until(t, "the session does not know who its agent is", func() bool {
		say("who are you?")
		return p.model.got("You are the agent reviewer")
	})
	p.works("b2b_wait")
}

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(port)
}

// post makes a request and returns the JSON of the response.
func post(t *testing.T, url, body string) (out map[string]any) {
	t.Helper()
	res, err := http.Post(url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v: %s", url, res.StatusCode, err, text)
	}
	return out
}
