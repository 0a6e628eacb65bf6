package conformance

// route is a request with its body.
type route struct {
	method, path string
	body         any
}

// superRoutes returns the routes of the super admin, with unknown ids and invalid bodies.
func superRoutes() []route {
	return []route{
		{"POST", "/api/orgs", J{}},
		{"GET", "/api/orgs", nil},
		{"PATCH", "/api/orgs/" + unusedID, J{"status": "no"}},
		{"DELETE", "/api/orgs/" + unusedID, nil},
		{"POST", "/api/orgs/" + unusedID + "/rotate-secret", nil},
		{"POST", "/api/platform/invite-codes", J{"max_uses": "x"}},
		{"GET", "/api/platform/invite-codes", nil},
		{"DELETE", "/api/platform/invite-codes/" + unusedID, nil},
	}
}

// adminRoutes returns the routes of org admins, with valid bodies. Routes that would change what
// other checks need have unknown ids.
func adminRoutes() []route {
	return []route{
		{"GET", "/api/org/settings", nil},
		{"PATCH", "/api/org/settings", J{"threads_per_hour_per_bot": 31}},
		{"POST", "/api/org/tickets", J{}},
		{"GET", "/api/org/tickets", nil},
		{"DELETE", "/api/org/tickets/" + unusedID, nil},
		{"GET", "/api/org/sessions", nil},
		{"DELETE", "/api/org/sessions/0123456789abcdef", nil},
		{"PATCH", "/api/org/bots/" + unusedID + "/role", J{"auth_role": "member"}},
		{"PATCH", "/api/org/bots/" + unusedID + "/status", J{"status": "active"}},
		{"DELETE", "/api/bots/" + unusedID, nil},
		{"GET", "/api/audit", nil},
	}
}

// accessChecks returns the checks of which callers may make which calls.
func accessChecks() []Check {
	return []Check{
		{[]string{"B2B-AUTH-040"}, "super-admin routes return 401 for other callers, before any other error", func(t *T) {
			o := t.Org()
			for _, c := range []Caller{nil, o.Admin, o.Admin.Login(), o.Human(), Token("bot_unknown"), Token(t.AdminSecret())} {
				for _, r := range superRoutes() {
					t.Do(r.method, r.path, c, r.body).Refused(401, "AUTH_REQUIRED")
				}
			}
			t.Do("POST", "/api/orgs", t.Super(), J{}).Refused(400, "VALIDATION_ERROR")
			t.Do("DELETE", "/api/orgs/"+unusedID, t.Super(), nil).Refused(404, "NOT_FOUND")
		}},
		{[]string{"B2B-AUTH-041"}, "bot routes accept bots and owner sessions only", botRoutes},
		{[]string{"B2B-AUTH-042", "B2B-AUTH-047"}, "org-admin routes reject members, and a new role applies at once", adminRouteCallers},
		{[]string{"B2B-AUTH-063"}, "org-admin routes require the scope admin", adminScopeRoutes},
		{[]string{"B2B-AUTH-044"}, "calls that need an org reject a super admin", func(t *T) {
			o := t.Org()
			for _, r := range append(adminRoutes(), route{"POST", "/api/org/rotate-secret", nil}) {
				t.Do(r.method, r.path, t.Super(), r.body).Refused(400, "ORG_CONTEXT_REQUIRED")
			}
			for _, path := range []string{
				"/api/org", "/api/bots", "/api/bots/" + o.Admin.ID, "/api/bots/admin/profile", "/api/bots/admin/webhook/health", "/api/bots/admin/channels",
			} {
				t.Get(path, t.Super()).Refused(403, "FORBIDDEN")
				t.Get(path, o.Human()).Status(200)
			}
		}},
		{[]string{"B2B-AUTH-046"}, "objects of another org are not found", otherOrgObjects},
	}
}

