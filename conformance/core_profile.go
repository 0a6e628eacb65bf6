package conformance

import "strings"

// profileChecks returns the checks of the profile and the name of a bot.
func profileChecks() []Check {
	return []Check{
		{[]string{"B2B-BOT-010"}, "a PATCH of the profile changes only its fields", func(t *T) {
			o := t.Org()
			bot := o.Bot("worker", J{"metadata": J{"k": 1}})
			patch := func(body any) *Response { return t.Do("PATCH", "/api/me/profile", bot, body) }
			want := fullProfile()
			t.has(patch(want).OK().Shape("", botShape), want)
			for field := range fullProfile() {
				want[field] = nil
				if field == "version" {
					want[field] = "1.0.0"
				}
				t.has(patch(J{field: nil}).OK(), want)
			}
			t.has(patch(J{"tags": []string{}, "protocols": []any{}, "bio": "", "role": "x"}).OK(), J{"tags": []string{}, "protocols": []any{}, "bio": "", "role": "x", "team": nil})
			t.has(patch(J{"role": "y", "name": "other", "metadata": 1, "auth_role": "admin", "webhook_url": "https://8.8.8.8/"}).OK(),
				J{"role": "y", "name": "worker", "metadata": J{"k": 1}, "auth_role": "member"})
			for _, body := range []any{J{}, J{"name": "x"}, J{"metadata": 1}, J{"unknown": 1}, nil} {
				patch(body).Refused(400, "VALIDATION_ERROR")
			}
			for _, body := range wrongProfiles() {
				if _, same := body["team"]; !same {
					body["team"] = "never"
				}
				patch(body).Refused(400, "VALIDATION_ERROR")
			}
			patch(J{"team": "never", "bio": strings.Repeat("x", 1025)}).Refused(400, "VALIDATION_ERROR")
			t.Get("/api/me", bot).OK().Equal("team", nil).Equal("bio", "").Equal("role", "y")
			t.Do("PATCH", "/api/me/profile", bot.Login(), J{"bio": "by session"}).Status(200).Equal("bio", "by session")
		}},
		{[]string{"B2B-BOT-011", "B2B-BOT-012"}, "a bot can change its name", func(t *T) {
			o, elsewhere := t.Org(), t.Org()
			bot := o.Bot("worker")
			o.Bot("taken")
			gone := o.Bot("gone")
			elsewhere.Bot("free")
			t.Do("DELETE", "/api/bots/"+gone.ID, o.Admin, nil).Status(200)
			rename := func(name any) *Response { return t.Do("PATCH", "/api/me/name", bot, J{"name": name}) }
			for _, name := range []any{nil, "", 5, true, []string{"x"}, J{}, "a b", "é", "x/y", "所有人", strings.Repeat("n", 129), "worker"} {
				rename(name).Refused(400, "VALIDATION_ERROR")
			}
			t.Do("PATCH", "/api/me/name", bot, J{}).Refused(400, "VALIDATION_ERROR")
			rename("all").Refused(400, "RESERVED_NAME")
			rename("ALL").Refused(400, "RESERVED_NAME")
			rename("gone").Refused(409, "NAME_TOMBSTONED")
			rename("taken").Refused(409, "NAME_CONFLICT")
			for _, name := range []string{"Worker", "free", strings.Repeat("n", 128), "Taken"} {
				rename(name).Status(200).Equal("name", name).Shape("", botShape)
			}
			t.Get("/api/bots/Taken/profile", o.Admin).Status(200).Equal("id", bot.ID)
			t.Get("/api/bots/worker/profile", o.Admin).Refused(404, "NOT_FOUND")
			o.Bot("worker")
			rename("worker").Refused(409, "NAME_CONFLICT")
			t.Get("/api/me", bot).Status(200).Equal("name", "Taken")
		}},
	}
}

