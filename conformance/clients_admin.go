package conformance

import (
	"strings"
	"time"
)

// browserHeaders returns the headers that a browser sends for a page of the server itself.
func browserHeaders(t *T) []Option {
	return []Option{Header("Origin", t.target.origin()), Header("Sec-Fetch-Site", "same-origin"), Header("Sec-Fetch-Mode", "cors"), Header("Accept", "application/json")}
}

func hxaOperator(t *T) {
	super := t.Super()
	made := t.Do("POST", "/api/orgs", super, J{"name": "orchard"}).statusJSON(200).exactly("", "new org").Equal("name", "orchard").Equal("persist_messages", true).Equal("status", "active")
	o := t.adopt(made.Str("id"), "orchard", made.Str("org_secret"))
	t.Do("POST", "/api/orgs", Token(t.AdminSecret()), J{"name": "x"}).statusJSON(401).exactly("", "error").Code("AUTH_REQUIRED")
	o.Admin = o.AdminBot("gardener", J{"bio": "keeps order", "tags": []string{"ops"}})
	o.Admin.Registration.statusJSON(200).exactly("", "registration").Equal("auth_role", "admin").Equal("version", "1.0.0")
	o.Register(J{"org_secret": o.Secret, "name": "gardener"}).statusJSON(409).exactly("", "error").Code("NAME_CONFLICT")
	t.Do("PATCH", "/api/orgs/"+o.ID, super, J{"status": "suspended"}).statusJSON(200).Equal("", J{"id": o.ID, "name": "orchard", "status": "suspended"})
	t.Get("/api/me", o.Admin).statusJSON(403).exactly("", "error").Code("ORG_SUSPENDED")
	t.Do("PATCH", "/api/orgs/"+o.ID, super, J{"status": "active"}).statusJSON(200).exactly("", "org")

	// Tickets and approval.
	ticket := t.Do("POST", "/api/org/tickets", o.Admin, J{"expires_in": 600}).statusJSON(200).exactly("", "new ticket").Equal("reusable", false).Equal("skip_approval", false).Str("ticket")
	o.Register(J{"ticket": ticket, "name": "picker"}).statusJSON(200).Equal("auth_role", "member").Equal("join_status", "active")
	o.Register(J{"ticket": ticket, "name": "picker2"}).statusJSON(401).exactly("", "error").Code("TICKET_CONSUMED")
	t.Do("PATCH", "/api/org/settings", o.Admin, J{"join_approval_required": true}).statusJSON(200).exactly("", "settings").Equal("updated_at", 0).Equal("join_approval_required", true)
	forever := t.Do("POST", "/api/org/tickets", o.Admin, J{"reusable": true, "expires_in": 0}).statusJSON(200).Equal("expires_at", 0).Equal("reusable", true).Str("ticket")
	newbie := o.Register(J{"ticket": forever, "name": "newbie"}).statusJSON(200).exactly("", "registration").Equal("join_status", "pending").Equal("message", "Awaiting org admin approval")
	id := newbie.Str("bot_id")
	t.Get("/api/me", Token(newbie.Str("token"))).statusJSON(403).exactly("", "bot not active").Equal("error", "bot_not_active").Code("BOT_NOT_ACTIVE").Equal("join_status", "pending")
	t.Do("PATCH", "/api/org/bots/"+id+"/status", o.Admin, J{"status": "active"}).statusJSON(200).exactly("", "status change").
		Equal("previous_status", "pending").Equal("join_status_changed_by", "bot:"+o.Admin.ID).Equal("join_status_reason", nil)
	t.Get("/api/me", Token(newbie.Str("token"))).statusJSON(200).exactly("", "bot")
	t.Do("DELETE", "/api/bots/"+id, o.Admin, nil).statusJSON(200).exactly("", "ok with a message").Equal("ok", true)
	o.Register(J{"ticket": forever, "name": "newbie"}).statusJSON(409).exactly("", "error").Code("NAME_TOMBSTONED")
	t.Do("DELETE", "/api/orgs/"+o.ID+"/tombstones/newbie", o.Admin, nil).statusJSON(403).exactly("", "error").Code("HUMAN_SESSION_REQUIRED")

	// An invite code lets its holder create an org without the operator.
	code := t.Do("POST", "/api/platform/invite-codes", super, J{"label": "pilot", "max_uses": 1, "expires_in": 86400}).statusJSON(201).exactly("", "new invite code").Equal("use_count", 0)
	self := t.Do("POST", "/api/platform/orgs", nil, J{"invite_code": code.Str("code"), "name": "vineyard"}).statusJSON(201).exactly("", "org made by code").Equal("name", "vineyard")
	t.adopt(self.Str("org_id"), "vineyard", self.Str("org_secret"))
	t.Do("POST", "/api/platform/orgs", nil, J{"invite_code": code.Str("code"), "name": "again"}).statusJSON(401).exactly("", "error").Code("INVALID_INVITE_CODE")
	t.exactly("GET /api/platform/invite-codes", t.Get("/api/platform/invite-codes", super).statusJSON(200).Find("", "id", code.Str("id")), "invite code")
	t.Do("DELETE", "/api/platform/invite-codes/"+code.Str("id"), super, nil).Status(204).Empty()
	t.Do("DELETE", "/api/orgs/"+o.ID, super, nil).Status(204).Empty()
	t.Do("DELETE", "/api/orgs/"+o.ID, super, nil).statusJSON(404).exactly("", "error").Code("NOT_FOUND")
}

