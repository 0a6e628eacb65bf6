package conformance

import "strings"

func participantChecks() []Check {
	return []Check{
		{[]string{"B2B-JOIN-010", "B2B-JOIN-012", "B2B-JOIN-013", "B2B-THR-080"}, "an invite adds a participant with a label", invites},
		{[]string{"B2B-JOIN-011"}, "an invite is validated in the specified order", func(t *T) {
			h, other := newFixture(t), newFixture(t)
			stranger := other.Bot("stranger")
			pam := h.PendingBot("pam")
			open, denied, dead := h.thread(nil), h.thread(J{"permission_policy": J{"invite": []string{}}}), h.thread(J{"permission_policy": J{"invite": []string{}}})
			h.setStatus(dead, "resolved")
			for _, c := range []struct {
				who    *Bot
				thread string
				body   J
				status int
				code   string
			}{
				{h.Cyd, dead, J{}, 409, "THREAD_CLOSED"}, {h.Ann, dead, J{}, 409, "THREAD_CLOSED"}, {h.Cyd, denied, J{}, 403, "JOIN_REQUIRED"},
				{h.Ann, denied, J{}, 403, "FORBIDDEN"}, {h.Ann, denied, J{"bot_id": "nobody"}, 403, "FORBIDDEN"}, {h.Ann, denied, J{"bot_id": "bob"}, 403, "FORBIDDEN"},
				{h.Ann, open, J{}, 400, "VALIDATION_ERROR"}, {h.Ann, open, J{"bot_id": nil}, 400, "VALIDATION_ERROR"}, {h.Ann, open, J{"bot_id": ""}, 400, "VALIDATION_ERROR"},
				{h.Ann, open, J{"bot_id": 5}, 400, "VALIDATION_ERROR"}, {h.Ann, open, J{"bot_id": []string{"cyd"}}, 400, "VALIDATION_ERROR"},
				{h.Ann, open, J{"bot_id": "cyd", "label": 5}, 400, "VALIDATION_ERROR"}, {h.Ann, open, J{"bot_id": "cyd", "label": J{}}, 400, "VALIDATION_ERROR"},
				{h.Ann, open, J{"bot_id": "nobody", "label": strings.Repeat("l", 65)}, 400, "VALIDATION_ERROR"},
				{h.Ann, open, J{"bot_id": "nobody"}, 404, "NOT_FOUND"}, {h.Ann, open, J{"bot_id": unusedID}, 404, "NOT_FOUND"}, {h.Ann, open, J{"bot_id": "Cyd"}, 404, "NOT_FOUND"},
				{h.Ann, open, J{"bot_id": stranger.ID}, 404, "NOT_FOUND"}, {h.Ann, open, J{"bot_id": "stranger"}, 404, "NOT_FOUND"},
				{h.Ann, open, J{"bot_id": "pam"}, 400, "BOT_NOT_ACTIVE"}, {h.Ann, open, J{"bot_id": pam.ID, "label": "x"}, 400, "BOT_NOT_ACTIVE"},
				{h.Ann, open, J{"bot_id": "bob", "label": "x"}, 409, "CONFLICT"},
			} {
				t.Do("POST", thr(c.thread, "/participants"), c.who, c.body).Refused(c.status, c.code)
			}
			h.adminView(open).Equal("participant_count", 2).Equal("revision", 1)
		}},
		{[]string{"B2B-JOIN-014", "B2B-THR-080"}, "participants can leave and be removed", removals},
		{[]string{"B2B-JOIN-015", "B2B-THR-087"}, "a removal is validated in the specified order", func(t *T) {
			h := newFixture(t)
			open, denied, dead := h.thread(nil), h.thread(J{"permission_policy": J{"remove": []string{}}}), h.thread(nil)
			h.setStatus(dead, "closed")
			for _, c := range []struct {
				who         *Bot
				thread, ref string
				status      int
				code        string
			}{
				{h.Cyd, dead, "bob", 409, "THREAD_CLOSED"}, {h.Ann, dead, "nobody", 409, "THREAD_CLOSED"}, {h.Ann, dead, "ann", 409, "THREAD_CLOSED"},
				{h.Cyd, open, "bob", 403, "JOIN_REQUIRED"}, {h.Cyd, open, "cyd", 403, "JOIN_REQUIRED"}, {h.Ann, denied, "nobody", 404, "NOT_FOUND"}, {h.Ann, denied, unusedID, 404, "NOT_FOUND"},
				{h.Ann, denied, "bob", 403, "FORBIDDEN"}, {h.Ann, denied, "cyd", 403, "FORBIDDEN"}, {h.Ann, open, "cyd", 404, "NOT_FOUND"}, {h.Ann, open, "Bob", 404, "NOT_FOUND"},
			} {
				t.Do("DELETE", thr(c.thread, "/participants/", c.ref), c.who, nil).Refused(c.status, c.code)
			}
			t.Do("DELETE", thr(open, "/participants/bob"), h.Ann, nil).OK()
			for _, ref := range []string{"ann", h.Ann.ID} {
				t.Do("DELETE", thr(open, "/participants/", ref), h.Ann, nil).Refused(400, "VALIDATION_ERROR").errorContains("last participant")
			}
			t.Get(thr(open), h.Ann).OK().Equal("participant_count", 1).Equal("revision", 2)
		}},
		{[]string{"B2B-THR-086"}, "a deleted bot leaves its threads", deletedBot},
	}
}

