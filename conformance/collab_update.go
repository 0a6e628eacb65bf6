package conformance

import "strings"

func updateChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-050", "B2B-THR-051", "B2B-THR-052"}, "a PATCH changes seven fields", patchFields},
		{[]string{"B2B-THR-053"}, "a PATCH is validated in the specified order", patchOrder},
		{[]string{"B2B-THR-054", "B2B-THR-055", "B2B-ORGTHR-013"}, "each changed group of fields increases the revision by one", patchArithmetic},
		{[]string{"B2B-THR-055"}, "a rejected PATCH changes nothing", func(t *T) {
			h := newFixture(t)
			id := h.thread(J{"permission_policy": J{"resolve": []string{}, "manage": []string{"initiator"}}})
			before := h.adminView(id)
			for _, c := range []struct {
				who    *Bot
				body   J
				match  string
				status int
				code   string
			}{
				{h.Ann, J{"topic": "new", "status": "resolved"}, "", 403, "FORBIDDEN"},
				{h.Ann, J{"context": "new", "status": "closed"}, "", 400, "VALIDATION_ERROR"},
				{h.Ann, J{"topic": "new", "context": "new", "status": "active"}, "", 400, "INVALID_TRANSITION"},
				{h.Ann, J{"topic": "new", "status": "blocked", "visibility": "private"}, `"9"`, 409, "REVISION_CONFLICT"},
				{h.Bob, J{"topic": "new", "status": "blocked", "visibility": "private"}, "", 403, "FORBIDDEN"},
				{h.Ann, J{"visibility": "private", "topic": " "}, "", 400, "VALIDATION_ERROR"},
				{h.Ann, J{"status": "blocked", "permission_policy": J{"bogus": nil}}, "", 400, "VALIDATION_ERROR"},
			} {
				t.Do("PATCH", thr(id), c.who, c.body, Header("If-Match", c.match)).Refused(c.status, c.code)
				h.adminView(id).sameThread(before)
			}
			t.patch(h.Ann, id, J{"topic": "new", "status": "blocked", "visibility": "private"}).Equal("topic", "new").Equal("status", "blocked").Equal("visibility", "private")
		}},
		{[]string{"B2B-THR-056"}, "changes of status and settings are audited", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			t.patch(h.Bob, id, J{"status": "reviewing"})
			h.auditedAs("thread.status_changed", id, h.Bob.ID, J{"from": "active", "to": "reviewing", "close_reason": nil})
			t.tick()
			t.patch(h.Ann, id, J{"status": "closed", "close_reason": "error"})
			h.auditedAs("thread.status_changed", id, h.Ann.ID, J{"from": "reviewing", "to": "closed", "close_reason": "error"})
			t.patch(h.Ann, id, J{"status": "active", "visibility": "public", "join_policy": "open"})
			h.notAudited("thread.visibility_changed", id)
			h.notAudited("thread.join_policy_changed", id)
			t.patch(h.Ann, id, J{"visibility": "private"})
			h.auditedAs("thread.visibility_changed", id, h.Ann.ID, J{"from": "public", "to": "private"})
			h.auditedAs("thread.join_policy_changed", id, h.Ann.ID, J{"from": "open", "to": "invite_only"})
		}},
		{[]string{"B2B-THR-057"}, "making a thread private or invite_only rejects pending join requests", func(t *T) {
			h := newFixture(t)
			rejectsPending(h, func(id string, body J) { t.patch(h.Ann, id, body) })
		}},
	}
}

// rejectsPending checks that a PATCH to private or invite_only rejects pending join requests, and
// that other changes do not.
func rejectsPending(h *fixture, patch func(id string, body J)) {
	t := h.t
	for _, c := range []struct {
		body J
		left int
	}{
		{J{"visibility": "private"}, 0}, {J{"join_policy": "invite_only"}, 0}, {J{"visibility": "members"}, 1}, {J{"join_policy": "open"}, 1}, {J{"visibility": "members", "join_policy": "approval"}, 1},
	} {
		id := h.thread(J{"join_policy": "approval"})
		first := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id")
		patch(id, c.body)
		t.Get(thr(id, "/join-requests"), h.Ann).OK().Len("", c.left)
		t.Get(thr(id), h.Ann).OK().Equal("participant_count", 2)
		if c.left == 0 {
			t.Do("POST", thr(id, "/join-requests/", first, "/approve"), h.Ann, nil).Refused(404, "NOT_FOUND")
			patch(id, J{"visibility": "public"})
			patch(id, J{"join_policy": "approval"})
			if again := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id"); again == first {
				t.Errorf("a rejected request is pending again")
			}
		}
	}
}