func hxaAdminPage(t *T) {
	o := t.Org()
	page := browserHeaders(t)
	bot := o.Bot("worker")
	o.Bot("helper")
	thread := t.Do("POST", "/api/threads", bot, J{"topic": "Release notes", "participants": []string{"helper"}}).OK().Str("id")
	t.say(bot, thread, "one")
	t.say(bot, thread, "two")
	t.Do("POST", thr(thread, "/artifacts"), bot, J{"artifact_key": "k", "content": "x"}).OK()

	// Log in as a page does and keep the cookie.
	r := t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, page...).statusJSON(200).exactly("", "login").exactly("session", "login of an admin")
	set := r.Header.Get("Set-Cookie")
	for _, part := range []string{"hxa_session=", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(set, part) {
			r.errorf("Set-Cookie has no %s: %s", part, set)
		}
	}
	c, _ := r.cookie()
	oa := &Session{Cookie: c.Value, Login: r, origin: t.target.origin()}
	get := func(path string) *Response { return t.Get(path, oa, page...).statusJSON(200) }
	do := func(method, path string, body any) *Response { return t.Do(method, path, oa, body, page...) }
	get("/api/auth/session").exactly("", "session").Equal("role", "org_admin").Equal("bot_id", nil).Equal("scopes", nil).Equal("is_scoped_token", false).exactly("config", "session config")
	get("/api/org").exactly("", "org")

	t.hxaAdminLists(get, bot, thread)

	// Subscribe to one thread.
	ws := t.dial("an admin page", "ticket", do("POST", "/api/ws-ticket", nil).statusJSON(200).exactly("", "connection ticket").Str("ticket"))
	ws.ping()
	ws.subscribe(J{"thread_id": thread})
	do("PATCH", othr(thread), J{"status": "resolved"}).statusJSON(200).exactly("", "thread").Shape("", "resolved_at:i")
	ws.asResponse(ws.next("thread_status_changed")).exactly("", "event thread_status_changed").Equal("from", "active").Equal("to", "resolved").Equal("by", "org:"+o.ID)
	do("PATCH", othr(thread), J{"status": "blocked"}).statusJSON(409).Code("INVALID_TRANSITION")

	t.hxaAdminSettings(get, do, bot)

	// Sessions: that of the page itself, and that of a bot owner who manages tokens.
	owner := t.Login(J{"type": "bot", "token": string(bot.Token), "owner_name": "Ada"}, page...)
	owner.Login.statusJSON(200).exactly("session", "login of an owner")
	t.Do("POST", "/api/me/tokens", owner, J{"scopes": []string{"read"}, "label": "dashboard", "expires_in": 3600000}, page...).statusJSON(200).exactly("", "new token").Equal("last_used_at", nil)
	t.Sleep(5 * time.Millisecond)
	list := get("/api/org/sessions?limit=20&offset=0").exactly("", "items").each("items", "session of the org").Equal("has_more", false)
	own, _ := list.Find("items", "role", "org_admin")["ref"].(string)
	theirs, _ := list.Find("items", "owner_name", "Ada")["ref"].(string)
	tokens := t.Get("/api/me/tokens", owner, page...).statusJSON(200).each("", "token").Len("", 1)
	t.Do("DELETE", "/api/me/tokens/"+tokens.Str("0.id"), owner, nil, page...).statusJSON(200).Equal("", J{"ok": true})
	do("DELETE", "/api/org/sessions/"+own, nil).statusJSON(400).exactly("", "error").Code("SELF_LOGOUT")
	do("DELETE", "/api/org/sessions/"+theirs, nil).statusJSON(200).Equal("", J{"deleted": true})
	t.Get("/api/me", owner, page...).statusJSON(401).exactly("", "error").Code("AUTH_REQUIRED")
	do("POST", "/api/org/rotate-secret", nil).statusJSON(200).exactly("", "org secret")
	t.Get("/api/auth/session", oa, page...).statusJSON(401).exactly("", "error").Code("AUTH_REQUIRED") // rotating the secret ends the session that did it
	ws.closes(4002, "Credential rotated")
}

