package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// orgEndpoints returns the org-admin endpoints below /api/org/threads/{id}, with requests that are
// valid for a thread of Ann and Bob.
func orgEndpoints() []endpoint {
	return []endpoint{
		{"GET", "", "", nil, false},
		{"GET", "/messages", "", nil, false},
		{"GET", "/artifacts", "", nil, false},
		{"PATCH", "", "", J{"visibility": nil}, false},
		{"POST", "/participants", "", J{"bot_id": unusedID}, true},
		{"DELETE", "/participants/bob", "", nil, true},
	}
}

func orgThreadChecks() []Check {
	return []Check{
		{[]string{"B2B-ORGTHR-001"}, "org-admin endpoints accept org-admin sessions and admin bots only", orgAccess},
		{[]string{"B2B-ORGTHR-003", "B2B-ORGTHR-004", "B2B-ORGTHR-005"}, "org admins can list all threads", orgLists},
		{[]string{"B2B-ORGTHR-007"}, "org admins can read a thread without participating", func(t *T) {
			h := newFixture(t)
			for _, v := range []string{"public", "members", "private"} {
				id := h.thread(J{"visibility": v, "permission_policy": everyAction([]string{})})
				for _, c := range []Caller{h.Admin, h.Human()} {
					r := t.Get(othr(id), c).OK().etag(`"1"`).Equal("id", id).Equal("visibility", v).Equal("participant_count", 2).Len("participants", 2)
					r.Absent("participants", "bot_id", h.Admin.ID)
				}
			}
		}},
		{[]string{"B2B-ORGTHR-009"}, "org admins can list artifacts as a bare array and in pages", orgArtifacts},
		{[]string{"B2B-ORGTHR-010"}, "org admins can search thread messages", orgSearch},
		{[]string{"B2B-ORGTHR-011"}, "a PATCH by an org admin changes five fields", adminThreadPatch},
		{[]string{"B2B-ORGTHR-012", "B2B-ORGTHR-013"}, "a rejected PATCH by an org admin changes nothing, and settings of resolved threads can be changed", adminThreadPatchRejected},
		{[]string{"B2B-ORGTHR-014"}, "changes by org admins are audited and reject pending join requests", adminThreadPatchAudited},
		{[]string{"B2B-ORGTHR-015"}, "org admins can add participants", orgInvites},
		{[]string{"B2B-ORGTHR-016"}, "org admins can remove participants", adminRemovesParticipants},
	}
}

func adminThreadPatch(t *T) {
	h := newFixture(t)
	id := h.thread(J{"permission_policy": everyAction([]string{}), "visibility": "private"})
	patch := func(body J, opts ...Option) *Response { return t.Do("PATCH", othr(id), h.Human(), body, opts...) }
	for _, none := range []J{{}, {"topic": "x"}, {"context": "x"}, {"topic": "x", "context": "y", "bogus": 1}, {"close_reason": "manual"}, {"close_reason": "manual", "topic": "x"}} {
		patch(none).Refused(400, "VALIDATION_ERROR")
	}
	r := patch(J{"status": "closed", "close_reason": "error", "topic": "x", "context": "y"}).OK().Shape("", threadShape+" !participants")
	r.Equal("status", "closed").Equal("close_reason", "error").Equal("topic", "work").Equal("context", nil).Equal("revision", 2)
	if got := r.Header.Get("ETag"); got == `"2"` {
		r.errorf("the response has the ETag %s", got)
	}
	patch(J{"status": "active"}, Header("If-Match", `"99"`)).OK().Equal("status", "active").Equal("revision", 3)
	patch(J{"visibility": "public", "join_policy": "open", "permission_policy": nil}).OK().Equal("visibility", "public").Equal("permission_policy", nil)
}

func adminThreadPatchRejected(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	before := h.adminView(id)
	for _, c := range []struct {
		body   J
		status int
		code   string
	}{
		{J{"visibility": "private", "status": "active"}, 409, "INVALID_TRANSITION"}, {J{"permission_policy": J{}, "status": "closed"}, 400, "VALIDATION_ERROR"},
		{J{"visibility": "private", "permission_policy": J{"bogus": nil}}, 400, "VALIDATION_ERROR"}, {J{"visibility": "members", "join_policy": "never"}, 400, "VALIDATION_ERROR"},
		{J{"status": "resolved", "close_reason": "manual", "visibility": "members"}, 400, "VALIDATION_ERROR"}, {J{"status": "active", "close_reason": "manual"}, 400, "VALIDATION_ERROR"},
	} {
		t.Do("PATCH", othr(id), h.Admin, c.body).Refused(c.status, c.code)
		h.adminView(id).sameThread(before)
	}
	h.setStatus(id, "resolved")
	r := t.Do("PATCH", othr(id), h.Admin, J{"visibility": "members", "join_policy": "approval", "permission_policy": J{}}).OK()
	r.Equal("visibility", "members").Equal("join_policy", "approval").Equal("status", "resolved").Equal("revision", 4)
}

