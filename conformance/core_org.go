package conformance

import (
	"slices"
	"strings"
)

// orgChecks returns the checks of orgs.
func orgChecks() []Check {
	return []Check{
		{[]string{"B2B-ORG-001"}, "the response for a new org has its secret", orgCreation},
		{[]string{"B2B-ORG-002"}, "an org needs a name", func(t *T) {
			for _, body := range []any{J{}, J{"name": ""}, J{"name": nil}, J{"name": J{}}, J{"name": []string{"x"}}, J{"name": false}, Raw(`[]`), nil} {
				t.Do("POST", "/api/orgs", t.Super(), body).Refused(400, "VALIDATION_ERROR")
			}
			t.newOrg(J{"name": "x"})
		}},
		{[]string{"B2B-ORG-003"}, "the list of orgs has all orgs, oldest first", orgList},
		{[]string{"B2B-ORG-004"}, "an org can be renamed, suspended and activated", orgStates},
		{[]string{"B2B-ORG-005"}, "suspending an org deletes its unused tickets", suspendedOrgTickets},
		{[]string{"B2B-ORG-006"}, "a destroyed org is not found", func(t *T) {
			o, kept := t.Org(), t.Org()
			ticket := o.Ticket(J{})
			t.Do("DELETE", "/api/orgs/"+o.ID, t.Super(), nil).Status(204).Empty()
			t.Do("DELETE", "/api/orgs/"+o.ID, t.Super(), nil).Refused(404, "NOT_FOUND")
			t.Do("PATCH", "/api/orgs/"+o.ID, t.Super(), J{}).Refused(404, "NOT_FOUND")
			t.Get("/api/orgs", t.Super()).OK().Absent("", "id", o.ID).Find("", "id", kept.ID)
			o.Register(J{"org_secret": o.Secret, "name": "x"}).Refused(401, "INVALID_CREDENTIALS")
			o.Register(J{"ticket": ticket, "name": "x"}).Refused(401, "INVALID_TICKET")
			t.Get("/api/me", kept.Admin).Status(200)
		}},
		{[]string{"B2B-ORG-007"}, "the super admin can rotate the secret of an org", func(t *T) {
			o := t.Org()
			t.rotated(o, "/api/orgs/"+o.ID+"/rotate-secret", t.Super())
			o.SetStatus("suspended")
			t.Do("POST", "/api/orgs/"+o.ID+"/rotate-secret", t.Super(), nil).Status(200).Shape("", "org_secret:s")
			t.Do("POST", "/api/orgs/"+unusedID+"/rotate-secret", t.Super(), nil).Refused(404, "NOT_FOUND")
		}},
		{[]string{"B2B-ORG-042"}, "org admins can rotate the secret of their org", func(t *T) {
			o := t.Org()
			t.rotated(o, "/api/org/rotate-secret", o.Admin)
			human := o.Login()
			o.Secret = t.Do("POST", "/api/org/rotate-secret", human, nil).OK().Str("org_secret")
			t.Get("/api/auth/session", human).Refused(401, "AUTH_REQUIRED")
			o.Login()
		}},
		{[]string{"B2B-ORG-008"}, "an org cannot be read by id", func(t *T) {
			o := t.BareOrg()
			t.Get("/api/orgs/"+o.ID, t.Super()).Refused(404, "NOT_FOUND")
			t.Do("PATCH", "/api/orgs/"+o.ID, t.Super(), J{}).Status(200)
		}},
		{[]string{"B2B-ORG-020"}, "all bots and sessions of an org can read it", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			for _, c := range []Caller{o.Admin, bot, bot.Scoped("message"), bot.Login(), o.Human()} {
				t.Get("/api/org", c).Status(200).Equal("id", o.ID).Equal("name", o.Name).Equal("status", "active").Lacks("org_secret")
			}
			t.Get("/api/org", nil).Refused(401, "AUTH_REQUIRED")
		}},
		{[]string{"B2B-ORG-050"}, "org admins can change the role of a bot", botRoles},
	}
}