// hxaAdminLists reads the lists of an org as bare arrays and as pages.
func (t *T) hxaAdminLists(get func(path string) *Response, bot *Bot, thread string) {
	get("/api/bots").each("", "bot").Len("", 3)
	more := get("/api/bots?limit=1").exactly("", "page").each("items", "bot").Equal("has_more", true).Str("next_cursor")
	get("/api/bots?limit=10&cursor="+more).exactly("", "page").Len("items", 2).Equal("has_more", false).Lacks("next_cursor")
	get("/api/bots?search=WORK").exactly("", "page").Len("items", 1).Equal("items.0.name", "worker")
	get("/api/bots/worker/profile").exactly("", "bot")
	get("/api/bots/"+bot.ID+"/channels").Len("", 0)
	get("/api/org/threads").each("", "thread and members").Len("", 1)
	get("/api/org/threads?limit=20&offset=0").each("", "thread and members")
	get("/api/org/threads?limit=20&search=release").exactly("", "page").Len("items", 1)
	get("/api/org/threads?status=active&cursor="+escape("9999999999999")).exactly("", "page").Len("items", 1)
	get(othr(thread)).exactly("", "thread and members").each("participants", "participant")
	history := get(othr(thread, "/messages")).each("", "thread message").Equal("0.content", "one").Equal("1.content", "two")
	get(othr(thread, "/messages?before="+history.Str("1.id"))).exactly("", "page of messages").Len("messages", 1).Equal("messages.0.content", "one")
	get(othr(thread, "/artifacts")).each("", "artifact")
	get("/api/audit?limit=200").each("", "audit entry")
	get("/api/audit?action=auth.login").Equal("0.bot_id", nil).Equal("0.target_type", "session").Equal("0.detail.role", "org_admin")
}

// hxaAdminSettings changes the settings, the tickets and the role of a bot.
func (t *T) hxaAdminSettings(get func(path string) *Response, do func(method, path string, body any) *Response, bot *Bot) {
	get("/api/org/settings").exactly("", "settings")
	do("PATCH", "/api/org/settings", J{"message_ttl_days": 30}).statusJSON(200).exactly("", "settings").Equal("message_ttl_days", 30)
	ticket := do("POST", "/api/org/tickets", J{"reusable": true}).statusJSON(200).exactly("", "new ticket").Str("ticket")
	row := get("/api/org/tickets?limit=20").exactly("", "tickets").each("items", "ticket").Find("items", "code", ticket)
	if row["created_by"] != nil {
		t.Errorf("a ticket that a human created has created_by %s, want null", show(row["created_by"]))
	}
	do("DELETE", "/api/org/tickets/"+ticket, nil).statusJSON(200).Equal("", J{"deleted": true})
	do("PATCH", "/api/org/bots/"+bot.ID+"/role", J{"auth_role": "admin"}).statusJSON(200).Equal("", J{"bot_id": bot.ID, "auth_role": "admin"})
	do("PATCH", "/api/org/bots/"+bot.ID+"/role", J{"auth_role": "member"}).statusJSON(200)
}
