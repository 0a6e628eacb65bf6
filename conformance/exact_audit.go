package conformance

import (
	"fmt"
	"strings"
)

// exactAuditChecks make all audited actions in one org and compare the audit log with SPEC.md.
func exactAuditChecks() []Check {
	return []Check{
		{[]string{"B2B-AUD-003", "B2B-AUD-007", "B2B-HTTP-018"}, "every audited action has the specified target type and exact detail", exactAudit},
	}
}

// auditTargets lists the audited actions with their types of targets.
var auditTargets = map[string]string{
	"auth.login": "session", "auth.login_failed": "org", "auth.logout": "session", "auth.session_force_logout": "session", "auth.ticket_created": "org_ticket", "auth.ticket_revoked": "org_ticket",
	"auth.secret_rotated": "org", "bot.register": "bot", "bot.delete": "bot", "bot.tombstone_cleared": "bot", "bot.profile_update": "bot", "bot.rename": "bot",
	"bot.role_change": "bot", "bot.join_status_changed": "bot", "bot.token_create": "token", "bot.token_revoke": "token", "file.upload": "file",
	"settings.update": "org_settings", "message.send": "channel_message thread_message", "thread.create": "thread", "thread.status_changed": "thread",
	"thread.permission_denied": "thread", "thread.write_denied": "thread", "thread.visibility_changed": "thread", "thread.join_policy_changed": "thread",
	"thread.join": "thread", "thread.join_requested": "thread", "thread.join_approved": "thread", "thread.join_rejected": "thread", "thread.invite": "thread",
	"thread.remove_participant": "thread", "thread.leave": "thread", "artifact.add": "artifact", "artifact.update": "artifact",
}

func exactAudit(t *T) {
	h := newFixture(t)
	auditedCore(t, h)
	auditedREST(t, h)
	auditedOps(t, h)
	seen := map[string]bool{}
	r := t.Get("/api/audit?limit=200", h.Admin).OK()
	if len(r.List("")) == 200 {
		r.fatalf("the audit log has more entries than one page: the check cannot read them all")
	}
	for i := range r.List("") {
		at := fmt.Sprint(i)
		r.exactly(at, "audit entry")
		action := r.Str(at + ".action")
		want, known := auditTargets[action]
		if !known {
			continue // a server may audit further actions
		}
		seen[action] = true
		if kind := r.Str(at + ".target_type"); !strings.Contains(" "+want+" ", " "+kind+" ") {
			t.Errorf("%s: target_type %s, want %s", action, kind, want)
		}
		switch detail := r.Value(at + ".detail"); {
		case action == "settings.update":
		case detail != nil:
			t.exactly(action, detail, "detail of "+action)
		case action != "bot.token_revoke" && action != "thread.write_denied" && action != "thread.join" && action != "thread.join_requested":
			t.Errorf("%s: no detail", action)
		}
	}
	for action := range auditTargets {
		if !seen[action] && (action != "file.upload" || t.hasProfile("files")) {
			t.Errorf("%s happened, but is not in the audit log", action)
		}
	}
}

// auditedCore makes the audited actions of credentials, bots, tokens and files.
func auditedCore(t *T, h *fixture) {
	t.Do("POST", "/api/auth/login", nil, J{"type": "org_admin", "org_id": h.ID, "org_secret": "wrong"}, newAddress()).Refused(401, "INVALID_CREDENTIALS")
	human, owner := h.Login(), h.Ann.Login()
	refs := t.Get("/api/org/sessions", human).OK()
	ref, _ := refs.Find("items", "role", "bot_owner")["ref"].(string)
	t.Do("DELETE", "/api/org/sessions/"+ref, human, nil).OK()
	t.Get("/api/me", owner).Refused(401, "AUTH_REQUIRED")
	ticket := h.Ticket(J{})
	t.Do("DELETE", "/api/org/tickets/"+ticket, human, nil).OK()
	newbie := h.PendingBot("newbie")
	t.Do("PATCH", "/api/org/bots/"+newbie.ID+"/status", human, J{"status": "active", "reason": "known"}).OK()
	t.Do("PATCH", "/api/org/bots/"+newbie.ID+"/role", human, J{"auth_role": "admin"}).OK()
	t.Do("PATCH", "/api/me/profile", newbie, J{"bio": "x", "tags": nil}).OK()
	t.Do("PATCH", "/api/me/name", newbie, J{"name": "newbie2"}).OK()
	token := t.Do("POST", "/api/me/tokens", newbie, J{"scopes": []string{"read"}}).OK().Str("id")
	t.Do("DELETE", "/api/me/tokens/"+token, newbie, nil).OK()
	if t.hasProfile("files") {
		upload(t, newbie, "a.txt", "text/plain", "x")
	}
	t.Do("DELETE", "/api/bots/"+newbie.ID, h.Admin, nil).OK()
	t.Do("DELETE", "/api/orgs/"+h.ID+"/tombstones/newbie2", human, nil).OK()
	t.Do("DELETE", "/api/me", h.Bot("gone"), nil).OK()
	t.Do("POST", "/api/auth/logout", human, nil).OK()
	h.Secret = t.Do("POST", "/api/org/rotate-secret", h.Admin, nil).OK().Str("org_secret")
}

