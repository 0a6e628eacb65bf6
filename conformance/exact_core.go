package conformance

// exactCoreChecks compare the keys of responses about orgs, bots and the server with exactShapes.
func exactCoreChecks() []Check {
	return []Check{
		{[]string{"B2B-HTTP-018"}, "orgs, tickets, invite codes and sessions have exactly the specified keys", exactOrgs},
		{[]string{"B2B-HTTP-018"}, "bots, tokens, files and audit entries have exactly the specified keys", exactBots},
		{[]string{"B2B-HTTP-018", "B2B-SRV-006"}, "public responses and errors have exactly the specified keys", func(t *T) {
			t.Get("/health", nil).OK().exactly("", "health")
			t.Get("/health", Token(t.AdminSecret())).OK().exactly("", "operator's health").exactly("ws", "connections")
			t.Get("/api/version", nil).OK().exactly("", "version")
			t.Get("/api/stats", nil).OK().exactly("", "stats")
			for path, name := range map[string]string{"/api/health": "old health", "/api/system-presence": "system presence", "/api/config/get": "config"} {
				if r := t.Get(path, nil); r.StatusCode() != 401 { // a server may not have them
					r.OK().exactly("", name)
				}
			}
			o := t.Org()
			t.Get("/api/nope", nil).exactly("", "error")
			t.Get("/api/nope", o.Admin).exactly("", "error")
			t.Do("POST", "/api/org/tickets", o.Admin, Raw("{")).exactly("", "error")
			t.Do("PATCH", "/api/me/profile", o.Admin, J{"bio": 5}).exactly("", "error")
			t.Get("/api/org", o.PendingBot("newbie")).exactly("", "bot not active")
		}},
	}
}

func exactOrgs(t *T) {
	made := t.Do("POST", "/api/orgs", t.Super(), J{"name": "exact"}).OK().exactly("", "new org")
	o := t.adopt(made.Str("id"), "exact", made.Str("org_secret"))
	o.Admin = o.AdminBot("admin")
	t.exactly("GET /api/orgs", t.Get("/api/orgs", t.Super()).OK().Find("", "id", o.ID), "org in the list")
	t.Do("PATCH", "/api/orgs/"+o.ID, t.Super(), J{}).OK().exactly("", "org")
	t.Get("/api/org", o.Admin).OK().exactly("", "org")
	t.Get("/api/org/settings", o.Admin).OK().exactly("", "settings")
	o.Settings(J{"message_ttl_days": 3, "default_thread_permission_policy": J{"write": []string{"*"}}}).exactly("", "settings")
	t.Do("POST", "/api/org/tickets", o.Admin, J{}).OK().exactly("", "new ticket")
	doomed := o.Ticket(J{})
	t.Get("/api/org/tickets?limit=1", o.Admin).OK().exactly("", "tickets").each("items", "ticket").Has("cursor")
	t.Get("/api/org/tickets", o.Admin).OK().exactly("", "tickets").Lacks("cursor")
	t.Do("DELETE", "/api/org/tickets/"+doomed, o.Admin, nil).OK().exactly("", "deleted")

	human, owner := o.Login(), o.Admin.Login()
	human.Login.exactly("", "login").exactly("session", "login of an admin")
	owner.Login.exactly("", "login").exactly("session", "login of an owner")
	t.Super().Login.in(t).exactly("", "login").exactly("session", "login of a super")
	for _, s := range []*Session{human, owner, t.Super()} {
		t.Get("/api/auth/session", s).OK().exactly("", "session").exactly("config", "session config")
	}
	sessions := t.Get("/api/org/sessions", human).OK().exactly("", "items").each("items", "session of the org")
	ref, _ := sessions.Find("items", "role", "bot_owner")["ref"].(string)
	t.Do("DELETE", "/api/org/sessions/"+ref, human, nil).OK().exactly("", "deleted")
	t.Do("POST", "/api/ws-ticket", human, nil).OK().exactly("", "connection ticket")
	t.Do("POST", "/api/auth/logout", human, nil).OK().exactly("", "ok")
	o.Secret = t.Do("POST", "/api/org/rotate-secret", o.Admin, nil).OK().exactly("", "org secret").Str("org_secret")
	t.Do("POST", "/api/orgs/"+o.ID+"/rotate-secret", t.Super(), nil).OK().exactly("", "org secret")

	code := t.Do("POST", "/api/platform/invite-codes", t.Super(), J{"max_uses": 1, "label": "x"}).Status(201).exactly("", "new invite code")
	t.exactly("GET /api/platform/invite-codes", t.Get("/api/platform/invite-codes", t.Super()).OK().Find("", "id", code.Str("id")), "invite code")
	self := t.Do("POST", "/api/platform/orgs", nil, J{"invite_code": code.Str("code"), "name": "by code"}).Status(201).exactly("", "org made by code")
	t.adopt(self.Str("org_id"), "by code", self.Str("org_secret"))
	t.Do("DELETE", "/api/platform/invite-codes/"+code.Str("id"), t.Super(), nil).Status(204)
}

