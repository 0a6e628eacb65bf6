package conformance

import "fmt"

func joinChecks() []Check {
	return []Check{
		{[]string{"B2B-JOIN-001", "B2B-THR-011"}, "visibility and join policy decide the result of a join", joinCells},
		{[]string{"B2B-JOIN-002"}, "a join is validated in the specified order", joinOrder},
		{[]string{"B2B-JOIN-003", "B2B-THR-080"}, "an open join adds a participant", openJoin},
		{[]string{"B2B-JOIN-004", "B2B-JOIN-005", "B2B-THR-080"}, "a join request stays pending until it is approved or rejected", joinByApproval},
		{[]string{"B2B-JOIN-006", "B2B-JOIN-009"}, "participants who can manage or invite can list and decide join requests", joinDeciders},
		{[]string{"B2B-JOIN-007", "B2B-JOIN-008"}, "a join request can be approved or rejected", joinDecisions},
		{[]string{"B2B-JOIN-009"}, "only pending join requests of the same thread can be decided", joinDecidedOnce},
	}
}

func joinOrder(t *T) {
	h := newFixture(t)
	join := func(c Caller, id string) *Response { return t.Do("POST", thr(id, "/join"), c, nil) }
	join(h.Cyd, unusedID).Refused(404, "NOT_FOUND")
	private, members, closed := h.thread(J{"visibility": "private"}), h.thread(J{"visibility": "members", "join_policy": "invite_only"}), h.thread(nil)
	h.revisionGrows(private, 0, "joining again", func() { join(h.Bob, private).Status(200).Equal("status", "already_joined") })
	join(h.Ann, members).Status(200).Equal("status", "already_joined")
	join(h.Cyd, members).Refused(403, "INVITE_ONLY")
	for _, id := range []string{private, members, closed} {
		h.setStatus(id, "closed")
	}
	join(h.Cyd, private).Refused(404, "NOT_FOUND")
	join(h.Cyd, members).Refused(409, "THREAD_CLOSED")
	join(h.Cyd, closed).Refused(409, "THREAD_CLOSED")
	join(h.Bob, private).Refused(409, "THREAD_CLOSED")
	join(h.Bob, closed).Refused(409, "THREAD_CLOSED")
	h.adminView(closed).Equal("participant_count", 2)
}

func openJoin(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	before := h.adminView(id)
	t.tick()
	h.revisionGrows(id, 1, "an open join", func() {
		r := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(200).Equal("status", "joined").Shape("", "joined_at:i")
		seat := h.adminView(id).Find("participants", "bot_id", h.Cyd.ID)
		if seat["label"] != nil || show(seat["joined_at"]) != show(r.Value("joined_at")) {
			r.errorf("the participant is %s", show(seat))
		}
	})
	after := h.adminView(id).Equal("participant_count", 3).Equal("last_activity_at", before.Value("last_activity_at"))
	if after.Num("updated_at") <= before.Num("updated_at") {
		after.errorf("updated_at did not change")
	}
	h.auditedAs("thread.join", id, h.Cyd.ID, nil)
	t.say(h.Cyd, id, "hello")
	t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(200).Equal("status", "already_joined")
}

func joinByApproval(t *T) {
	h := newFixture(t)
	id := h.thread(J{"join_policy": "approval"})
	var request string
	h.revisionGrows(id, 0, "a join request", func() {
		r := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Equal("status", "pending")
		request = r.Str("request_id")
	})
	h.auditedAs("thread.join_requested", id, h.Cyd.ID, nil)
	h.adminView(id).Equal("participant_count", 2)
	t.Get(thr(id), h.Cyd).Refused(403, "JOIN_REQUIRED")
	for range 2 {
		t.Do("POST", thr(id, "/join"), h.Cyd, nil).Refused(409, "ALREADY_REQUESTED").Equal("request_id", request)
	}
	t.Get(thr(id, "/join-requests"), h.Ann).OK().Len("", 1)
	h.revisionGrows(id, 0, "a rejection", func() { t.Do("POST", thr(id, "/join-requests/", request, "/reject"), h.Ann, nil).OK() })
	again := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id")
	if again == request {
		t.Errorf("a new join request has the id of the rejected one")
	}
	t.Do("POST", thr(id, "/join-requests/", again, "/approve"), h.Ann, nil).OK()
	t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(200).Equal("status", "already_joined")
}

func joinDecidedOnce(t *T) {
	h := newFixture(t)
	one, two := h.thread(J{"join_policy": "approval"}), h.thread(J{"join_policy": "approval"})
	request := t.Do("POST", thr(one, "/join"), h.Cyd, nil).Status(202).Str("request_id")
	decide := func(thread, request, what string) *Response {
		return t.Do("POST", thr(thread, "/join-requests/", request, "/", what), h.Ann, nil)
	}
	for _, what := range []string{"approve", "reject"} {
		decide(two, request, what).Refused(404, "NOT_FOUND")
		decide(one, unusedID, what).Refused(404, "NOT_FOUND")
	}
	decide(one, request, "approve").OK()
	for _, what := range []string{"approve", "reject"} {
		decide(one, request, what).Refused(404, "NOT_FOUND")
	}
	second := t.Do("POST", thr(two, "/join"), h.Cyd, nil).Status(202).Str("request_id")
	decide(two, second, "reject").OK()
	for _, what := range []string{"approve", "reject"} {
		decide(two, second, what).Refused(404, "NOT_FOUND")
	}
	h.adminView(two).Equal("participant_count", 2)
}