// tombstoneChecks returns the checks of the names of deleted bots.
func tombstoneChecks() []Check {
	return []Check{
		{[]string{"B2B-BOT-040"}, "a name cannot have the form of an id, so a message to a deleted bot reaches no other bot", func(t *T) {
			o := t.Org()
			bot, gone := o.Bot("worker"), o.Bot("gone")
			bare := strings.ReplaceAll(gone.ID, "-", "")
			for _, name := range []string{gone.ID, strings.ToUpper(gone.ID), bare, strings.ToUpper(bare), unusedID} {
				o.Register(J{"org_secret": o.Secret, "name": name}).Refused(400, "VALIDATION_ERROR")
				o.Register(J{"ticket": o.Ticket(J{}), "name": name}).Refused(400, "VALIDATION_ERROR")
				t.Do("PATCH", "/api/me/name", bot, J{"name": name}).Refused(400, "VALIDATION_ERROR")
			}
			o.Register(J{"org_secret": o.Secret, "name": "bot-" + gone.ID}).Status(200)
			t.Do("PATCH", "/api/me/name", bot, J{"name": "x" + bare}).Status(200).Equal("name", "x"+bare)
			dm := J{"to": gone.ID, "content": "for you alone"}
			t.Do("POST", "/api/send", o.Admin, dm).Status(200)
			t.Do("DELETE", "/api/bots/"+gone.ID, o.Admin, nil).Status(200)
			t.Do("PATCH", "/api/me/name", bot, J{"name": gone.ID}).Refused(400, "VALIDATION_ERROR")
			t.Do("POST", "/api/send", o.Admin, dm).Refused(404, "NOT_FOUND")
			t.Do("DELETE", "/api/orgs/"+o.ID+"/tombstones/gone", o.Human(), nil).Status(200)
			t.Do("PATCH", "/api/me/name", bot, J{"name": gone.ID}).Refused(400, "VALIDATION_ERROR")
		}},
		{[]string{"B2B-BOT-014"}, "org-admin sessions can release the name of a deleted bot", func(t *T) {
			o, other := t.Org(), t.Org()
			bot := o.Bot("worker")
			for _, name := range []string{"ghost", "Phantom"} {
				t.Do("DELETE", "/api/bots/"+o.Bot(name).ID, o.Admin, nil).Status(200)
			}
			release := func(org, name string, c Caller) *Response {
				return t.Do("DELETE", "/api/orgs/"+org+"/tombstones/"+name, c, nil)
			}
			blocked := func(name string) {
				o.Register(J{"org_secret": o.Secret, "name": name}).Refused(409, "NAME_TOMBSTONED")
				t.Do("PATCH", "/api/me/name", bot, J{"name": name}).Refused(409, "NAME_TOMBSTONED")
			}
			blocked("ghost")
			o.Register(J{"org_secret": o.Secret, "name": "Ghost"}).Status(200)
			other.Register(J{"org_secret": other.Secret, "name": "ghost"}).Status(200)
			release(o.ID, "ghost", nil).Refused(401, "AUTH_REQUIRED")
			for _, c := range []Caller{o.Admin, o.Admin.Scoped("full"), o.Admin.Login(), bot} {
				release(o.ID, "ghost", c).Refused(403, "HUMAN_SESSION_REQUIRED")
				release(unusedID, "ghost", c).Refused(403, "HUMAN_SESSION_REQUIRED")
			}
			release(unusedID, "ghost", o.Human()).Refused(403, "FORBIDDEN")
			release(unusedID, "ghost", t.Super()).Refused(404, "NOT_FOUND")
			release(o.ID, "ghost", other.Human()).Refused(403, "FORBIDDEN")
			release(o.ID, "nobody", other.Human()).Refused(403, "FORBIDDEN")
			for _, name := range []string{"nobody", "Ghost", "GHOST"} {
				release(o.ID, name, o.Human()).Refused(404, "NOT_FOUND")
			}
			blocked("ghost")
			release(o.ID, "ghost", o.Human()).Status(200).Equal("ok", true).Shape("", "message:s")
			release(o.ID, "ghost", o.Human()).Refused(404, "NOT_FOUND")
			o.Register(J{"org_secret": o.Secret, "name": "ghost"}).Status(200)
			blocked("Phantom")
			o.Register(J{"org_secret": o.Secret, "name": "phantom"}).Status(200)
			release(o.ID, "Phantom", t.Super()).Status(200).Equal("ok", true)
			o.Register(J{"org_secret": o.Secret, "name": "Phantom"}).Status(200)
		}},
	}
}

// changeJoinStatus asks for another join status of a bot.
func changeJoinStatus(t *T, by Caller, id string, body any) *Response {
	return t.Do("PATCH", "/api/org/bots/"+id+"/status", by, body)
}