func botRoutes(t *T) {
	o := t.Org()
	for _, r := range []route{
		{"GET", "/api/me", nil}, {"DELETE", "/api/me", nil}, {"PATCH", "/api/me/profile", J{"bio": "x"}}, {"PATCH", "/api/me/name", J{"name": "x"}},
		{"GET", "/api/me/tokens", nil}, {"POST", "/api/me/tokens", J{"scopes": []string{"read"}}}, {"DELETE", "/api/me/tokens/" + unusedID, nil},
		{"GET", "/api/me/workspace", nil}, {"GET", "/api/peers", nil},
	} {
		t.Do(r.method, r.path, nil, r.body).Refused(401, "AUTH_REQUIRED")
		t.Do(r.method, r.path, o.Human(), r.body).Refused(403, "FORBIDDEN")
		t.Do(r.method, r.path, t.Super(), r.body).Refused(403, "FORBIDDEN")
	}
	t.Get("/api/me", o.Admin).Status(200)
	t.Get("/api/peers", o.Admin.Login()).Status(200)
}

func adminRouteCallers(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	owner := bot.Login()
	for _, r := range append(adminRoutes(), route{"POST", "/api/org/rotate-secret", nil}) {
		t.Do(r.method, r.path, nil, r.body).Refused(401, "AUTH_REQUIRED")
		t.Do(r.method, r.path, bot, r.body).Refused(403, "FORBIDDEN")
		t.Do(r.method, r.path, owner, r.body).Refused(403, "FORBIDDEN")
	}
	bot.Promote()
	for _, r := range adminRoutes() {
		for _, c := range []Caller{o.Admin, o.Human(), bot, owner} {
			if got := t.Do(r.method, r.path, c, r.body); got.StatusCode() != 200 && got.StatusCode() != 404 {
				t.Errorf("%s: want success or 404 for an admin", got)
			}
		}
	}
	bot.Demote()
	t.Get("/api/org/settings", bot).Refused(403, "FORBIDDEN")
}

func adminScopeRoutes(t *T) {
	o := t.Org()
	less := o.Admin.Scoped("read", "thread", "message", "profile")
	admin := o.Admin.Scoped("admin")
	pass := []Caller{admin, o.Admin.Scoped("full"), t.Login(J{"type": "bot", "token": string(admin)}), o.Admin, o.Admin.Login()}
	refused := []Caller{less, t.Login(J{"type": "bot", "token": string(less)})}
	bot := o.Bot("worker")
	members := []Caller{bot.Scoped("full"), bot.Scoped("admin"), bot.Scoped("read")}
	for _, r := range append(adminRoutes(),
		route{"GET", "/api/org/threads", nil}, route{"GET", "/api/org/threads/" + unusedID, nil}, route{"GET", "/api/org/search?q=x", nil},
		route{"GET", "/api/org/webhooks/dead-letters", nil}, route{"POST", "/api/org/webhooks/redeliver", J{"bot": unusedID}},
	) {
		for _, c := range pass {
			if got := t.Do(r.method, r.path, c, r.body); got.StatusCode() != 200 && got.StatusCode() != 404 {
				t.Errorf("%s: want success or 404 for an admin with the scope", got)
			}
		}
		for _, c := range refused {
			t.Do(r.method, r.path, c, r.body).Refused(403, "INSUFFICIENT_SCOPE")
		}
		for _, c := range members {
			t.Do(r.method, r.path, c, r.body).Refused(403, "FORBIDDEN")
		}
	}
	t.Do("POST", "/api/org/rotate-secret", refused[0], nil).Refused(403, "INSUFFICIENT_SCOPE")
	t.Do("POST", "/api/org/rotate-secret", refused[1], nil).Refused(403, "INSUFFICIENT_SCOPE")
	for _, path := range []string{"/api/me", "/api/bots", "/api/threads", "/api/inbox?since=0", "/api/me/tokens"} {
		t.Get(path, admin).Refused(403, "INSUFFICIENT_SCOPE")
	}
	t.Do("POST", "/api/org/rotate-secret", admin, nil).OK()
}