func adminThreadPatchAudited(t *T) {
	h := newFixture(t)
	rejectsPending(h, func(id string, body J) { t.Do("PATCH", othr(id), h.Admin, body).OK() })
	id := h.thread(nil)
	t.Do("PATCH", othr(id), h.Human(), J{"status": "closed", "close_reason": "timeout", "visibility": "private"}).OK()
	for action, want := range map[string]J{
		"thread.status_changed": {"from": "active", "to": "closed", "close_reason": "timeout"}, "thread.visibility_changed": {"from": "public", "to": "private"},
		"thread.join_policy_changed": {"from": "open", "to": "invite_only"},
	} {
		e := h.audited(action, id)
		h.auditedAs(action, id, e["bot_id"], want)
	}
}

func adminRemovesParticipants(t *T) {
	h := newFixture(t)
	id := h.thread(J{"participants": []string{"bob", "cyd"}, "permission_policy": everyAction([]string{}), "visibility": "private"})
	remove := func(c Caller, thread, ref string) *Response {
		return t.Do("DELETE", othr(thread, "/participants/", ref), c, nil)
	}
	for _, ref := range []string{"nobody", unusedID, "admin", "Bob"} {
		remove(h.Admin, id, ref).Refused(404, "NOT_FOUND")
	}
	h.revisionGrows(id, 1, "a removal by an org admin", func() { remove(h.Human(), id, h.Bob.ID).OK().Equal("ok", true) })
	h.revisionGrows(id, 1, "a removal by an org admin", func() { remove(h.Admin, id, "cyd").OK().Equal("ok", true) })
	h.audited("thread.remove_participant", id)
	remove(h.Admin, id, "cyd").Refused(404, "NOT_FOUND")
	remove(h.Admin, id, "ann").Refused(400, "VALIDATION_ERROR").errorContains("last participant")
	t.Get(thr(id), h.Bob).Refused(404, "NOT_FOUND")
	dead := h.thread(nil)
	h.setStatus(dead, "closed")
	for _, ref := range []string{"bob", "nobody", "cyd"} {
		remove(h.Admin, dead, ref).Refused(409, "THREAD_TERMINAL")
	}
}

func orgAccess(t *T) {
	h := newFixture(t)
	id := h.thread(J{"visibility": "private"})
	promoted := h.Bot("promoted")
	promoted.Promote()
	demoted := h.AdminBot("demoted")
	demoted.Demote()
	for _, path := range []string{"/api/org/threads", "/api/org/search?q=xx", othr(id), othr(id, "/messages"), othr(id, "/artifacts")} {
		for _, c := range []Caller{h.Admin, h.Admin.Scoped("admin"), h.Admin.Scoped("full"), h.Human(), promoted, h.Admin.Login()} {
			t.Get(path, c).OK()
		}
	}
	less := h.Admin.Scoped("read", "thread", "message", "profile")
	gates := []struct {
		method, path string
		body         any
	}{{"GET", "/api/org/threads", nil}, {"GET", "/api/org/search?q=xx", nil}}
	for _, thread := range []string{id, unusedID} {
		for _, d := range orgEndpoints() {
			gates = append(gates, struct {
				method, path string
				body         any
			}{d.method, othr(thread, d.path), d.body})
		}
	}
	for _, g := range gates {
		for _, c := range []Caller{h.Ann, h.Cyd, h.Ann.Scoped("full"), demoted, h.Ann.Login()} {
			t.Do(g.method, g.path, c, g.body).Refused(403, "FORBIDDEN")
		}
		t.Do(g.method, g.path, less, g.body).Refused(403, "INSUFFICIENT_SCOPE")
		t.Do(g.method, g.path, t.Super(), g.body).Refused(400, "ORG_CONTEXT_REQUIRED")
		t.Do(g.method, g.path, nil, g.body).Refused(401, "AUTH_REQUIRED")
	}
	h.adminView(id).Equal("participant_count", 2).Equal("revision", 1)
}