// joinStatusChecks returns the checks of approving and rejecting bots.
func joinStatusChecks() []Check {
	return []Check{
		{[]string{"B2B-BOT-020", "B2B-BOT-022"}, "org admins can approve and reject bots", joinStatusChange},
		{[]string{"B2B-BOT-021"}, "a change of join status is validated in order: status, reason, bot", joinStatusOrder},
		{[]string{"B2B-BOT-023"}, "setting the current join status changes nothing", joinStatusUnchanged},
	}
}

func joinStatusChange(t *T) {
	o := t.Org()
	bot := o.PendingBot("newbie")
	human := o.Human()
	owner := o.Admin.Login()
	refs := map[string]string{}
	for _, item := range t.Get("/api/org/sessions", o.Admin).OK().List("items") {
		s := item.(map[string]any)
		refs[s["role"].(string)] = s["ref"].(string)
	}
	for _, c := range []struct {
		by           Caller
		body         J
		before       string
		mark, reason any
	}{
		{o.Admin, J{"status": "rejected", "reason": "who?"}, "pending", "bot:" + o.Admin.ID, "who?"},
		{human, J{"status": "active"}, "rejected", "session:" + refs["org_admin"], nil},
		{o.Admin.Scoped("admin"), J{"status": "rejected"}, "active", "bot:" + o.Admin.ID, nil},
		{o.Admin, J{"status": "active", "reason": ""}, "rejected", "bot:" + o.Admin.ID, nil},
		{owner, J{"status": "rejected", "reason": "no"}, "active", "session:" + refs["bot_owner"], "no"},
	} {
		r := changeJoinStatus(t, c.by, bot.ID, c.body).OK().Shape("", "join_status_changed_by:s join_status_changed_at:i")
		t.has(r, J{
			"bot_id": bot.ID, "name": "newbie", "join_status": c.body["status"], "previous_status": c.before, "join_status_changed_by": c.mark,
		})
		if c.body["reason"] != "" {
			r.Equal("join_status_reason", c.reason)
		}
		t.Get("/api/bots/"+bot.ID, o.Admin).OK().Equal("join_status", c.body["status"])
	}
	direct := o.PendingBot("direct")
	changeJoinStatus(t, o.Admin, direct.ID, J{"status": "active"}).OK().Equal("previous_status", "pending")
	changeJoinStatus(t, o.Admin, o.Admin.ID, J{"status": "rejected"}).OK().Equal("join_status_changed_by", "bot:"+o.Admin.ID)
	t.Get("/api/me", o.Admin).Refused(403, "BOT_NOT_ACTIVE")
}

func joinStatusOrder(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	for _, body := range []any{
		J{}, nil, J{"status": "pending"}, J{"status": nil}, J{"status": 1}, J{"status": "ACTIVE"}, J{"status": "gone", "reason": "x"},
		J{"status": "rejected", "reason": nil}, J{"status": "rejected", "reason": 5}, J{"status": "rejected", "reason": strings.Repeat("x", 501)},
	} {
		changeJoinStatus(t, o.Admin, bot.ID, body).Refused(400, "VALIDATION_ERROR")
		changeJoinStatus(t, o.Admin, unusedID, body).Refused(400, "VALIDATION_ERROR")
	}
	changeJoinStatus(t, o.Admin, unusedID, J{"status": "rejected"}).Refused(404, "NOT_FOUND")
	changeJoinStatus(t, o.Admin, "worker", J{"status": "rejected"}).Refused(404, "NOT_FOUND")
	t.Get("/api/me", bot).Status(200)
}

func joinStatusUnchanged(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	t.has(changeJoinStatus(t, o.Admin, bot.ID, J{"status": "active", "reason": "ignored"}).OK(), J{
		"join_status": "active", "previous_status": "active", "join_status_changed_by": nil, "join_status_changed_at": nil, "join_status_reason": nil,
	})
	done := changeJoinStatus(t, o.Admin, bot.ID, J{"status": "rejected", "reason": "first"}).OK()
	t.has(changeJoinStatus(t, o.Human(), bot.ID, J{"status": "rejected", "reason": "second"}).OK(), J{
		"join_status": "rejected", "previous_status": "rejected", "join_status_changed_by": done.Value("join_status_changed_by"),
		"join_status_changed_at": done.Value("join_status_changed_at"), "join_status_reason": "first",
	})
	o.Audit("bot.join_status_changed").Len("", 1)
}
