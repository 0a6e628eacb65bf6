package conformance

import (
	"bytes"
	"sync"
)

// idempotencyChecks returns the checks of request_id.
func idempotencyChecks() []Check {
	return []Check{
		{[]string{"B2B-IDEM-001"}, "a repeated request has the same response and takes effect once", repeatedRequests},
		{[]string{"B2B-IDEM-002"}, "a request_id cannot be used with other content", func(t *T) {
			o := t.Org()
			t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": "r"}).Status(200)
			t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": "r", "reusable": true}).Refused(409, "IDEMPOTENCY_KEY_REUSED")
			t.Do("PATCH", "/api/me/profile", o.Admin, J{"request_id": "r", "bio": "x"}).Refused(409, "IDEMPOTENCY_KEY_REUSED")
			t.Get("/api/org/tickets", o.Admin).OK().Len("items", 1)
			t.Get("/api/me", o.Admin).OK().Equal("bio", nil)
			t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": "s", "reusable": true}).Status(200).Equal("reusable", true)
		}},
		{[]string{"B2B-IDEM-003"}, "request_ids of different callers are independent of each other", func(t *T) {
			o := t.Org()
			a, b := o.Bot("a"), o.Bot("b")
			for c, bio := range map[*Bot]string{a: "of a", b: "of b", o.Admin: "of admin"} {
				t.Do("PATCH", "/api/me/profile", c, J{"request_id": "same", "bio": bio}).Status(200).Equal("bio", bio).Equal("id", c.ID)
			}
			t.Do("PATCH", "/api/me/profile", a, J{"request_id": "same", "bio": "of a"}).Status(200).Equal("id", a.ID)
		}},
		{[]string{"B2B-IDEM-004"}, "the request_id of a failed request can be used again", func(t *T) {
			o := t.Org()
			o.Bot("taken")
			bot := o.Bot("worker")
			t.Do("PATCH", "/api/me/name", bot, J{"request_id": "r", "name": "not valid"}).Refused(400, "VALIDATION_ERROR")
			t.Do("PATCH", "/api/me/name", bot, J{"request_id": "r", "name": "taken"}).Refused(409, "NAME_CONFLICT")
			t.Do("PATCH", "/api/me/name", bot, J{"request_id": "r", "name": "free"}).Status(200).Equal("name", "free")
			t.Do("PATCH", "/api/me/name", bot, J{"request_id": "r", "name": "taken"}).Refused(409, "IDEMPOTENCY_KEY_REUSED")
		}},
		{[]string{"B2B-IDEM-005"}, "concurrent equal requests take effect once", concurrentRepeats},
		{[]string{"B2B-IDEM-006"}, "a request_id must be a string", func(t *T) {
			o := t.Org()
			for _, id := range []any{5, true, J{}, []string{"r"}} {
				t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": id}).Refused(400, "VALIDATION_ERROR")
			}
			t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": "0190b2b0-0000-7000-8000-000000000000"}).Status(200)
			t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": nil}).Status(200)
		}},
	}
}