func orgCreation(t *T) {
	for _, c := range []struct {
		body J
		name string
	}{
		{J{"name": "orchard"}, "orchard"}, {J{"name": "orchard"}, "orchard"}, {J{"name": "  padded "}, "  padded "},
		{J{"name": "果樹園 🍎"}, "果樹園 🍎"}, {J{"name": strings.Repeat("n", 128)}, strings.Repeat("n", 128)},
	} {
		r := t.newOrg(c.body).Equal("name", c.name).Equal("status", "active").
			Shape("", "id:s org_secret:s persist_messages:b created_at:i")
		if s := r.Str("org_secret"); len(s) != 48 || strings.Trim(s, "0123456789abcdef") != "" {
			t.Errorf("%s: org_secret does not have 48 lower-case hex digits", r)
		}
	}
	t.newOrg(J{"name": "x", "persist_messages": false}).Equal("persist_messages", false)
	t.newOrg(J{"name": "x", "persist_messages": true}).Equal("persist_messages", true)
}

func orgList(t *T) {
	first, second := t.Org(), t.BareOrg()
	first.PendingBot("newbie")
	second.SetStatus("suspended")
	r := t.Get("/api/orgs", t.Super()).OK()
	for _, want := range []J{
		{"id": first.ID, "name": first.Name, "status": "active", "join_approval_required": 1, "bot_count": 2},
		{"id": second.ID, "name": second.Name, "status": "suspended", "join_approval_required": 0, "bot_count": 0},
	} {
		got := r.Find("", "id", want["id"])
		t.Shape("an org of the list", got, "persist_messages:b created_at:i join_approval_required:i bot_count:i !org_secret !org_secret_hash")
		for k, v := range want {
			if show(got[k]) != show(v) {
				t.Errorf("an org of the list: %s is %s, want %s", k, show(got[k]), show(v))
			}
		}
	}
	ids := r.Pluck("", "id")
	if slices.Index(ids, first.ID) > slices.Index(ids, second.ID) {
		t.Errorf("the list of orgs is not oldest first")
	}
}

func orgStates(t *T) {
	o := t.Org()
	path := "/api/orgs/" + o.ID
	patch := func(body any) *Response { return t.Do("PATCH", path, t.Super(), body) }
	is := func(r *Response, name, status string) {
		r.Status(200).Equal("id", o.ID).Equal("name", name).Equal("status", status)
	}
	is(patch(J{}), o.Name, "active")
	is(patch(nil), o.Name, "active")
	is(patch(J{"name": "renamed"}), "renamed", "active")
	is(patch(J{"status": "suspended"}), "renamed", "suspended")
	is(patch(J{"status": "active", "name": "both"}), "both", "active")
	for _, body := range []J{
		{"status": "destroyed"}, {"status": nil}, {"status": ""}, {"status": 1}, {"status": "SUSPENDED"}, {"name": ""}, {"name": nil}, {"name": 5}, {"name": J{}},
		{"status": "suspended", "name": ""}, {"status": "no", "name": "fine"},
	} {
		patch(body).Refused(400, "VALIDATION_ERROR")
	}
	is(patch(J{}), "both", "active")
	t.Do("PATCH", "/api/orgs/"+unusedID, t.Super(), J{"name": ""}).Refused(404, "NOT_FOUND")
	t.Do("PATCH", "/api/orgs/"+unusedID, t.Super(), J{}).Refused(404, "NOT_FOUND")
}

func suspendedOrgTickets(t *T) {
	o := t.Org()
	used, fresh, reusable := o.Ticket(J{}), o.Ticket(J{}), o.Ticket(J{"reusable": true, "expires_in": 0})
	o.Register(J{"ticket": used, "name": "first"}).Status(200)
	o.SetStatus("active")
	t.Get("/api/org/tickets", o.Admin).Status(200).Len("items", 2)
	o.SetStatus("suspended")
	o.Register(J{"org_secret": o.Secret, "name": "second"}).Refused(403, "ORG_SUSPENDED")
	o.Register(J{"ticket": fresh, "name": "second"}).Refused(401, "INVALID_TICKET")
	o.SetStatus("active")
	t.Get("/api/org/tickets", o.Admin).Status(200).Len("items", 0)
	o.Register(J{"ticket": fresh, "name": "second"}).Refused(401, "INVALID_TICKET")
	o.Register(J{"ticket": reusable, "name": "second"}).Refused(401, "INVALID_TICKET")
	o.Register(J{"ticket": used, "name": "second"}).Refused(401, "TICKET_CONSUMED")
	o.Register(J{"org_secret": o.Secret, "name": "second"}).Status(200)
}