func invites(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	invite := func(c Caller, body J) *Response { return t.Do("POST", thr(id, "/participants"), c, body) }
	before := h.adminView(id)
	t.tick()
	h.revisionGrows(id, 1, "an invite", func() {
		r := invite(h.Bob, J{"bot_id": "cyd", "label": " Lead Reviewer "}).OK().Shape("", "joined_at:i")
		r.Equal("thread_id", id).Equal("bot_id", h.Cyd.ID).Equal("label", " Lead Reviewer ")
	})
	after := h.adminView(id).Equal("last_activity_at", before.Value("last_activity_at"))
	if after.Num("updated_at") <= before.Num("updated_at") {
		after.errorf("updated_at did not change")
	}
	h.auditedAs("thread.invite", id, h.Bob.ID, J{"invited_bot_id": h.Cyd.ID, "invited_bot_name": "cyd"})
	h.revisionGrows(id, 0, "inviting a participant", func() {
		r := invite(h.Ann, J{"bot_id": h.Cyd.ID}).OK().Equal("label", " Lead Reviewer ").Equal("bot_id", h.Cyd.ID)
		r.Equal("joined_at", after.Find("participants", "bot_id", h.Cyd.ID)["joined_at"])
		for _, label := range []any{nil, "other", " Lead Reviewer "} {
			invite(h.Ann, J{"bot_id": "cyd", "label": label}).Refused(409, "CONFLICT")
		}
	})
	for i, body := range []J{{}, {"label": nil}, {"label": ""}, {"label": "initiator"}, {"label": strings.Repeat("l", 64)}, {"label": "é😀"}} {
		b := h.Bot(strings.Repeat("b", i+1))
		h.revisionGrows(id, 1, "an invite", func() {
			invite(h.Ann, with(body, J{"bot_id": b.Name})).OK().Equal("label", body["label"])
		})
		if got := h.adminView(id).Find("participants", "bot_id", b.ID)["label"]; show(got) != show(body["label"]) {
			t.Errorf("label %s is returned as %s", show(body["label"]), show(got))
		}
	}
	h.adminView(id).Equal("participant_count", 9)
}

func removals(t *T) {
	h := newFixture(t)
	dan := h.Bot("dan")
	id := h.thread(J{"participants": []string{"bob", "cyd", "dan"}, "permission_policy": J{"remove": []string{"initiator"}}})
	before := h.adminView(id)
	t.tick()
	h.revisionGrows(id, 1, "a removal", func() { t.Do("DELETE", thr(id, "/participants/", h.Bob.ID), h.Ann, nil).OK().Equal("ok", true) })
	after := h.adminView(id).Equal("participant_count", 3).Absent("participants", "bot_id", h.Bob.ID).Equal("last_activity_at", before.Value("last_activity_at"))
	if after.Num("updated_at") <= before.Num("updated_at") {
		after.errorf("updated_at did not change")
	}
	h.auditedAs("thread.remove_participant", id, h.Ann.ID, J{"removed_bot_id": h.Bob.ID, "removed_bot_name": "bob", "removed_by": h.Ann.ID})
	t.Get(thr(id), h.Bob).Refused(403, "JOIN_REQUIRED")
	t.tick()
	h.revisionGrows(id, 1, "leaving", func() { t.Do("DELETE", thr(id, "/participants/cyd"), h.Cyd, nil).OK().Equal("ok", true) })
	h.auditedAs("thread.remove_participant", id, h.Cyd.ID, J{"removed_bot_id": h.Cyd.ID, "removed_bot_name": "cyd", "removed_by": h.Cyd.ID})
	t.Do("DELETE", thr(id, "/participants/ann"), dan, nil).Refused(403, "FORBIDDEN")
	t.Do("DELETE", thr(id, "/participants/ann"), h.Ann, nil).OK()
	t.Get(thr(id), dan).OK().Equal("participant_count", 1).Equal("initiator_id", h.Ann.ID)
	t.Do("POST", thr(id, "/join"), h.Bob, nil).Status(200).Equal("status", "joined")
}

func deletedBot(t *T) {
	h := newFixture(t)
	shared, alone, done := h.thread(J{"join_policy": "approval"}), h.thread(J{"participants": []string{}}), h.thread(J{"participants": []string{}})
	h.setStatus(done, "resolved")
	waiting := h.thread(J{"join_policy": "approval"})
	request := t.Do("POST", thr(waiting, "/join"), h.Cyd, nil).Status(202).Str("request_id")
	was := map[string]int{}
	for _, id := range []string{shared, alone, done} {
		was[id] = h.revision(id)
	}
	before := h.adminView(alone)
	t.tick()
	t.Do("DELETE", "/api/bots/"+h.Ann.ID, h.Admin, nil).OK()
	t.Do("DELETE", "/api/bots/"+h.Cyd.ID, h.Admin, nil).OK()

	r := t.Get(thr(shared), h.Bob).OK().Equal("initiator_id", nil).Equal("participant_count", 1).Equal("status", "active").Absent("participants", "bot_id", h.Ann.ID)
	if int(r.Num("revision")) <= was[shared] {
		r.errorf("the revision did not increase when a participant was deleted")
	}
	r = h.adminView(alone).Equal("status", "closed").Equal("close_reason", "manual").Equal("participant_count", 0).Equal("initiator_id", nil)
	if int(r.Num("revision")) <= was[alone] || r.Num("updated_at") <= before.Num("updated_at") || r.Num("last_activity_at") <= before.Num("last_activity_at") {
		r.errorf("closing the thread did not change its revision and times")
	}
	h.adminView(done).Equal("status", "resolved").Equal("close_reason", nil)
	t.Get(thr(waiting, "/join-requests"), h.Bob).OK().Len("", 0)
	t.Do("POST", thr(waiting, "/join-requests/", request, "/approve"), h.Bob, nil).Refused(404, "NOT_FOUND")
	t.patch(h.Bob, shared, J{"topic": "goes on"})
}