func repeatedRequests(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	gone := o.Bot("gone")
	for i, c := range []struct {
		by     Caller
		route  route
		status int
	}{
		{o.Admin, route{"POST", "/api/org/tickets", J{"reusable": true, "request_id": "r"}}, 200},
		{o.Human(), route{"POST", "/api/org/tickets", J{"request_id": "r"}}, 200},
		{bot, route{"PATCH", "/api/me/name", J{"name": "renamed", "request_id": "rename"}}, 200},
		{bot, route{"PATCH", "/api/me/profile", J{"bio": "x", "request_id": "profile"}}, 200},
		{bot, route{"POST", "/api/me/tokens", J{"scopes": []string{"read"}, "request_id": "token"}}, 200},
		{o.Admin, route{"PATCH", "/api/org/settings", J{"threads_per_hour_per_bot": 8, "request_id": "settings"}}, 200},
		{o.Admin, route{"PATCH", "/api/org/bots/" + bot.ID + "/role", J{"auth_role": "admin", "request_id": "role"}}, 200},
		{o.Admin, route{"PATCH", "/api/org/bots/" + bot.ID + "/status", J{"status": "rejected", "request_id": "status"}}, 200},
		{o.Admin, route{"DELETE", "/api/bots/" + gone.ID, J{"request_id": "delete"}}, 200},
		{t.Super(), route{"POST", "/api/orgs", J{"name": "twice", "request_id": "org-" + o.ID}}, 200},
		{t.Super(), route{"POST", "/api/platform/invite-codes", J{"request_id": "invite-" + o.ID}}, 201},
	} {
		first := t.Do(c.route.method, c.route.path, c.by, c.route.body).Status(c.status)
		switch i {
		case 9:
			t.adopt(first.Str("id"), "", first.Str("org_secret"))
		case 10:
			t.Cleanup(func() { t.Do("DELETE", "/api/platform/invite-codes/"+first.Str("id"), t.Super(), nil) })
		}
		again := t.Do(c.route.method, c.route.path, c.by, c.route.body).Status(c.status)
		if show(first.JSON) != show(again.JSON) {
			t.Errorf("%s: the repeated request has the response %s", first, again)
		}
	}
	t.Get("/api/org/tickets", o.Admin).OK().Len("items", 3)
	o.Audit("bot.profile_update").Len("", 1)
	o.Audit("bot.role_change").Len("", 1)
	o.Audit("bot.token_create").Len("", 1)
	t.Do("POST", "/api/org/tickets", o.Admin, J{"reusable": true}).Status(200)
	t.Get("/api/org/tickets", o.Admin).OK().Len("items", 4)
}

func concurrentRepeats(t *T) {
	o := t.Org()
	var mu sync.Mutex
	var bodies [][]byte
	t.Concurrently(8, func(int) {
		r := t.Do("POST", "/api/org/tickets", o.Admin, J{"request_id": "rush", "reusable": true}).Status(200)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, r.Body)
	})
	for _, a := range bodies {
		if !bytes.Equal(a, bodies[0]) {
			t.Errorf("equal requests have the responses %s and %s", bodies[0], a)
		}
	}
	t.Get("/api/org/tickets", o.Admin).OK().Len("items", 1)
}

// errorChecks returns the checks of the format of errors.
func errorChecks() []Check {
	return []Check{
		{[]string{"B2B-ERR-001"}, "errors are JSON with a text and a code", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			for _, c := range []struct {
				route
				by     Caller
				status int
				code   string
			}{
				{route{"GET", "/api/me", nil}, nil, 401, "AUTH_REQUIRED"},
				{route{"GET", "/api/me", nil}, Token("x"), 401, "INVALID_TOKEN"},
				{route{"GET", "/api/me", nil}, o.Human(), 403, "FORBIDDEN"},
				{route{"GET", "/api/me", nil}, bot.Scoped("profile"), 403, "INSUFFICIENT_SCOPE"},
				{route{"GET", "/api/bots/" + unusedID, nil}, bot, 404, "NOT_FOUND"},
				{route{"GET", "/api/nope", nil}, bot, 404, "NOT_FOUND"},
				{route{"GET", "/api/org/settings", nil}, t.Super(), 400, "ORG_CONTEXT_REQUIRED"},
				{route{"PATCH", "/api/me/name", J{"name": "all"}}, bot, 400, "RESERVED_NAME"},
				{route{"PATCH", "/api/me/name", J{"name": "admin"}}, bot, 409, "NAME_CONFLICT"},
				{route{"PATCH", "/api/me/profile", J{"bio": 1}}, bot, 400, "VALIDATION_ERROR"},
				{route{"PATCH", "/api/me/profile", Raw(`{`)}, bot, 400, "VALIDATION_ERROR"},
			} {
				r := t.Do(c.method, c.path, c.by, c.body).Refused(c.status, c.code).Lacks("stack")
				if ct := r.Header.Get("Content-Type"); len(ct) < 16 || ct[:16] != "application/json" {
					t.Errorf("%s: Content-Type %q", r, ct)
				}
			}
		}},
	}
}
