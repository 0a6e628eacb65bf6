package conformance

func eventThreadChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-001", "B2B-EVT-002", "B2B-EVT-004", "B2B-EVT-010"}, "changes of a thread are delivered to its participants and subscribers", threadEvents},
		{[]string{"B2B-EVT-001", "B2B-EVT-002", "B2B-EVT-004", "B2B-EVT-006"}, "participants receive events from joining to leaving, both included", participantEvents},
		{[]string{"B2B-EVT-001", "B2B-EVT-002", "B2B-EVT-004"}, "join requests are delivered to the thread, and decisions to the bot that asked", joinEvents},
		{[]string{"B2B-EVT-011"}, "thread_updated lists the changed fields in the specified order", func(t *T) {
			s := newLiveFixture(t)
			ann := s.addSocket("ann", s.Ann)
			id := s.thread(nil)
			changes := func(by func(fields J), fields J, want ...string) {
				by(fields)
				fr := ann.next("thread_updated")
				ann.asResponse(fr).Equal("changes", append([]string{}, want...))
			}
			bot := func(fields J) { t.patch(s.Ann, id, fields) }
			org := func(fields J) { t.Do("PATCH", othr(id), s.Human(), fields).OK() }
			all := J{"join_policy": "approval", "visibility": "members", "permission_policy": J{"write": []string{"*"}}, "topic": "new", "context": "c", "status": "resolved"}
			changes(bot, all, "status", "resolved_at", "context", "topic", "permission_policy", "visibility", "join_policy")
			changes(bot, J{"status": "active", "visibility": "members", "topic": "new"}, "status", "topic")
			changes(bot, J{"status": "closed", "close_reason": "error"}, "status", "close_reason")
			changes(bot, J{"status": "active"}, "status")
			changes(bot, J{"visibility": "members"})
			changes(bot, J{"visibility": "private"}, "visibility", "join_policy")
			changes(org, J{"visibility": "public", "join_policy": "open", "permission_policy": nil, "status": "blocked"}, "permission_policy", "visibility", "join_policy")
			org(J{"status": "active"}) // gives only thread_status_changed
			changes(bot, J{"context": nil}, "context")
			ack := ann.do(J{"type": "thread_update", "thread_id": id, "topic": "x", "status": "reviewing"})
			ack.acked(J{"changes": []string{"status", "topic"}})
		}},
	}
}

// sameForAll performs a change of a thread, and returns the frames that each participant and the
// subscriber received, which must be of the types and equal, and the response to the change.
func (s *liveFixture) sameForAll(what, types string, do func() *Response) (frames []Frame, r *Response) {
	received := s.step(what, map[string]string{"ann": types, "bob": types, "sub": types}, func() { r = do() })
	return s.sameFrames(what, received, "ann", "bob", "sub"), r
}

func threadEvents(t *T) {
	s := newLiveFixture(t)
	sub := s.addSockets()
	f := s.feeds["bob"]

	var r *Response
	created := "thread_created thread_participant thread_participant"
	received := s.step("a new thread", map[string]string{"ann": created, "bob": created, "oa": "thread_created", "sub": "thread_created"}, func() { r = s.create(J{"visibility": "private", "tags": []string{"a"}, "context": J{"k": 1}}).OK() })
	id := r.Str("id")
	got := s.sameFrames("a new thread", received, "ann", "bob")
	s.sameFrames("thread_created", receivedFrames{"ann": got[:1], "oa": received["oa"], "sub": received["sub"]}, "ann", "oa", "sub")
	f.is(got[0], J{"type": "thread_created", "thread": r.JSON})
	for i, b := range []*Bot{s.Ann, s.Bob} {
		f.is(got[i+1], J{"type": "thread_participant", "thread_id": id, "bot_id": b.ID, "bot_name": b.Name, "action": "joined", "by": s.Ann.ID}).Lacks("label")
	}
	sub.subscribe(J{"thread_id": id})

	threadContentEvents(t, s, id)
	threadChangeEvents(t, s, id)
	threadAdminEvents(t, s, id)
	s.step("a PATCH by an admin without a change", nil, func() { t.Do("PATCH", othr(id), s.Admin, J{"visibility": "members"}).OK() })
	sub.unsubscribe(J{"thread_id": id})
	s.step("after the end of the subscription", map[string]string{"ann": "thread_message", "bob": "thread_message"}, func() { t.say(s.Ann, id, "x") })
}

