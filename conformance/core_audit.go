package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// auditChecks returns the checks of reading the audit log.
func auditChecks() []Check {
	return []Check{
		{[]string{"B2B-AUD-001"}, "the audit log has the entries of its org only, newest first", func(t *T) {
			o, other := t.Org(), t.Org()
			bot := o.Bot("worker")
			t.Sleep(5 * time.Millisecond)
			t.Do("PATCH", "/api/me/profile", bot, J{"bio": "x"}).Status(200)
			r := t.Get("/api/audit", o.Admin).OK()
			for i := range r.List("") {
				r.Shape(fmt.Sprint(i), "id:s org_id:s bot_id:s? action:s target_type:s target_id:s detail:o? created_at:i").Equal(fmt.Sprintf("%d.org_id", i), o.ID)
				if i > 0 && r.Num(fmt.Sprintf("%d.created_at", i)) > r.Num(fmt.Sprintf("%d.created_at", i-1)) {
					t.Errorf("%s: entry %d is newer than the one before", r, i)
				}
			}
			r.Equal("0.action", "bot.profile_update")
			t.Get("/api/audit", o.Human()).OK().Find("", "action", "bot.register")
			t.Get("/api/audit", other.Admin).OK().Absent("", "target_id", bot.ID)
			t.Get("/api/audit", bot).Refused(403, "FORBIDDEN")
		}},
		{[]string{"B2B-AUD-002"}, "the audit log can be filtered and limited", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			for _, bio := range []string{"1", "2", "3"} {
				t.Do("PATCH", "/api/me/profile", bot, J{"bio": bio}).Status(200)
				t.Sleep(5 * time.Millisecond)
			}
			get := func(query string) *Response { return t.Get("/api/audit?"+query, o.Admin) }
			all := get("action=bot.profile_update").OK().Len("", 3)
			get("target_type=bot&target_id="+bot.ID).OK().Len("", 4)
			get("bot_id="+bot.ID+"&action=bot.register").OK().Len("", 1)
			for _, none := range []string{"action=nonsense", "target_type=nonsense", "target_id=nonsense", "bot_id=" + unusedID, "action=bot.profile_update&bot_id=" + o.Admin.ID} {
				get(none).OK().Len("", 0)
			}
			get("limit=2").OK().Len("", 2)
			get("limit=-1").OK().Len("", 1)
			since := fmt.Sprintf("action=bot.profile_update&since=%.0f", all.Num("1.created_at"))
			if got, want := get(since).OK().Pluck("", "id"), []string{all.Str("0.id")}; !slices.Equal(got, want) {
				t.Errorf("since does not return exactly the later entries: %v, want %v", got, want)
			}
			get("action=bot.profile_update&since=0").OK().Len("", 3)
			get("since=nonsense").Refused(400, "VALIDATION_ERROR")
		}},
		{[]string{"B2B-AUD-002"}, "a page of the audit log has 50 entries by default, and at most 200", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker")
			t.Concurrently(4, func(i int) {
				for n := range 51 {
					t.Do("PATCH", "/api/me/profile", bot, J{"bio": fmt.Sprintf("%d of %d", n, i)}).Status(200)
				}
			})
			t.Get("/api/audit", o.Admin).OK().Len("", 50)
			t.Get("/api/audit?limit=0", o.Admin).OK().Len("", 50)
			t.Get("/api/audit?limit=1000", o.Admin).OK().Len("", 200)
		}},
	}
}