func patchFields(t *T) {
	h := newFixture(t)
	id := h.create(J{"tags": []string{"a"}, "context": "c"}).OK().Str("id")
	patch := func(c Caller, body J) *Response { return t.Do("PATCH", thr(id), c, body) }
	for _, none := range []J{{}, {"tags": []string{"b"}}, {"channel_id": nil}, {"bogus": 1}, {"tags": nil, "revision": 9}} {
		patch(h.Ann, none).Refused(400, "VALIDATION_ERROR")
	}
	r := patch(h.Bob, J{"topic": "  new\n", "tags": []string{"b"}, "bogus": true}).OK().Equal("topic", "new").Equal("tags", []string{"a"}).Equal("channel_id", nil)
	r.Shape("", threadShape+" !participants").Equal("revision", 2).Equal("id", id)
	patch(h.Bob, J{"topic": strings.Repeat("x", 512)}).OK()
	for _, bad := range []any{"", "  ", "\t\n", nil, 5, true, []string{"x"}, J{}, strings.Repeat("x", 513)} {
		patch(h.Ann, J{"topic": bad}).Refused(400, "VALIDATION_ERROR")
	}
	patch(h.Bob, J{"context": J{"a": 1}}).OK().Equal("context", `{"a":1}`)
	patch(h.Bob, J{"context": nil}).OK().Equal("context", nil)
	patch(h.Ann, J{"permission_policy": J{"write": nil}}).OK().policyText(J{"write": nil})
	patch(h.Ann, J{"permission_policy": nil}).OK().Equal("permission_policy", nil)
	patch(h.Ann, J{"visibility": "members", "join_policy": "approval"}).OK()
	patch(h.Ann, J{"visibility": nil, "topic": "kept"}).OK().Equal("visibility", "members").Equal("join_policy", "approval").Equal("topic", "kept")
	patch(h.Ann, J{"join_policy": nil, "visibility": nil}).OK().Equal("visibility", "members").Equal("join_policy", "approval")
	t.Get(thr(id), h.Bob).OK().Equal("topic", "kept").Equal("context", nil).Equal("visibility", "members")
}

