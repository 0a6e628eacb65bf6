package conformance

import (
	"fmt"
	"strings"
)

// serverChecks covers what anybody may ask.
func serverChecks() []Check {
	return []Check{
		{[]string{"B2B-SRV-001"}, "health needs no credential", func(t *T) {
			for _, c := range []Caller{nil, Token("bot_unknown")} {
				t.Get("/health", c).Status(200).Equal("status", "ok").Equal("db", "ok").Lacks("ws").
					Shape("", "uptime_ms:n connected_clients:i connected_bots:i")
			}
		}},
		{[]string{"B2B-SRV-002"}, "the operator's health says more of connections", func(t *T) {
			r := t.Get("/health", Token(t.AdminSecret())).OK().Equal("status", "ok").
				Shape("ws", "by_type:o by_bot:a by_age:o not_alive:n reconnect_rate_5m:n ws_metrics:o").
				Shape("ws.by_type", "bot_token:n session:n").Shape("ws.by_age", "under_1m:n under_10m:n under_1h:n over_1h:n").
				Shape("ws.ws_metrics", "ops_total:n acks_total:n errors_total:n conflicts_total:n rate_limited_total:n")
			for _, e := range r.List("ws.by_bot") {
				t.Shape("by_bot", e, "bot_id:s count:n")
			}
			t.Get("/health", t.Super()).Status(200).Lacks("ws")
			t.Do("GET", "/health", Token(t.AdminSecret()+"0"), nil, elsewhere()).Status(200).Lacks("ws")
		}},
		{[]string{"B2B-SRV-010"}, "health helps to guess the admin secret no more than a login does", func(t *T) {
			if !t.Org().believed() {
				return // it would lock this suite out
			}
			health := func(token string, from Option) *Response {
				return t.Do("GET", "/health", Token(token), nil, from).Status(200)
			}
			here, there := elsewhere(), elsewhere()
			for i := range 5 { // who sends a bot's token everywhere guesses nothing
				health(fmt.Sprintf("bot_%048x", i), there).Lacks("ws")
			}
			for range 2 {
				health("wrong", there).Lacks("ws")
			}
			health(t.AdminSecret(), there).Shape("", "ws:o") // which forgets them
			for i := range 3 {
				health(fmt.Sprintf("wrong %d", i), here).Lacks("ws")
			}
			for range 2 {
				health(t.AdminSecret(), here).Lacks("ws").Equal("status", "ok")
			}
			health(t.AdminSecret(), there).Shape("", "ws:o")
			// Nobody locks the operator out of the login by asking here.
			t.Do("POST", "/api/auth/login", nil, J{"type": "super_admin", "admin_secret": t.AdminSecret()}, here).Status(200)
		}},
		{[]string{"B2B-SRV-003"}, "the version is public", func(t *T) {
			t.Get("/api/version", nil).Status(200).Shape("", "version:s server:s")
			t.Get("/api/version", Token("bot_unknown")).Status(200)
		}},
		{[]string{"B2B-SRV-004"}, "statistics are public numbers", func(t *T) {
			t.Get("/api/stats", Token("bot_unknown")).Status(200).
				Shape("", "org_count:i bot_count:i online_bot_count:i thread_count:i message_count:i active_thread_count:i")
		}},
		{[]string{"B2B-SRV-005"}, "agents find a guide", func(t *T) {
			r := t.Get("/skill.md", nil).Status(200)
			if ct := strings.ReplaceAll(strings.ToLower(r.Header.Get("Content-Type")), " ", ""); ct != "text/markdown;charset=utf-8" {
				t.Errorf("/skill.md: Content-Type %q", ct)
			}
			if !strings.Contains(string(r.Body), "/api/auth/register") {
				t.Errorf("/skill.md does not tell how to register")
			}
		}},
	}
}