func threadContentEvents(t *T, s *liveFixture, id string) {
	f := s.feeds["bob"]
	got, r := s.sameForAll("a message", "thread_message", func() *Response {
		return t.Do("POST", thr(id, "/messages"), s.Bob, J{"content": "Thanks @ANN", "metadata": J{"lang": "en"}}).OK()
	})
	f.is(got[0], J{"type": "thread_message", "thread_id": id, "message": withoutRecipients(r)}).Equal("message.sender_name", "bob")
	parent := r.Str("id")
	got, r = s.sameForAll("a reply", "thread_message", func() *Response {
		return t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "yes", "reply_to": parent}).OK()
	})
	f.is(got[0], J{"message": withoutRecipients(r)}).Equal("message.reply_to_message.content", "Thanks @ANN")

	got, r = s.sameForAll("an artifact", "thread_artifact", func() *Response {
		return t.Do("POST", thr(id, "/artifacts"), s.Ann, J{"artifact_key": "k", "type": "json", "content": "{'a': 1,}"}).OK()
	})
	f.is(got[0], J{"type": "thread_artifact", "thread_id": id, "artifact": r.JSON, "action": "added"})
	got, r = s.sameForAll("its next version", "thread_artifact", func() *Response {
		return t.Do("PATCH", thr(id, "/artifacts/k"), s.Bob, J{"content": "no json"}).OK()
	})
	f.is(got[0], J{"artifact": r.JSON, "action": "updated"}).Equal("artifact.version", 2)
}

func threadChangeEvents(t *T, s *liveFixture, id string) {
	f := s.feeds["bob"]
	got, r := s.sameForAll("a change of topic and context", "thread_updated", func() *Response { return t.patch(s.Bob, id, J{"topic": "new", "context": nil}) })
	f.is(got[0], J{"type": "thread_updated", "thread": r.JSON, "changes": []string{"context", "topic"}})
	got, r = s.sameForAll("a change of status", "thread_status_changed thread_updated", func() *Response { return t.patch(s.Bob, id, J{"status": "resolved"}) })
	f.is(got[0], J{"type": "thread_status_changed", "thread_id": id, "topic": "new", "from": "active", "to": "resolved", "by": s.Bob.ID})
	f.is(got[1], J{"thread": r.JSON, "changes": []string{"status", "resolved_at"}})
	got, _ = s.sameForAll("reopening with changes of settings", "thread_status_changed thread_updated", func() *Response {
		return t.patch(s.Ann, id, J{"status": "active", "permission_policy": J{"close": []string{"*"}}, "visibility": "public", "join_policy": "invite_only"})
	})
	f.is(got[1], J{"changes": []string{"status", "permission_policy", "visibility"}})
	got, _ = s.sameForAll("a PATCH without a change", "thread_updated", func() *Response { return t.patch(s.Ann, id, J{"visibility": "public"}) })
	f.is(got[0], J{"changes": []string{}})
}

func threadAdminEvents(t *T, s *liveFixture, id string) {
	f := s.feeds["bob"]
	admin := func(body J) func() *Response {
		return func() *Response { return t.Do("PATCH", othr(id), s.Admin, body).OK() }
	}
	got, _ := s.sameForAll("a change of status by an admin", "thread_status_changed", admin(J{"status": "closed", "close_reason": "timeout"}))
	f.is(got[0], J{"from": "active", "to": "closed", "by": "org:" + s.ID})
	got, r := s.sameForAll("a change of status and settings by an admin", "thread_status_changed thread_updated", admin(J{"status": "active", "visibility": "members", "join_policy": "open", "permission_policy": nil}))
	f.is(got[0], J{"from": "closed", "to": "active", "by": "org:" + s.ID})
	f.is(got[1], J{"thread": r.JSON, "changes": []string{"permission_policy", "visibility", "join_policy"}})
}