func orgLists(t *T) {
	h, other := newFixture(t), newFixture(t)
	other.thread(nil)
	var all []row // newest first
	for i := range 7 {
		v := []string{"public", "members", "private"}[i%3]
		r := t.Do("POST", "/api/threads", []*Bot{h.Ann, h.Cyd}[i%2], J{"topic": fmt.Sprint("topic ", i), "visibility": v}).OK()
		all = append([]row{{r.Str("id"), int64(r.Num("last_activity_at"))}}, all...)
		t.tick()
	}
	t.say(h.Ann, all[6].id, "new activity in the oldest")
	woken := t.Get(othr(all[6].id), h.Admin).OK()
	all = append([]row{{all[6].id, int64(woken.Num("last_activity_at"))}}, all[:6]...)
	get := func(kv ...string) *Response { return t.Get(query("/api/org/threads", kv...), h.Human()).OK() }

	bare := t.Get("/api/org/threads", h.Admin).OK()
	t.sameIDs("all threads", bare.Pluck("", "id"), ids(all))
	bare.Shape("0", threadShape+" participant_count:i participants:a").Equal("0.participant_count", 1).Len("0.participants", 1)
	t.Shape("participant", bare.Find("0.participants", "bot_id", h.Ann.ID), "name:=ann online:b label:s? joined_at:i")
	t.sameIDs("offset", get("offset", "5").Pluck("", "id"), ids(all[5:]))
	t.sameIDs("limit and offset", get("limit", "2", "offset", "3").Pluck("", "id"), ids(all[3:5]))
	t.sameIDs("empty cursor and search", get("cursor", "", "search", "").Pluck("", "id"), ids(all))
	t.sameIDs("search takes precedence over offset", get("search", "topic", "offset", "3").Pluck("items", "id"), ids(all))
	get("limit", "3").Has("items.0.participants", "items.0.participant_count")

	for _, limit := range []int{1, 3, 7, 8} {
		got := t.pages("org threads", limit, "last_activity_at", func(cursor string) *Response {
			r := get("limit", fmt.Sprint(limit), "cursor", cursor)
			if last := rows(r, "items", "last_activity_at"); r.Bool("has_more") {
				r.Equal("next_cursor", fmt.Sprintf("%d|%s", last[len(last)-1].at, last[len(last)-1].id))
			}
			return r
		})
		t.sameIDs("org threads, paged", ids(got), ids(all))
	}
	t.sameIDs("a page token that is a time", get("limit", "9", "cursor", fmt.Sprint(all[2].at)).Pluck("items", "id"), ids(all[3:]))
	get("cursor", "1").Len("items", 0)
	t.sameIDs("a page token in the future", get("limit", "2", "cursor", fmt.Sprint(all[0].at+1000)).Pluck("items", "id"), ids(all[:2]))
}

func orgArtifacts(t *T) {
	h := newFixture(t)
	id := h.thread(J{"visibility": "private"})
	keys := []string{"c", "a", "e", "b", "d"}
	for _, k := range keys {
		t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": k, "content": "1"}).OK()
		t.tick()
	}
	t.Do("PATCH", thr(id, "/artifacts/c"), h.Bob, J{"content": "2"}).OK()
	path := othr(id, "/artifacts")
	bare := t.Get(path, h.Admin).OK()
	t.sameIDs("artifacts", bare.Pluck("", "artifact_key"), []string{"a", "e", "b", "d", "c"})
	bare.Equal("4.version", 2).Equal("4.content", "2")
	t.sameIDs("empty parameters", t.Get(path+"?limit=&cursor=", h.Admin).OK().Pluck("", "artifact_key"), []string{"a", "e", "b", "d", "c"})
	slices.Sort(keys)
	var got []string
	for cursor := ""; ; {
		r := t.Get(query(path, "limit", "2", "cursor", cursor), h.Human()).OK()
		page := r.Pluck("items", "artifact_key")
		got = append(got, page...)
		if !r.Bool("has_more") {
			r.Lacks("next_cursor")
			break
		}
		r.Len("items", 2).Equal("next_cursor", page[len(page)-1])
		if cursor = r.Str("next_cursor"); len(got) > 5 {
			r.fatalf("the pages do not end")
		}
	}
	t.sameIDs("artifacts, paged", got, keys)
	t.sameIDs("after a key", t.Get(path+"?cursor=c", h.Admin).OK().Pluck("items", "artifact_key"), []string{"d", "e"})
	t.Get(path+"?limit=0", h.Admin).OK().Len("items", 5).Equal("has_more", false)
	t.Get(path+"?limit=-3", h.Admin).OK().Len("items", 1).Equal("has_more", true)
}