// auditActionChecks returns the checks of which actions are audited.
func auditActionChecks() []Check {
	return []Check{
		{[]string{"B2B-AUD-005"}, "the audit log can be read completely in pages", auditPages},
		{[]string{"B2B-AUD-006"}, "a failed login is audited, a login during a lock is not", auditFailedLogins},
		{[]string{"B2B-AUD-003"}, "actions of a bot on itself are audited", auditOfBots},
		{[]string{"B2B-AUD-003"}, "actions of org admins are audited", auditOfAdmins},
		{[]string{"B2B-AUD-010"}, "the ticket id in an audit entry cannot be used to register", func(t *T) {
			o := t.Org()
			o.Ticket(J{"reusable": true})
			named := o.Audit("auth.ticket_created").Str("0.target_id")
			id := t.Get("/api/org/tickets", o.Admin).OK().Str("items.0.id")
			o.Register(J{"ticket": named, "name": "thief"}).Refused(401, "INVALID_TICKET")
			o.Register(J{"ticket": id, "name": "guest"}).Status(200)
			t.Do("DELETE", "/api/org/tickets/"+id, o.Admin, nil).Status(200)
			o.Audit("auth.ticket_revoked").Equal("0.target_id", named)
		}},
		{[]string{"B2B-AUD-003"}, "actions of the super admin on an org, new tickets and rotated secrets are audited", auditOfOrgs},
		{[]string{"B2B-AUD-003"}, "logins and logouts are audited with the ref of their session", auditOfSessions},
	}
}

func auditPages(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	t.Concurrently(4, func(i int) { // several in one millisecond
		for n := range 8 {
			t.Do("PATCH", "/api/me/profile", bot, J{"bio": fmt.Sprintf("%d of %d", n, i)}).Status(200)
		}
	})
	all := t.Get("/api/audit?limit=200&action=bot.profile_update", o.Admin).OK().Len("", 32)
	var ids []string
	for cursor := ""; ; {
		r := t.Get("/api/audit?limit=5&action=bot.profile_update&cursor="+cursor, o.Admin).OK()
		page := r.Pluck("", "id")
		if ids = append(ids, page...); len(page) < 5 || len(ids) > 32 {
			break
		}
		cursor = fmt.Sprintf("%.0f%%7C%s", r.Num("4.created_at"), page[4])
	}
	if want := all.Pluck("", "id"); !slices.Equal(ids, want) {
		t.Errorf("the pages have %v, the log has %v", ids, want)
	}
	for _, bad := range []string{"nonsense", "%7C", ids[0]} {
		t.Get("/api/audit?cursor="+bad, o.Admin).Refused(400, "VALIDATION_ERROR")
	}
	t.Get(fmt.Sprintf("/api/audit?cursor=0%%7C%s", ids[0]), o.Admin).OK().Len("", 0)
}

func auditFailedLogins(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	gone := t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}, "expires_in": 1}).OK().Str("token")
	t.Sleep(5 * time.Millisecond)
	here := newAddress()
	t.Do("POST", "/api/auth/login", nil, J{"type": "bot", "token": gone}, here).Status(401)
	o.wrote(t, "auth.login_failed", bot.ID, "bot", bot.ID, J{"type": "bot", "code": "TOKEN_EXPIRED"})
	wrong := J{"type": "org_admin", "org_id": o.ID, "org_secret": "wrong"}
	t.Do("POST", "/api/auth/login", nil, wrong, here).Status(401)
	if in := o.wrote(t, "auth.login_failed", nil, "org", o.ID, J{"type": "org_admin", "code": "INVALID_CREDENTIALS"}); in["ip"] == nil {
		t.Errorf("auth.login_failed: no ip in %s", show(in))
	}
	if !o.trustsForwarded() {
		return // more failures would lock the logins of this suite
	}
	for range 4 {
		t.Do("POST", "/api/auth/login", nil, wrong, here).Status(401)
	}
	for range 3 {
		t.Do("POST", "/api/auth/login", nil, wrong, here).Status(429)
	}
	o.Audit("auth.login_failed").Len("", 6)
}