func joinCells(t *T) {
	h := newFixture(t)
	for _, v := range []string{"public", "members", "private"} {
		for _, p := range []string{"open", "approval", "invite_only"} {
			id := h.thread(J{"visibility": v, "join_policy": p})
			r := t.Do("POST", thr(id, "/join"), h.Cyd, nil)
			r.request = fmt.Sprintf("[%s, %s] %s", v, p, r.request)
			count := 2
			switch {
			case v == "private":
				r.Refused(404, "NOT_FOUND")
			case p == "open":
				r.Status(200).Equal("status", "joined").Shape("", "joined_at:i")
				count = 3
			case p == "approval":
				r.Status(202).Equal("status", "pending").Shape("", "request_id:s")
			default:
				r.Refused(403, "INVITE_ONLY")
			}
			h.adminView(id).Equal("participant_count", count)
			read := t.Get(thr(id), h.Cyd)
			switch {
			case count == 3:
				read.OK()
			case v == "public":
				read.Refused(403, "JOIN_REQUIRED")
			default:
				read.Refused(404, "NOT_FOUND")
			}
		}
	}
}

func joinDeciders(t *T) {
	h := newFixture(t)
	dan := h.Bot("dan")
	for _, c := range []struct {
		policy   any
		ann, bob bool
	}{
		{nil, true, true}, {J{"invite": []string{}}, true, false}, {J{"invite": []string{"initiator"}}, true, false}, {J{"invite": []string{}, "manage": []string{}}, false, false},
		{J{"invite": []string{}, "manage": []string{"*"}}, true, true}, {J{"invite": []string{"*"}, "manage": []string{}}, true, true},
	} {
		id := h.thread(J{"join_policy": "approval", "permission_policy": c.policy})
		r1 := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id")
		t.tick()
		r2 := t.Do("POST", thr(id, "/join"), dan, nil).Status(202).Str("request_id")
		list := func(b *Bot) *Response { return t.Get(thr(id, "/join-requests"), b) }
		decide := func(b *Bot, request, what string) *Response {
			return t.Do("POST", thr(id, "/join-requests/", request, "/", what), b, nil)
		}
		for _, b := range []*Bot{h.Ann, h.Bob} {
			if may := c.bob && b == h.Bob || c.ann && b == h.Ann; may {
				l := list(b).OK()
				t.sameIDs("pending requests", l.Pluck("", "id"), []string{r1, r2})
				l.Shape("0", "id:s thread_id:="+id+" bot_id:="+h.Cyd.ID+" bot_name:=cyd status:=pending requested_at:i").Equal("0.resolved_at", nil).Equal("0.resolved_by", nil)
				continue
			}
			list(b).Refused(403, "FORBIDDEN")
			for _, what := range []string{"approve", "reject"} {
				decide(b, r1, what).Refused(403, "FORBIDDEN")
				decide(b, unusedID, what).Refused(403, "FORBIDDEN")
			}
		}
		h.adminView(id).Equal("participant_count", 2)
		if c.bob {
			decide(h.Bob, r1, "approve").OK()
			decide(h.Bob, r2, "reject").OK()
			list(h.Bob).OK().Len("", 0)
		} else if c.ann {
			decide(h.Ann, r1, "reject").OK()
			decide(h.Ann, r2, "approve").OK()
		}
	}
}

func joinDecisions(t *T) {
	h := newFixture(t)
	dan := h.Bot("dan")
	id := h.thread(J{"join_policy": "approval"})
	r1 := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id")
	r2 := t.Do("POST", thr(id, "/join"), dan, nil).Status(202).Str("request_id")
	h.revisionGrows(id, 1, "an approval", func() {
		r := t.Do("POST", thr(id, "/join-requests/", r1, "/approve"), h.Bob, nil).OK().Equal("status", "approved").Shape("", "joined_at:i")
		seat := h.adminView(id).Find("participants", "bot_id", h.Cyd.ID)
		if seat["label"] != nil || show(seat["joined_at"]) != show(r.Value("joined_at")) {
			r.errorf("the participant is %s", show(seat))
		}
	})
	h.auditedAs("thread.join_approved", id, h.Bob.ID, J{"approved_bot": h.Cyd.ID, "request_id": r1})
	t.Get(thr(id), h.Cyd).OK()
	h.revisionGrows(id, 0, "a rejection", func() {
		t.Do("POST", thr(id, "/join-requests/", r2, "/reject"), h.Ann, nil).OK().Equal("status", "rejected")
	})
	h.auditedAs("thread.join_rejected", id, h.Ann.ID, J{"rejected_bot": dan.ID, "request_id": r2})
	t.Get(thr(id), dan).Refused(403, "JOIN_REQUIRED")
	t.Get(thr(id, "/join-requests"), h.Ann).OK().Len("", 0)
	h.adminView(id).Equal("participant_count", 3)
}