func orgSearch(t *T) {
	h, other := newFixture(t), newFixture(t)
	t.say(other.Ann, other.thread(nil), "needle elsewhere")
	one, two := h.create(J{"topic": "one", "visibility": "private"}).OK().Str("id"), h.create(J{"topic": "two"}).OK().Str("id")
	m1 := t.say(h.Ann, one, "a needle in hay")
	t.tick()
	m2 := t.say(h.Bob, two, "needles")
	t.say(h.Bob, two, "100% hay")
	t.dm(h.Ann, "bob", "a needle by mail")
	find := func(q string) *Response { return t.Get(query("/api/org/search", "q", q), h.Admin).OK() }
	r := find("needle")
	t.sameIDs("found", r.Pluck("messages", "message_id"), []string{m2.Str("id"), m1.Str("id")})
	r.Shape("messages.0", "message_id:s thread_id:="+two+" thread_topic:=two sender_name:=bob content:=needles").Equal("messages.0.created_at", m2.Value("created_at"))
	t.sameIDs("trimmed", t.Get(query("/api/org/search", "q", "  needle "), h.Human()).OK().Pluck("messages", "message_id"), r.Pluck("messages", "message_id"))
	find("0%").Len("messages", 1)
	find("e%").Len("messages", 0)
	find("n_edle").Len("messages", 0)
	for _, q := range []string{"", "n", " n ", "  "} {
		find(q).Len("messages", 0)
	}
	t.Get("/api/org/search", h.Admin).OK().Len("messages", 0)
	t.many(22, func(i int) { t.say(h.Ann, two, strings.Repeat("straw", i+1)) })
	find("straw").Len("messages", 20)
}

func orgInvites(t *T) {
	h, other := newFixture(t), newFixture(t)
	pam := h.PendingBot("pam")
	id := h.thread(J{"permission_policy": everyAction([]string{}), "visibility": "private"})
	add := func(c Caller, body J) *Response { return t.Do("POST", othr(id, "/participants"), c, body) }
	for _, bad := range []J{{}, {"bot_id": nil}, {"bot_id": ""}, {"bot_id": 5}, {"bot_id": []string{h.Cyd.ID}}, {"label": "x"}} {
		add(h.Admin, bad).Refused(400, "VALIDATION_ERROR")
	}
	for _, unknown := range []string{unusedID, "cyd", "nobody", other.Cyd.ID} {
		add(h.Admin, J{"bot_id": unknown}).Refused(404, "NOT_FOUND")
	}
	add(h.Admin, J{"bot_id": pam.ID}).Refused(400, "BOT_NOT_ACTIVE")
	for _, body := range []J{{"bot_id": h.Bob.ID}, {"bot_id": h.Bob.ID, "label": "x"}} {
		add(h.Admin, body).Refused(409, "ALREADY_PARTICIPANT")
	}
	h.adminView(id).Equal("revision", 1).Equal("participant_count", 2)
	h.revisionGrows(id, 1, "an invite by an org admin", func() {
		add(h.Human(), J{"bot_id": h.Cyd.ID, "label": "guest"}).OK().Equal("thread_id", id).Equal("bot_id", h.Cyd.ID).Equal("label", "guest").Shape("", "joined_at:i")
	})
	h.revisionGrows(id, 1, "an invite by an org admin", func() { add(h.Admin, J{"bot_id": h.Admin.ID}).OK().Equal("label", nil) })
	if d, ok := h.audited("thread.invite", id)["detail"].(map[string]any); !ok || d["invited_bot_id"] == nil {
		t.Errorf("the audit entry of an org invite does not name the invited bot: %s", show(d))
	}
	t.Get(thr(id), h.Cyd).OK().Equal("participant_count", 4)
	h.t.Do("PATCH", othr(id), h.Admin, J{"status": "closed", "close_reason": "manual"}).OK()
	for _, body := range []J{{}, {"bot_id": unusedID}, {"bot_id": h.Bob.ID}, {"bot_id": pam.ID}} {
		add(h.Admin, body).Refused(409, "THREAD_TERMINAL")
	}
}