func auditOfBots(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	t.Do("PATCH", "/api/me/profile", bot, J{"bio": "x", "tags": nil}).Status(200)
	t.Do("PATCH", "/api/me/name", bot, J{"name": "renamed"}).Status(200)
	token := t.Do("POST", "/api/me/tokens", bot, J{"scopes": []string{"read"}, "label": "l"}).OK().Str("id")
	t.Do("DELETE", "/api/me/tokens/"+token, bot, nil).Status(200)
	t.Do("DELETE", "/api/me", bot, nil).Status(200)
	o.wrote(t, "bot.register", bot.ID, "bot", bot.ID, J{"name": "worker", "reregister": false, "via": "ticket", "auth_role": "member"})
	o.wrote(t, "bot.register", o.Admin.ID, "bot", o.Admin.ID, J{"name": "admin", "reregister": false, "via": "org_secret", "auth_role": "admin"})
	update := o.wrote(t, "bot.profile_update", bot.ID, "bot", bot.ID, nil)
	if fields, ok := update["fields"].([]any); !ok || len(fields) != 2 || !slices.Contains(fields, any("bio")) || !slices.Contains(fields, any("tags")) {
		t.Errorf("bot.profile_update: fields is %s, want bio and tags", show(update["fields"]))
	}
	o.wrote(t, "bot.rename", bot.ID, "bot", bot.ID, J{"old_name": "worker", "new_name": "renamed"})
	o.wrote(t, "bot.token_create", bot.ID, "token", token, J{"scopes": []string{"read"}, "label": "l", "expires_at": nil})
	o.wrote(t, "bot.token_revoke", bot.ID, "token", token, nil)
	o.wrote(t, "bot.delete", bot.ID, "bot", bot.ID, J{"name": "renamed", "self": true})
}

func auditOfAdmins(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	bot.Demote()
	o.wrote(t, "bot.role_change", o.Admin.ID, "bot", bot.ID, J{"auth_role": "member"})
	t.Do("PATCH", "/api/org/bots/"+bot.ID+"/status", o.Admin, J{"status": "rejected", "reason": "r"}).Status(200)
	o.wrote(t, "bot.join_status_changed", o.Admin.ID, "bot", bot.ID, J{"old_status": "active", "new_status": "rejected", "reason": "r"})
	bot.SetStatus("active")
	o.wrote(t, "bot.join_status_changed", o.Admin.ID, "bot", bot.ID, J{"old_status": "rejected", "new_status": "active", "reason": nil})
	o.Settings(J{"threads_per_hour_per_bot": 9})
	o.wrote(t, "settings.update", nil, "org_settings", o.ID, J{"threads_per_hour_per_bot": 9})
	ticket := o.Ticket(J{})
	t.Do("DELETE", "/api/org/tickets/"+ticket, o.Admin, nil).Status(200)
	o.wrote(t, "auth.ticket_revoked", o.Admin.ID, "org_ticket", nil, J{"revoked_by": o.Admin.ID})
	t.Do("DELETE", "/api/bots/"+bot.ID, o.Admin, nil).Status(200)
	o.wrote(t, "bot.delete", bot.ID, "bot", bot.ID, J{"name": "worker", "deleted_by": o.Admin.ID})
	second := o.Bot("second")
	t.Do("DELETE", "/api/bots/"+second.ID, o.Human(), nil).Status(200)
	o.wrote(t, "bot.delete", second.ID, "bot", second.ID, J{"name": "second", "deleted_by": "session"})
	ref := t.Get("/api/org/sessions", o.Admin).OK().Str("items.0.ref")
	t.Do("DELETE", "/api/orgs/"+o.ID+"/tombstones/worker", o.Human(), nil).Status(200)
	o.wrote(t, "bot.tombstone_cleared", nil, "bot", "worker", J{"cleared_by_session": ref, "cleared_by_role": "org_admin"})
}

