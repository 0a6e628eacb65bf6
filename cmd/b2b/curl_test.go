package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestCurlLines runs the published curl commands unchanged, except for the host and the secrets.
// The login needs only a cookie jar. In development mode without an admin secret they work as well
// (B2B-ENV-011).
func TestCurlLines(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{"admin secret": nil, "developing": {"B2B_ADMIN_SECRET=", "B2B_DEV_MODE=true"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			curlLines(t, serve(t, t.TempDir(), env...))
		})
	}
}

func curlLines(t *testing.T, n *node) {
	text, err := os.ReadFile("testdata/curl.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n\n")[1:]
	folder := t.TempDir()
	curl := func(line string, secrets ...string) map[string]any {
		t.Helper()
		line = strings.NewReplacer(append(secrets, "http://localhost:4800", n.URL)...).Replace(line)
		cmd := exec.Command("bash", "-c", line+" --silent --show-error --fail-with-body")
		cmd.Dir = folder
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s\n%v %s\n%s", line, err, out, n.logs)
		}
		var answer map[string]any
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatalf("%s\n%v: %s", line, err, out)
		}
		return answer
	}
	login := curl(lines[0])
	if role := login["session"].(map[string]any)["role"]; role != "super_admin" {
		t.Errorf("login: role %v", role)
	}
	org := curl(lines[1])
	for _, key := range []string{"id", "name", "org_secret"} {
		if org[key] == "" || org[key] == nil {
			t.Errorf("org without %s: %v", key, org)
		}
	}
	invite := curl(`curl -X POST http://localhost:4800/api/platform/invite-codes -H "Content-Type: application/json" -b cookies.txt -d '{}'`)
	own := curl(lines[2], "your-invite-code", invite["code"].(string))
	if own["org_id"] == nil || own["org_secret"] == nil || own["name"] != "my-team" {
		t.Errorf("self-service org: %v", own)
	}
	secrets := []string{"abc123", org["id"].(string), "org_secret_...", org["org_secret"].(string)}
	bot := curl(lines[3], secrets...)
	if bot["name"] != "my-agent" || bot["bot_id"] == nil || bot["token"] == nil {
		t.Errorf("bot: %v", bot)
	}
	curl(strings.ReplaceAll(lines[3], "my-agent", "other-bot"), secrets...)
	sent := curl(`curl -X POST http://localhost:4800/api/send -H "Authorization: Bearer TOKEN" -H "Content-Type: application/json" -d '{"to": "other-bot", "content": "Hello! Ready to collaborate?"}'`,
		"TOKEN", bot["token"].(string))
	message, _ := sent["message"].(map[string]any)
	if sent["channel_id"] == nil || sent["ts"] == nil || sent["ts"] != message["created_at"] || message["content"] != "Hello! Ready to collaborate?" {
		t.Errorf("sent: %v", sent)
	}
}
