package conformance

import (
	"fmt"
	"net/http"
	"strings"
)

// serverChecks returns the checks of public calls about the server.
func serverChecks() []Check {
	return []Check{
		{[]string{"B2B-SRV-001"}, "GET /health needs no credential", func(t *T) {
			for _, c := range []Caller{nil, Token("bot_unknown")} {
				t.Get("/health", c).Status(200).Equal("status", "ok").Equal("db", "ok").Lacks("ws").
					Shape("", "uptime_ms:n connected_clients:i connected_bots:i")
			}
		}},
		{[]string{"B2B-SRV-002"}, "GET /health with the admin secret has details of connections", func(t *T) {
			r := t.Get("/health", Token(t.AdminSecret())).OK().Equal("status", "ok").
				Shape("ws", "by_type:o by_bot:a by_age:o not_alive:n reconnect_rate_5m:n ws_metrics:o").
				Shape("ws.by_type", "bot_token:n session:n").Shape("ws.by_age", "under_1m:n under_10m:n under_1h:n over_1h:n").
				Shape("ws.ws_metrics", "ops_total:n acks_total:n errors_total:n conflicts_total:n rate_limited_total:n")
			for _, e := range r.List("ws.by_bot") {
				t.Shape("by_bot", e, "bot_id:s count:n")
			}
			t.Get("/health", t.Super()).Status(200).Lacks("ws")
			t.Do("GET", "/health", Token(t.AdminSecret()+"0"), nil, newAddress()).Status(200).Lacks("ws")
		}},
		{[]string{"B2B-SRV-010"}, "guesses of the admin secret at GET /health are limited like those of a login", healthGuesses},
		{[]string{"B2B-SRV-032"}, "metrics and profiles are not public", operatorPaths},
		{[]string{"B2B-SRV-003"}, "the version is public", func(t *T) {
			t.Get("/api/version", nil).Status(200).Shape("", "version:s server:s")
			t.Get("/api/version", Token("bot_unknown")).Status(200)
		}},
		{[]string{"B2B-SRV-011"}, "the version lists the profiles of the server", declaredProfiles},
		{[]string{"B2B-SRV-004"}, "statistics are public", func(t *T) {
			t.Get("/api/stats", Token("bot_unknown")).Status(200).
				Shape("", "org_count:i bot_count:i online_bot_count:i thread_count:i message_count:i active_thread_count:i")
		}},
		{[]string{"B2B-SRV-005"}, "the guide for agents is public", func(t *T) {
			r := t.Get("/skill.md", nil).Status(200)
			if ct := strings.ReplaceAll(strings.ToLower(r.Header.Get("Content-Type")), " ", ""); ct != "text/markdown;charset=utf-8" {
				t.Errorf("/skill.md: Content-Type %q", ct)
			}
			if !strings.Contains(string(r.Body), "/api/auth/register") {
				t.Errorf("/skill.md does not describe the registration")
			}
		}},
	}
}

// operatorPaths asks for what operators see, as anybody and with every kind of credential.
func operatorPaths(t *T) {
	callers := []Caller{nil, t.Org().Admin, Token(t.AdminSecret()), t.Super()}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars"} {
		for _, c := range callers {
			r := t.Get(path, c).Shape("", "error:s")
			if r.status != http.StatusNotFound && r.status != http.StatusUnauthorized {
				t.Errorf("%s", r)
			}
		}
	}
	t.Get("/api/version", nil).Status(200) // the address serves clients
}

func healthGuesses(t *T) {
	if !t.Org().trustsForwarded() {
		return // it would lock the logins of this suite
	}
	health := func(token string, from Option) *Response {
		return t.Do("GET", "/health", Token(token), nil, from).Status(200)
	}
	here, there := newAddress(), newAddress()
	for i := range 5 { // a bot token does not count as a guess
		health(fmt.Sprintf("bot_%048x", i), there).Lacks("ws")
	}
	for range 2 {
		health("wrong", there).Lacks("ws")
	}
	health(t.AdminSecret(), there).Shape("", "ws:o") // resets the count
	for i := range 3 {
		health(fmt.Sprintf("wrong %d", i), here).Lacks("ws")
	}
	for range 2 {
		health(t.AdminSecret(), here).Lacks("ws").Equal("status", "ok")
	}
	health(t.AdminSecret(), there).Shape("", "ws:o")
	// Guesses here do not lock the login.
	t.Do("POST", "/api/auth/login", nil, J{"type": "super_admin", "admin_secret": t.AdminSecret()}, here).Status(200)
}

// declaredProfiles checks the form of the list. That the server has what it declares is what the other
// checks show.
func declaredProfiles(t *T) {
	r := t.Get("/api/version", nil).Status(200).Shape("", "profiles:[s]")
	seen := map[string]bool{}
	list, _ := r.Value("profiles").([]any)
	for _, name := range list {
		text, _ := name.(string)
		if text == "" || seen[text] {
			t.Errorf("profiles has %s twice, or a name without a text", show(name))
		}
		seen[text] = true
	}
	if !seen[core] {
		t.Errorf("profiles is %s, without core", show(list))
	}
}