func exactBots(t *T) {
	o := t.Org()
	o.Admin.Registration.exactly("", "registration")
	bot := o.Bot("worker", J{"metadata": J{"a": 1}, "tags": []string{"x"}})
	human := o.Human()
	for _, r := range []*Response{
		t.Get("/api/me", bot), t.Get("/api/bots/"+bot.ID, human), t.Get("/api/bots/worker/profile", bot),
		t.Do("PATCH", "/api/me/profile", bot, fullProfile()), t.Do("PATCH", "/api/me/name", bot, J{"name": "worker2"}),
	} {
		r.OK().exactly("", "bot")
	}
	t.Get("/api/peers", bot).OK().each("", "bot")
	t.Get("/api/bots", bot).OK().each("", "bot")
	t.Get("/api/bots", human).OK().each("", "bot")
	t.Get("/api/bots?limit=1", human).OK().exactly("", "page").each("items", "bot").Has("next_cursor")
	t.Get("/api/bots/worker2/webhook/health", bot).OK().exactly("", "webhook health")

	t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}, "label": "x", "expires_in": 3600000}).OK().exactly("", "new token")
	id := t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}}).OK().exactly("", "new token").Str("id")
	t.Get("/api/me/tokens", bot).OK().each("", "token")
	t.Do("DELETE", "/api/me/tokens/"+id, bot, nil).OK().exactly("", "ok")

	var file string
	if t.hasProfile("files") {
		file = upload(t, bot, "a.txt", "text/plain", "text").exactly("", "uploaded file").Str("url")
		t.Get(file+"/info", bot).OK().exactly("", "file")
	}

	t.Do("PATCH", "/api/org/bots/"+bot.ID+"/role", human, J{"auth_role": "admin"}).OK().exactly("", "role change")
	t.Do("PATCH", "/api/org/bots/"+bot.ID+"/status", human, J{"status": "rejected", "reason": "x"}).OK().exactly("", "status change")
	t.Do("PATCH", "/api/org/bots/"+bot.ID+"/status", human, J{"status": "rejected"}).OK().exactly("", "status change")
	t.Do("DELETE", "/api/bots/"+bot.ID, human, nil).OK().exactly("", "ok with a message")
	t.Do("DELETE", "/api/orgs/"+o.ID+"/tombstones/worker2", human, nil).OK().exactly("", "ok with a message")
	if file != "" {
		t.Get(file+"/info", o.Admin).OK().exactly("", "file").Equal("uploader_id", nil)
	}
	t.Get("/api/audit?limit=200", human).OK().each("", "audit entry")
	o.PendingBot("newbie").Registration.exactly("", "registration").Has("message")
	t.Do("DELETE", "/api/me", o.Bot("gone"), nil).OK().exactly("", "ok with a message")
}