// auditedREST makes the audited actions of messages, threads and artifacts over REST.
func auditedREST(t *T, h *fixture) {
	t.dm(h.Ann, "bob", "x")
	id := h.thread(J{"tags": []string{"x"}, "permission_policy": J{"write": []string{"initiator"}, "close": []string{"initiator"}}})
	t.say(h.Ann, id, "x")
	t.Do("POST", thr(id, "/messages"), h.Bob, J{"content": "x"}).Refused(403, "WRITE_PERMISSION_DENIED")
	t.Do("PATCH", thr(id), h.Bob, J{"status": "closed", "close_reason": "manual"}).Refused(403, "FORBIDDEN")
	t.Do("PATCH", thr(id), h.Bob, J{"visibility": "private"}).Refused(403, "FORBIDDEN")
	t.Do("POST", thr(id, "/join"), h.Cyd, nil).OK()
	t.Do("DELETE", thr(id, "/participants/cyd"), h.Cyd, nil).OK()
	t.Do("POST", thr(id, "/participants"), h.Ann, J{"bot_id": "cyd"}).OK()
	t.Do("DELETE", thr(id, "/participants/cyd"), h.Ann, nil).OK()
	t.Do("POST", othr(id, "/participants"), h.Human(), J{"bot_id": h.Cyd.ID}).OK()
	t.Do("DELETE", othr(id, "/participants/cyd"), h.Human(), nil).OK()
	t.patch(h.Ann, id, J{"visibility": "members", "join_policy": "approval", "status": "blocked"})
	t.Do("PATCH", othr(id), h.Human(), J{"visibility": "public", "status": "active"}).OK()
	for _, verdict := range []string{"reject", "approve"} {
		asked := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id")
		t.Do("POST", thr(id, "/join-requests/"+asked+"/"+verdict), h.Ann, nil).OK()
	}
	t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "k"}).OK()
	t.Do("PATCH", thr(id, "/artifacts/k"), h.Ann, J{"content": "x"}).OK()
}

// auditedOps makes the same actions over a WebSocket.
func auditedOps(t *T, h *fixture) {
	ann, cyd := t.open("ann", h.Ann), t.open("cyd", h.Cyd)
	channel := ann.do(J{"type": "send_dm", "to": "bob", "content": "x"}).Str("result.channel_id")
	ann.do(J{"type": "send", "channel_id": channel, "content": "x"})
	id := ann.do(J{"type": "thread_create", "topic": "x", "participants": []string{"bob"}}).Str("result.thread_id")
	in := func(fields J) J { return with(fields, J{"thread_id": id}) }
	t.patch(h.Ann, id, J{"permission_policy": J{"write": []string{"initiator"}, "resolve": []string{"initiator"}}})
	cyd.do(in(J{"type": "thread_join"}))
	cyd.refuses("WRITE_PERMISSION_DENIED", in(J{"type": "send_thread_message", "content": "x"}))
	cyd.refuses("FORBIDDEN", in(J{"type": "thread_update", "status": "resolved"}))
	cyd.do(in(J{"type": "thread_leave"}))
	ann.do(in(J{"type": "thread_invite", "bot_id": "cyd"}))
	ann.do(in(J{"type": "thread_remove_participant", "bot_id": "cyd"}))
	ann.do(in(J{"type": "thread_update", "status": "blocked"}))
	ann.do(in(J{"type": "thread_update", "status": "active"}))
	ann.do(in(J{"type": "send_thread_message", "content": "x"}))
	ann.do(in(J{"type": "artifact_add", "artifact_key": "k", "content": "x"}))
	ann.do(in(J{"type": "artifact_update", "artifact_key": "k", "content": "y"}))
	t.patch(h.Ann, id, J{"join_policy": "approval"})
	cyd.do(in(J{"type": "thread_join"}))
	for action, detail := range map[string]J{
		"thread.create": {"topic": "x", "tags": nil, "via": "ws"}, "thread.join": {"via": "ws"}, "thread.leave": {"via": "ws"},
		"thread.invite":             {"invited_bot_id": h.Cyd.ID, "invited_bot_name": "cyd", "via": "ws"},
		"thread.remove_participant": {"removed_bot_id": h.Cyd.ID, "removed_bot_name": "cyd", "via": "ws"},
		"thread.status_changed":     {"from": "blocked", "to": "active", "close_reason": nil, "via": "ws"},
		"thread.permission_denied":  {"action": "resolve", "status": "resolved", "via": "ws"},
	} {
		e := h.audited(action, id)
		h.auditedAs(action, id, e["bot_id"], detail)
	}
	for _, action := range []string{"thread.write_denied", "thread.join_requested"} {
		if e := h.audited(action, id); e["detail"] != nil {
			t.Errorf("%s: detail %s, want none", action, show(e["detail"]))
		}
	}
}