func participantEvents(t *T) {
	s := newLiveFixture(t)
	sub := s.addSockets()
	id := s.thread(nil)
	created := "thread_created thread_participant thread_participant"
	s.step("a new thread", map[string]string{"ann": created, "bob": created, "oa": "thread_created", "sub": "thread_created"}, func() {})
	sub.subscribe(J{"thread_id": id}) // only now: a new subscription may receive events that are still being delivered
	three := map[string]string{"ann": "thread_participant", "bob": "thread_participant", "cyd": "thread_participant", "sub": "thread_participant"}
	comes := func(what string, want J, label bool, do func()) {
		received := s.step(what, three, do)
		fr := s.sameFrames(what, received, "ann", "bob", "cyd", "sub")[0]
		r := s.feeds["cyd"].is(fr, with(J{"type": "thread_participant", "thread_id": id, "bot_id": s.Cyd.ID, "bot_name": "cyd", "action": "joined"}, want))
		if !label {
			r.Lacks("label")
		}
	}
	goes := func(what string, by any, do func()) {
		t.say(s.Ann, id, "seen by cyd")
		s.step("a message while cyd participates", map[string]string{"ann": "thread_message", "bob": "thread_message", "cyd": "thread_message", "sub": "thread_message"}, func() {})
		comes(what, J{"action": "left", "by": by}, false, do)
		s.step("a message after cyd left", map[string]string{"ann": "thread_message", "bob": "thread_message", "sub": "thread_message"}, func() { t.say(s.Ann, id, "not seen by cyd") })
	}
	invite := func(path string, c Caller, body J) func() {
		return func() { t.Do("POST", path, c, body).OK() }
	}
	remove := func(path string, c Caller) func() {
		return func() { t.Do("DELETE", path, c, nil).OK() }
	}
	comes("an invitation with a label", J{"by": s.Ann.ID, "label": "lead"}, true, invite(thr(id, "/participants"), s.Ann, J{"bot_id": "cyd", "label": "lead"}))
	goes("a removal", s.Bob.ID, remove(thr(id, "/participants/cyd"), s.Bob))
	comes("an invitation without a label", J{"by": s.Bob.ID, "label": nil}, true, invite(thr(id, "/participants"), s.Bob, J{"bot_id": s.Cyd.ID}))
	goes("leaving", s.Cyd.ID, remove(thr(id, "/participants/", s.Cyd.ID), s.Cyd))
	comes("joining", J{"by": s.Cyd.ID}, false, func() { t.Do("POST", thr(id, "/join"), s.Cyd, nil).OK() })
	goes("a removal by an admin", "org:"+s.ID, remove(othr(id, "/participants/cyd"), s.Human()))
	comes("an invitation by an admin", J{"by": "org:" + s.ID}, false, invite(othr(id, "/participants"), s.Human(), J{"bot_id": s.Cyd.ID}))
	goes("a removal by an admin bot", s.Admin.ID, remove(othr(id, "/participants/cyd"), s.Admin))
	comes("an invitation by an admin with a label", J{"by": "org:" + s.ID, "label": "x"}, true, invite(othr(id, "/participants"), s.Admin, J{"bot_id": s.Cyd.ID, "label": "x"}))
}

func joinEvents(t *T) {
	s := newLiveFixture(t)
	s.addSocket("ann", s.Ann)
	s.addSocket("cyd", s.Cyd)
	s.addSocket("oa", s.Human())
	id := s.thread(J{"join_policy": "approval"})
	created := "thread_created thread_participant thread_participant"
	s.step("a new thread", map[string]string{"ann": created, "oa": "thread_created"}, func() {})
	ask := func() (request string) {
		received := s.step("a join request", map[string]string{"ann": "thread_join_request"}, func() { request = t.Do("POST", thr(id, "/join"), s.Cyd, nil).Status(202).Str("request_id") })
		s.feeds["ann"].is(received["ann"][0], J{"type": "thread_join_request", "thread_id": id, "request_id": request, "bot_id": s.Cyd.ID, "bot_name": "cyd"})
		return request
	}
	resolved := func(fr Frame, request, status, by string) {
		s.feeds["cyd"].is(fr, J{"type": "thread_join_resolved", "thread_id": id, "request_id": request, "status": status, "by": by})
	}
	request := ask()
	received := s.step("a rejection", map[string]string{"cyd": "thread_join_resolved"}, func() { t.Do("POST", thr(id, "/join-requests/", request, "/reject"), s.Bob, nil).OK() })
	resolved(received["cyd"][0], request, "rejected", s.Bob.ID)
	request = ask()
	received = s.step("a change to invite_only", map[string]string{"ann": "thread_updated", "cyd": "thread_join_resolved"}, func() { t.patch(s.Ann, id, J{"join_policy": "invite_only"}) })
	resolved(received["cyd"][0], request, "rejected", s.Ann.ID)
	t.patch(s.Ann, id, J{"join_policy": "approval"})
	s.step("a change back to approval", map[string]string{"ann": "thread_updated"}, func() {})
	request = ask()
	received = s.step("an approval", map[string]string{"ann": "thread_participant", "cyd": "thread_participant thread_join_resolved"}, func() { t.Do("POST", thr(id, "/join-requests/", request, "/approve"), s.Bob, nil).OK() })
	s.feeds["cyd"].is(received["cyd"][0], J{"bot_id": s.Cyd.ID, "action": "joined", "by": s.Bob.ID}).Lacks("label")
	resolved(received["cyd"][1], request, "approved", s.Bob.ID)
}