func auditOfOrgs(t *T) {
	o := t.Org()
	created := o.wrote(t, "org.create", nil, "org", o.ID, nil)
	by, ok := created["created_by"].(string)
	if !ok || !strings.HasPrefix(by, "session:") || len(by) != len("session:")+16 {
		t.Errorf("org.create: created_by is %s, want session: followed by a ref", show(created["created_by"]))
	}
	t.Do("PATCH", "/api/orgs/"+o.ID, t.Super(), J{"name": "renamed"}).Status(200)
	o.wrote(t, "org.update", nil, "org", o.ID, J{"new_name": "renamed", "old_status": "active", "new_status": "active", "old_name": created["name"], "changed_by": by})
	t.Do("PATCH", "/api/orgs/"+o.ID, t.Super(), J{"name": "renamed"}).Status(200)
	o.Audit("org.update").Len("", 1)
	o.Ticket(J{"reusable": true})
	o.wrote(t, "auth.ticket_created", o.Admin.ID, "org_ticket", nil, J{"reusable": true, "skip_approval": false, "created_by": "bot:" + o.Admin.ID})
	t.Do("POST", "/api/orgs/"+o.ID+"/rotate-secret", t.Super(), nil).Status(200)
	o.wrote(t, "auth.secret_rotated", nil, "org", o.ID, J{"changed_by": by})
	t.Do("POST", "/api/org/rotate-secret", o.Admin, nil).Status(200)
	o.wrote(t, "auth.secret_rotated", o.Admin.ID, "org", o.ID, J{"changed_by": "bot:" + o.Admin.ID})

	code := t.Do("POST", "/api/platform/invite-codes", t.Super(), J{}).Status(201)
	made := t.Do("POST", "/api/platform/orgs", nil, J{"invite_code": code.Str("code"), "name": "invited"}).Status(201)
	human := t.Login(J{"type": "org_admin", "org_id": made.Str("org_id"), "org_secret": made.Str("org_secret")})
	t.Get("/api/audit?action=org.create", human).OK().Len("", 1).Equal("0.detail.name", "invited").Equal("0.detail.created_by", "invite_code:"+code.Str("id"))
	t.Do("DELETE", "/api/orgs/"+made.Str("org_id"), t.Super(), nil).Status(204)
}

func auditOfSessions(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	owner := bot.Login()
	ofBot := t.Get("/api/org/sessions", o.Admin).OK().Str("items.0.ref")
	t.Sleep(5 * time.Millisecond)
	human := t.Login(J{"type": "org_admin", "org_id": o.ID, "org_secret": o.Secret}, Header("User-Agent", "conformance/1"))
	ofHuman := t.Get("/api/org/sessions", o.Admin).OK().Str("items.0.ref")
	o.wrote(t, "auth.login", bot.ID, "session", ofBot, J{"role": "bot_owner"})
	if in := o.wrote(t, "auth.login", nil, "session", ofHuman, J{"role": "org_admin", "user_agent": "conformance/1"}); in["ip"] == nil {
		t.Errorf("auth.login: no ip in %s", show(in))
	}
	t.Do("POST", "/api/auth/logout", owner, nil).Status(200)
	o.wrote(t, "auth.logout", bot.ID, "session", ofBot, J{"role": "bot_owner"})
	t.Do("DELETE", "/api/org/sessions/"+ofHuman, o.Admin, nil).Status(200)
	o.wrote(t, "auth.session_force_logout", o.Admin.ID, "session", ofHuman, J{"target_role": "org_admin", "target_bot_id": nil, "revoked_by": o.Admin.ID})
	t.Get("/api/auth/session", human).Refused(401, "AUTH_REQUIRED")
}

// wrote asserts that there is an audit entry of the action with this bot, this target and at least
// this detail, and returns its detail. A nil targetID matches any.
func (o *Org) wrote(t *T, action string, bot any, targetType string, targetID any, detail J) map[string]any {
	r := o.Audit(action)
next:
	for _, e := range r.List("") {
		entry, ok := e.(map[string]any)
		if !ok || entry["bot_id"] != bot || entry["target_type"] != targetType || (targetID != nil && entry["target_id"] != targetID) {
			continue
		}
		got, ok := entry["detail"].(map[string]any)
		if !ok && detail != nil {
			continue
		}
		for k, v := range detail {
			if have, there := got[k]; !there || show(have) != show(normal(v)) {
				continue next
			}
		}
		return got
	}
	t.Errorf("%s: no %s with bot_id %v, target %s %v, detail %s", r, action, bot, targetType, targetID, show(detail))
	return nil
}