func botRoles(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	role := func(c Caller, id string, body any) *Response {
		return t.Do("PATCH", "/api/org/bots/"+id+"/role", c, body)
	}
	role(o.Admin, bot.ID, J{"auth_role": "admin"}).Status(200).Equal("bot_id", bot.ID).Equal("auth_role", "admin")
	t.Get("/api/me", bot).Status(200).Equal("auth_role", "admin")
	role(o.Admin, bot.ID, J{"auth_role": "admin"}).Status(200)
	role(bot, bot.ID, J{"auth_role": "admin"}).Status(200)
	role(bot, bot.ID, J{"auth_role": "member"}).Refused(400, "SELF_DEMOTION")
	role(bot.Login(), bot.ID, J{"auth_role": "member"}).Refused(400, "SELF_DEMOTION")
	for _, body := range []any{J{}, J{"auth_role": "owner"}, J{"auth_role": nil}, J{"auth_role": 1}, J{"auth_role": "Admin"}, nil} {
		role(o.Admin, bot.ID, body).Refused(400, "VALIDATION_ERROR")
		role(o.Admin, unusedID, body).Refused(400, "VALIDATION_ERROR")
	}
	role(o.Admin, unusedID, J{"auth_role": "member"}).Refused(404, "NOT_FOUND")
	role(o.Admin, "worker", J{"auth_role": "member"}).Refused(404, "NOT_FOUND")
	role(o.Human(), bot.ID, J{"auth_role": "member"}).Status(200).Equal("auth_role", "member")
	role(o.Human(), o.Admin.ID, J{"auth_role": "member"}).Status(200)
	t.Get("/api/me", o.Admin).Status(200).Equal("auth_role", "member")
}

// newOrg creates an org with the body and destroys it after the check.
func (t *T) newOrg(body J) *Response {
	r := t.Do("POST", "/api/orgs", t.Super(), body).OK()
	t.adopt(r.Str("id"), "", r.Str("org_secret"))
	return r
}

// rotated rotates the secret of o and asserts which credentials become invalid.
func (t *T) rotated(o *Org, path string, by Caller) {
	old, fresh, used := o.Secret, o.Ticket(J{"reusable": true}), o.Ticket(J{})
	o.Register(J{"ticket": used, "name": "first"}).Status(200)
	human, owner, scoped := o.Login(), o.Admin.Login(), o.Admin.Scoped("read")
	r := t.Do("POST", path, by, nil).OK()
	o.Secret = r.Str("org_secret")
	if len(o.Secret) != 48 || o.Secret == old {
		t.Errorf("%s: want a new secret of 48 hex digits", r)
	}
	t.Get("/api/auth/session", human).Refused(401, "AUTH_REQUIRED")
	t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": o.ID, "org_secret": old}, newAddress()).Refused(401, "INVALID_CREDENTIALS")
	o.Register(J{"org_secret": old, "name": "second"}).Refused(401, "INVALID_CREDENTIALS")
	o.Register(J{"ticket": fresh, "name": "second"}).Refused(401, "INVALID_TICKET")
	o.Register(J{"ticket": used, "name": "second"}).Refused(401, "TICKET_CONSUMED")
	for _, c := range []Caller{o.Admin, owner, scoped} {
		t.Get("/api/me", c).Status(200)
	}
	o.Register(J{"org_secret": o.Secret, "name": "second"}).Status(200).Equal("auth_role", "admin")
	o.Login()
}