func otherOrgObjects(t *T) {
	mine, theirs := t.Org(), t.Org()
	bot := theirs.Bot("worker")
	ticket := theirs.Ticket(J{"reusable": true})
	tid := t.Get("/api/org/tickets", theirs.Admin).OK().Find("items", "code", ticket)["id"].(string)
	theirs.Human()
	ref := t.Get("/api/org/sessions", theirs.Admin).OK().Str("items.0.ref")
	token := t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}}).OK().Str("id")
	for _, r := range []route{
		{"GET", "/api/bots/" + bot.ID, nil}, {"GET", "/api/bots/worker/profile", nil}, {"GET", "/api/bots/worker/webhook/health", nil},
		{"GET", "/api/bots/" + bot.ID + "/channels", nil}, {"DELETE", "/api/bots/" + bot.ID, nil},
		{"PATCH", "/api/org/bots/" + bot.ID + "/role", J{"auth_role": "admin"}}, {"PATCH", "/api/org/bots/" + bot.ID + "/status", J{"status": "rejected"}},
		{"DELETE", "/api/org/tickets/" + ticket, nil}, {"DELETE", "/api/org/tickets/" + tid, nil}, {"DELETE", "/api/org/sessions/" + ref, nil},
	} {
		t.Do(r.method, r.path, mine.Admin, r.body).Refused(404, "NOT_FOUND")
		t.Do(r.method, r.path, mine.Human(), r.body).Refused(404, "NOT_FOUND")
	}
	t.Do("DELETE", "/api/me/tokens/"+token, mine.Admin, nil).Refused(404, "NOT_FOUND")
	t.Get("/api/me", bot).Status(200).Equal("auth_role", "member").Equal("join_status", "active")
	theirs.Register(J{"ticket": ticket, "name": "second"}).Status(200)
	t.Get("/api/bots", mine.Admin).OK().Absent("", "id", bot.ID)
	t.Get("/api/auth/session", theirs.Human()).Status(200)
}

// scopeChecks returns the checks of token scopes.
func scopeChecks() []Check {
	read := []string{"full", "read"}
	profile := []string{"full", "profile"}
	full := []string{"full"}
	return []Check{
		{[]string{"B2B-AUTH-045"}, "a token can make exactly the calls of its scopes", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			allowed := map[string]bool{}
			for _, scope := range []string{"full", "read", "thread", "message", "profile", "admin"} {
				token := bot.Scoped(scope)
				for _, r := range []struct {
					route
					by []string
				}{
					{route{"GET", "/api/me", nil}, read}, {route{"GET", "/api/me/workspace", nil}, read}, {route{"GET", "/api/peers", nil}, read},
					{route{"GET", "/api/bots", nil}, read}, {route{"GET", "/api/bots/" + bot.ID, nil}, read}, {route{"GET", "/api/bots/worker/profile", nil}, read},
					{route{"GET", "/api/bots/worker/webhook/health", nil}, read}, {route{"GET", "/api/bots/worker/channels", nil}, read},
					{route{"PATCH", "/api/me/profile", J{}}, profile}, {route{"PATCH", "/api/me/name", J{}}, profile},
					{route{"GET", "/api/me/tokens", nil}, full}, {route{"POST", "/api/me/tokens", J{}}, full}, {route{"DELETE", "/api/me/tokens/" + unusedID, nil}, full},
				} {
					clear(allowed)
					for _, s := range r.by {
						allowed[s] = true
					}
					got := t.Do(r.method, r.path, token, r.body)
					switch {
					case !allowed[scope]:
						got.Refused(403, "INSUFFICIENT_SCOPE")
					case r.method == "GET":
						got.Status(200)
					case r.method == "DELETE":
						got.Refused(404, "NOT_FOUND")
					default:
						got.Refused(400, "VALIDATION_ERROR")
					}
				}
				if scope != "full" {
					t.Do("DELETE", "/api/me", token, nil).Refused(403, "INSUFFICIENT_SCOPE")
				}
				t.Get("/api/org", token).Status(200)
			}
			t.Get("/api/me", bot.Scoped("message", "read")).Status(200)
			for _, path := range []string{"/api/bots", "/api/bots/" + bot.ID, "/api/bots/worker/profile", "/api/bots/worker/webhook/health", "/api/bots/worker/channels"} {
				t.Get(path, o.Human()).Status(200)
			}
			t.Do("DELETE", "/api/me", bot.Scoped("full"), nil).Status(200)
		}},
	}
}
