package conformance

import "strings"

// sessionRuleChecks returns the checks of the limits of a session: the state of its bot, cross-site
// requests, the secrecy of its id.
func sessionRuleChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-029"}, "an owner session ends when its bot is deleted, and fails while its bot is rejected", func(t *T) {
			o := t.Org()
			gone, rejected := o.Bot("gone"), o.Bot("rejected")
			lost, shut := gone.Login(), rejected.Login()
			t.Get("/api/me", lost).Status(200)
			t.Get("/api/me", shut).Status(200)
			t.Do("DELETE", "/api/bots/"+gone.ID, o.Admin, nil).Status(200)
			rejected.SetStatus("rejected")
			t.Get("/api/me", lost).Refused(401, "SESSION_INVALID")
			t.Get("/api/me", shut).Refused(403, "BOT_NOT_ACTIVE")
			t.Do("PATCH", "/api/me/profile", shut, J{"bio": "x"}).Refused(403, "BOT_NOT_ACTIVE")
		}},
		{[]string{"B2B-AUTH-030"}, "cross-site requests of a browser cannot use the session cookie", crossSiteRequests},
		{[]string{"B2B-AUTH-031"}, "session ids appear in no response and no audit entry", secretSessionIDs},
	}
}

func crossSiteRequests(t *T) {
	o := t.Org()
	human, bot := o.Human(), o.Bot("worker")
	change := func(c Caller, opts ...Option) *Response {
		return t.Do("PATCH", "/api/org/settings", c, J{"threads_per_hour_per_bot": 40}, opts...)
	}
	foreign := []Option{Header("Origin", "https://evil.example")}
	unnamed := []Option{Header("Origin", "null")}
	fetched := []Option{Header("Origin", "https://evil.example"), Header("Sec-Fetch-Site", "cross-site")}
	for _, opts := range [][]Option{foreign, unnamed, fetched} {
		change(human, opts...).Refused(403, "CSRF_ERROR")
		t.Do("POST", "/api/org/tickets", human, J{}, opts...).Refused(403, "CSRF_ERROR")
		t.Do("DELETE", "/api/org/tickets/x", human, nil, opts...).Refused(403, "CSRF_ERROR")
		t.Do("POST", "/api/auth/logout", human, nil, opts...).Refused(403, "CSRF_ERROR")
		t.Do("POST", "/api/auth/login", human, J{"type": "bot", "token": bot.Token}, opts...).Refused(403, "CSRF_ERROR")
		change(human, append(opts, Header("Authorization", "Bearer x"))...).Refused(403, "CSRF_ERROR")
		change(o.Admin, opts...).Status(200)
		t.Get("/api/org/settings", human, opts...).Status(200)
		t.Do("POST", "/api/auth/login", nil, J{"type": "bot", "token": bot.Token}, opts...).Status(200)
	}
	change(human, Header("Origin", "https://"+t.target.base.Hostname()+".evil.example")).Refused(403, "CSRF_ERROR")
	host := t.target.base.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	sibling := Header("Origin", "http://"+host+":1")
	change(human, sibling).Status(200) // an old browser sends no Sec-Fetch-Site
	change(human, sibling, Header("Sec-Fetch-Site", "same-site")).Refused(403, "CSRF_ERROR")
	change(human, Header("Origin", "null"), Header("Sec-Fetch-Site", "same-origin")).Status(200) // a page with Referrer-Policy no-referrer
	change(human, Header("Origin", "garbage")).Refused(403, "CSRF_ERROR")
	change(human, Header("Origin", "")).Status(200)
	change(human, Header("Origin", t.target.origin())).Status(200)
	change(human, Header("Origin", t.target.origin()), Header("Sec-Fetch-Site", "same-origin")).Status(200)
}

func secretSessionIDs(t *T) {
	o := t.Org()
	bot := o.PendingBot("newbie")
	human, other, owner := o.Login(), o.Login(), o.Admin.Login()
	change := t.Do("PATCH", "/api/org/bots/"+bot.ID+"/status", human, J{"status": "active"}).Status(200)
	o.Bot("gone")
	t.Do("DELETE", "/api/bots/"+bot.ID, human, nil).Status(200)
	t.Do("DELETE", "/api/orgs/"+o.ID+"/tombstones/newbie", human, nil).Status(200)
	sessions := t.Get("/api/org/sessions", human).OK()
	audit := t.Get("/api/audit?limit=200", o.Admin).OK()
	t.Do("POST", "/api/auth/logout", owner, nil).Status(200)
	later := t.Get("/api/audit?action=auth.logout", o.Admin).OK().Len("", 1)
	for _, r := range []*Response{change, sessions, audit, later, human.Login, other.Login, owner.Login} {
		for _, s := range []*Session{human, other, owner} {
			if strings.Contains(string(r.Body), s.Cookie) {
				t.Errorf("%s: contains the id of a session", r)
			}
		}
	}
}
