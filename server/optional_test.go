package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/b2b-protocol/b2b/internal/forwarded"
	"github.com/b2b-protocol/b2b/server"
)

// B2B-SRV-006: the paths of old clients respond to any caller.
func TestOldPaths(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	health := n.must(t, nobody, "GET", "/api/health", nil)
	if health["ok"] != true || health["server"] == "" || health["version"] == "" {
		t.Errorf("/api/health: %v", health)
	}
	presence := n.must(t, nobody, "GET", "/api/system-presence", nil)
	if bots, ok := presence["bots"].([]any); !ok || len(bots) != 0 || presence["online"] != true ||
		presence["presence_ts"].(float64) < 1.7e12 || presence["note"] == "" {
		t.Errorf("/api/system-presence: %v", presence)
	}
	config := n.must(t, bearer("a bad token", "", "", "bot_x"), "GET", "/api/config/get", nil)
	if scopes, _ := config["scopes"].([]any); len(scopes) != 7 || config["env"] != "production" || config["server"] == "" || config["version"] == "" {
		t.Errorf("/api/config/get: %v", config)
	}
}

// B2B-SRV-009, B2B-HTTP-040, 042: the guide names the server as the caller does, through a trusted
// proxy. An untrusted proxy is logged once.
func TestGuideNamesTheServer(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	guide := func(proxies string) func(header, value string) string {
		trust, err := forwarded.Parse(proxies)
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(t)
		c.Proxies = trust
		s, err := server.New(t.Context(), c, slog.New(slog.NewTextHandler(&logged, nil)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		n := &node{server: s}
		return func(header, value string) string {
			a := n.send(nobody, "GET", "/skill.md", nil, header, value)
			if a.status != 200 {
				t.Errorf("with %s: %s the guide is %v", header, value, a)
			}
			return a.body
		}
	}
	untrusted := guide("192.0.2.0/24")
	for range 2 {
		for _, header := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For"} {
			if body := untrusted(header, "https"); !strings.Contains(body, "http://b2b.test/api/auth/register") {
				t.Errorf("an untrusted %s is used", header)
			}
		}
	}
	if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "B2B_TRUST_PROXY=10.") {
		t.Errorf("of ignored headers is logged: %s", text)
	}
	logged.Reset()
	proxy := guide("10.0.0.0/8")
	for _, c := range []struct{ header, value, want string }{
		{"Accept", "*/*", "http://b2b.test"},
		{"X-Forwarded-Host", "name.example", "http://name.example"},
		{"X-Forwarded-Host", "name.example/<b>", "http://b2b.test"},
		{"X-Forwarded-Proto", "https", "https://b2b.test"},
		{"X-Forwarded-Proto", "javascript", "http://b2b.test"},
	} {
		if body := proxy(c.header, c.value); !strings.Contains(body, c.want+"/api/auth/register") {
			t.Errorf("with %s: %s the guide does not name %s", c.header, c.value, c.want)
		}
	}
	if text := logged.String(); text != "" {
		t.Errorf("of a proxy that is believed is logged: %s", text)
	}
}

// B2B-REG-014: the old path of registration is the same route.
func TestOldRegistration(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	org := n.must(t, n.operator, "POST", "/api/orgs", map[string]any{"name": "o"})
	bot := n.must(t, nobody, "POST", "/api/register", map[string]any{"org_id": org["id"], "org_secret": org["org_secret"], "name": "ann"})
	me := n.must(t, bearer("ann", "bot", "full", bot["token"].(string)), "GET", "/api/me", nil)
	if me["name"] != "ann" || me["id"] != bot["bot_id"] {
		t.Errorf("registered %v, is %v", bot, me)
	}
	if a := n.send(nobody, "POST", "/api/register", []byte(`{"name":"x"}`)); a.status != 400 || a.code() != "VALIDATION_ERROR" {
		t.Errorf("a bad registration: %v", a)
	}
}

// B2B-AUD-004: changes to an org are audited, too; sessions appear by their ref, never by their id.
func TestFurtherAudit(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	org := n.must(t, n.operator, "POST", "/api/orgs", map[string]any{"name": "o"})
	id := org["id"].(string)
	bot := n.must(t, nobody, "POST", "/api/auth/register", map[string]any{"org_id": id, "org_secret": org["org_secret"], "name": "ann"})
	ann := bearer("ann", "admin bot", "full", bot["token"].(string))
	human := n.login(t, "human", map[string]any{"type": "org_admin", "org_id": id, "org_secret": org["org_secret"]})
	n.must(t, ann, "POST", "/api/org/tickets", map[string]any{})
	n.must(t, human, "POST", "/api/org/tickets", map[string]any{"reusable": true})
	n.must(t, n.operator, "PATCH", "/api/orgs/"+id, map[string]any{"status": "suspended"})
	n.must(t, n.operator, "PATCH", "/api/orgs/"+id, map[string]any{"status": "suspended"}) // nothing changes
	n.must(t, n.operator, "PATCH", "/api/orgs/"+id, map[string]any{"status": "active", "name": "p"})
	n.must(t, n.operator, "POST", "/api/orgs/"+id+"/rotate-secret", nil)
	for action, want := range map[string]int{"auth.ticket_created": 2, "org.update": 2, "auth.secret_rotated": 1} {
		a := n.send(ann, "GET", "/api/audit?action="+action, nil)
		var entries []struct {
			BotID  *string        `json:"bot_id"`
			Target string         `json:"target_id"`
			Detail map[string]any `json:"detail"`
		}
		if err := json.Unmarshal([]byte(a.body), &entries); err != nil || len(entries) != want {
			t.Fatalf("%s: %v %v", action, err, a)
		}
		for _, e := range entries {
			by, _ := e.Detail["changed_by"].(string)
			if action == "auth.ticket_created" {
				by, _ = e.Detail["created_by"].(string)
			}
			session := len(by) == len("session:")+16 && strings.HasPrefix(by, "session:")
			if byBot := e.BotID != nil; byBot == session || byBot && by != "bot:"+*e.BotID {
				t.Errorf("%s: by %q, bot %v", action, by, e.BotID)
			}
		}
		for _, c := range []caller{human, n.operator} {
			if _, cookie, _ := strings.Cut(c.header.Get("Cookie"), "="); strings.Contains(a.body, cookie) {
				t.Errorf("%s contains the id of a session", action)
			}
		}
	}
}