func patchOrder(t *T) {
	h := newFixture(t)
	long := J{"manage": []string{"1", "2", "3", "4", "5", "6"}}
	plain := h.thread(nil)
	dead := h.thread(nil)
	h.setStatus(dead, "closed")
	guarded := h.thread(J{"permission_policy": J{"resolve": []string{}, "close": []string{}}})
	h.setStatus(guarded, "blocked")
	deadGuarded := h.thread(J{"permission_policy": J{"resolve": []string{}, "close": []string{}}})
	t.Do("PATCH", othr(deadGuarded), h.Admin, J{"status": "resolved"}).OK()
	for _, c := range []struct {
		who    *Bot
		thread string
		body   J
		match  string
		status int
		code   string
	}{
		{h.Cyd, unusedID, J{}, "", 404, "NOT_FOUND"},
		{h.Cyd, plain, J{}, "", 403, "JOIN_REQUIRED"},
		{h.Cyd, plain, J{"permission_policy": long}, "", 403, "JOIN_REQUIRED"},
		{h.Cyd, dead, J{"topic": "x"}, "", 403, "JOIN_REQUIRED"},
		{h.Bob, plain, J{"permission_policy": long}, "", 403, "FORBIDDEN"},
		{h.Bob, dead, J{"visibility": "private"}, "", 403, "FORBIDDEN"},
		{h.Bob, plain, J{"visibility": "private", "topic": " "}, "", 403, "FORBIDDEN"},
		{h.Bob, plain, J{"join_policy": "approval"}, `"9"`, 403, "FORBIDDEN"},
		{h.Ann, dead, J{"permission_policy": long}, "", 400, "VALIDATION_ERROR"},
		{h.Ann, dead, J{"topic": " "}, "", 409, "THREAD_CLOSED"},
		{h.Ann, dead, J{"close_reason": "manual"}, "", 409, "THREAD_CLOSED"},
		{h.Ann, dead, J{"visibility": "private"}, `"99"`, 409, "THREAD_CLOSED"},
		{h.Ann, guarded, J{"status": "resolved", "topic": " "}, "", 400, "VALIDATION_ERROR"},
		{h.Ann, guarded, J{"status": "closed"}, "", 400, "VALIDATION_ERROR"},
		{h.Ann, guarded, J{"status": "resolved", "close_reason": "manual"}, "", 400, "VALIDATION_ERROR"},
		{h.Ann, guarded, J{"status": "resolved"}, "", 403, "FORBIDDEN"},
		{h.Ann, guarded, J{"status": "resolved"}, `"99"`, 403, "FORBIDDEN"},
		{h.Ann, guarded, J{"status": "closed", "close_reason": "manual"}, "", 403, "FORBIDDEN"},
		{h.Ann, deadGuarded, J{"status": "closed", "close_reason": "manual"}, "", 403, "FORBIDDEN"},
		{h.Ann, dead, J{"status": "resolved"}, `"99"`, 400, "INVALID_TRANSITION"},
		{h.Ann, plain, J{"status": "active"}, `"99"`, 400, "INVALID_TRANSITION"},
		{h.Ann, plain, J{"status": "blocked"}, `"99"`, 409, "REVISION_CONFLICT"},
	} {
		t.Do("PATCH", thr(c.thread), c.who, c.body, Header("If-Match", c.match)).Refused(c.status, c.code)
	}
}

func patchArithmetic(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	rev := 1
	for _, c := range []struct {
		body J
		add  int
	}{
		{J{"topic": "a"}, 1}, {J{"context": "a"}, 1}, {J{"permission_policy": J{}}, 1}, {J{"visibility": "members"}, 1}, {J{"join_policy": "approval"}, 1},
		{J{"visibility": "members"}, 1}, {J{"join_policy": "approval"}, 1}, {J{"visibility": nil}, 1}, {J{"visibility": "public", "join_policy": "open"}, 1},
		{J{"status": "blocked"}, 1}, {J{"topic": "b", "context": "b"}, 2}, {J{"topic": "c", "context": "c", "permission_policy": nil}, 3},
		{J{"status": "active", "topic": "d", "context": nil, "permission_policy": J{"write": nil}, "visibility": "members", "join_policy": "open"}, 5},
		{J{"status": "closed", "close_reason": "manual"}, 1}, {J{"status": "active", "topic": "e"}, 2},
	} {
		before := h.adminView(id)
		t.tick()
		rev += c.add
		r := t.patch(h.Ann, id, c.body).Equal("revision", rev).Equal("last_activity_at", before.Value("last_activity_at")).Equal("created_at", before.Value("created_at"))
		if r.Num("updated_at") <= before.Num("updated_at") {
			r.errorf("updated_at did not change")
		}
		after := h.adminView(id).Equal("revision", rev)
		for k, v := range c.body {
			if text, ok := v.(string); ok {
				after.Equal(k, text)
			}
		}
	}
	for _, c := range []struct {
		body J
		add  int
	}{
		{J{"status": "reviewing"}, 1}, {J{"visibility": nil}, 1}, {J{"join_policy": nil, "visibility": "members"}, 1}, {J{"permission_policy": nil}, 1},
		{J{"status": "active", "visibility": "public", "join_policy": "approval", "permission_policy": J{}}, 3}, {J{"status": "resolved"}, 1}, {J{"visibility": "private"}, 1},
	} {
		rev += c.add
		t.Do("PATCH", othr(id), h.Admin, c.body).OK().Equal("revision", rev)
		h.adminView(id).Equal("revision", rev)
	}
}
