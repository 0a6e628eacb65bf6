package conformance

import "fmt"

// exactCollabChecks compare the keys of messages, threads, artifacts, frames, events and catch-up
// with exactShapes.
func exactCollabChecks() []Check {
	return []Check{
		{[]string{"B2B-HTTP-018"}, "messages, threads and artifacts have exactly the specified keys", exactCollab},
		{[]string{"B2B-HTTP-018", "B2B-WS-021"}, "acks and error frames have exactly the specified keys", exactOps},
		{[]string{"B2B-HTTP-018"}, "events have exactly the specified keys", exactEvents},
		{[]string{"B2B-HTTP-018"}, "catch-up events have exactly the specified keys", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			t.say(h.Ann, id, "x")
			t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "k"}).OK()
			t.patch(h.Ann, id, J{"status": "blocked"})
			t.Do("DELETE", thr(id, "/participants/bob"), h.Ann, nil).OK().exactly("", "ok")
			t.dm(h.Ann, "bob", "x")
			t.Get("/api/me/catchup?since=0&limit=2", h.Bob).OK().exactly("", "catch-up").Has("cursor")
			r := t.Get("/api/me/catchup?since=0", h.Bob).OK().exactly("", "catch-up").Lacks("cursor").Len("events", 6)
			for i := range r.List("events") {
				at := fmt.Sprint("events.", i)
				r.exactly(at, "missed "+r.Str(at+".type"))
			}
			t.Get("/api/me/catchup/count?since=0", h.Bob).OK().exactly("", "catch-up count").Equal("total", 6)
		}},
	}
}

func exactCollab(t *T) {
	h := newFixture(t)
	sent := t.dm(h.Ann, "bob", "hi").exactly("", "sent").exactly("message", "channel message").exactly("recipients", "recipients").each("recipients.addressed", "recipient")
	channel := "/api/channels/" + sent.Str("channel_id")
	t.Get(channel, h.Bob).OK().exactly("", "channel and members").each("members", "member")
	t.Get(channel+"/messages", h.Bob).OK().each("", "channel history")
	t.Get(query(channel+"/messages", "before", unusedID), h.Human()).OK().exactly("", "page of messages").each("messages", "channel history")
	t.Get("/api/bots/ann/channels", h.Ann).OK().each("", "channel of a bot").each("0.members", "member")
	t.Get("/api/inbox?since=0", h.Bob).OK().each("", "inbox row")

	made := h.create(J{"tags": []string{"x"}, "context": J{"a": 1}, "permission_policy": J{"write": []string{"*"}}, "join_policy": "approval"}).OK().exactly("", "thread")
	id := made.Str("id")
	t.Get("/api/threads", h.Ann).OK().each("", "thread in a list")
	t.Get("/api/threads?limit=5", h.Ann).OK().exactly("", "page").each("items", "thread in a list")
	t.Get("/api/threads?scope=org", h.Cyd).OK().exactly("", "page").each("items", "thread of the org")
	t.Get(thr(id), h.Ann).OK().exactly("", "thread and members").each("participants", "participant")
	t.Get(othr(id), h.Human()).OK().exactly("", "thread and members").each("participants", "participant")
	t.Get("/api/org/threads", h.Human()).OK().each("", "thread and members")
	t.Get("/api/org/threads?limit=5", h.Human()).OK().exactly("", "page").each("items", "thread and members")
	t.patch(h.Ann, id, J{"topic": "new"}).exactly("", "thread")
	t.Do("PATCH", othr(id), h.Human(), J{"visibility": "public"}).OK().exactly("", "thread")

	first := t.say(h.Ann, id, "hello @bob @nobody").exactly("", "sent thread message").each("recipients.addressed", "recipient").each("recipients.not_reached", "not reached").each("mentions", "mention").Lacks("reply_to_message")
	reply := J{"content": "yes", "reply_to": first.Str("id"), "metadata": J{"a": 1}, "parts": []J{{"type": "text", "content": "yes"}}}
	t.Do("POST", thr(id, "/messages"), h.Bob, reply).OK().exactly("", "sent thread message").exactly("reply_to_message", "replied to")
	t.Get(thr(id, "/messages"), h.Bob).OK().each("", "thread message")
	t.Get(thr(id, "/messages?cursor="), h.Bob).OK().exactly("", "page").each("items", "thread message")
	t.Get(othr(id, "/messages"), h.Human()).OK().each("", "thread message")
	t.Get(query(othr(id, "/messages"), "before", unusedID), h.Human()).OK().exactly("", "page of messages").each("messages", "thread message")
	if found := t.Get("/api/org/search?q=hello", h.Human()); found.StatusCode() != 404 { // a server may not have it
		found.OK().exactly("", "found").each("messages", "found message")
	}

	art := thr(id, "/artifacts")
	t.Do("POST", art, h.Ann, J{"artifact_key": "k", "type": "json", "content": "{}"}).OK().exactly("", "artifact")
	t.Do("PATCH", art+"/k", h.Bob, J{"content": "{"}).OK().exactly("", "artifact")
	t.Get(art, h.Bob).OK().each("", "artifact")
	t.Get(art+"/k/versions", h.Bob).OK().each("", "artifact").Len("", 2)
	t.Get(othr(id, "/artifacts?limit=1"), h.Human()).OK().exactly("", "page").each("items", "artifact")

	join := thr(id, "/join")
	asked := t.Do("POST", join, h.Cyd, nil).Status(202).exactly("", "join pending").Str("request_id")
	t.Do("POST", join, h.Cyd, nil).Refused(409, "ALREADY_REQUESTED").exactly("", "already requested")
	t.Get(thr(id), h.Cyd).Refused(403, "JOIN_REQUIRED").exactly("", "join required")
	t.Get(thr(id, "/join-requests"), h.Ann).OK().each("", "join request")
	t.Do("POST", thr(id, "/join-requests/"+asked+"/reject"), h.Ann, nil).OK().exactly("", "join decided")
	asked = t.Do("POST", join, h.Cyd, nil).Status(202).Str("request_id")
	t.Do("POST", thr(id, "/join-requests/"+asked+"/approve"), h.Ann, nil).OK().exactly("", "joined")
	t.Do("POST", join, h.Cyd, nil).OK().exactly("", "join decided")
	t.Do("DELETE", thr(id, "/participants/cyd"), h.Ann, nil).OK().exactly("", "ok")
	t.Do("POST", thr(id, "/participants"), h.Ann, J{"bot_id": "cyd", "label": "x"}).OK().exactly("", "invited")
	t.Do("DELETE", othr(id, "/participants/cyd"), h.Human(), nil).OK().exactly("", "ok")
	t.Do("POST", othr(id, "/participants"), h.Human(), J{"bot_id": h.Cyd.ID}).OK().exactly("", "invited")
	t.Do("POST", thr(h.thread(nil), "/join"), h.Cyd, nil).OK().exactly("", "joined")

	w := t.Get("/api/me/workspace", h.Ann).OK().exactly("", "workspace").exactly("bot", "bot").exactly("dms", "page").exactly("threads", "page")
	w.each("dms.items", "workspace channel").exactly("dms.items.0.channel", "channel").exactly("dms.items.0.counterpart_bot", "counterpart").
		exactly("dms.items.0.last_message_preview", "preview").each("threads.items", "thread in a list")
}

func exactOps(t *T) {
	h := newFixture(t)
	ann, cyd := t.open("ann", h.Ann), t.open("cyd", h.Cyd)
	ann.asResponse(ann.next("pong")).exactly("", "pong")
	done := func(k *Socket, shape string, op J) *Response {
		return k.do(op).exactly("", "ack").exactly("result", shape)
	}
	op := func(k *Socket, kind string, fields J) *Response {
		return done(k, "ack of "+kind, with(fields, J{"type": kind}))
	}
	channel := op(ann, "send_dm", J{"to": "bob", "content": "x"}).Str("result.channel_id")
	op(ann, "send", J{"channel_id": channel, "content": "x"})
	id := op(ann, "thread_create", J{"topic": "x", "participants": []string{"bob"}}).Str("result.thread_id")
	in := func(fields J) J { return with(fields, J{"thread_id": id}) }
	op(ann, "thread_update", in(J{"topic": "y"}))
	op(ann, "send_thread_message", in(J{"content": "x"}))
	op(ann, "artifact_add", in(J{"artifact_key": "k", "content": "x"}))
	op(ann, "artifact_update", in(J{"artifact_key": "k", "content": "y"}))
	op(cyd, "thread_join", in(nil))
	done(cyd, "ack of thread_join, in already", in(J{"type": "thread_join"}))
	op(cyd, "thread_leave", in(nil))
	op(ann, "thread_invite", in(J{"bot_id": "cyd"}))
	op(ann, "thread_invite", in(J{"bot_id": "cyd"})).Equal("result.already_joined", true)
	op(ann, "thread_remove_participant", in(J{"bot_id": "cyd"}))
	t.patch(h.Ann, id, J{"join_policy": "approval"})
	done(cyd, "ack of thread_join, asked", in(J{"type": "thread_join"}))
	for code, fields := range map[string]J{
		"ALREADY_REQUESTED": {"type": "thread_join"}, "JOIN_REQUIRED": {"type": "send_thread_message", "content": "x"}, "VALIDATION_ERROR": {"type": "send_dm", "to": "bob"},
		"NOT_FOUND": {"type": "send_dm", "to": "nobody", "content": "x"},
	} {
		cyd.refuses(code, in(fields)).exactly("", "error frame")
	}
}

func exactEvents(t *T) {
	s := newLiveFixture(t)
	sub := s.addSockets()
	seen := map[string]bool{}
	look := func(do func(), also map[string]string) { s.exactFrames(sub, seen, do, also) }
	look(func() { t.dm(s.Ann, "bob", "x") }, map[string]string{"message": "channel message", "channel": "channel"})
	var id string
	look(func() { id = s.thread(J{"join_policy": "approval"}) }, map[string]string{"thread": "thread"})
	sub.subscribe(J{"thread_id": id})
	thread := map[string]string{"thread": "thread", "message": "thread message", "artifact": "artifact"}
	look(func() {
		t.say(s.Bob, id, "x @ann")
		t.Do("POST", thr(id, "/artifacts"), s.Ann, J{"artifact_key": "k"}).OK()
		t.Do("PATCH", thr(id, "/artifacts/k"), s.Ann, J{"content": "x"}).OK()
		t.patch(s.Ann, id, J{"status": "reviewing", "topic": "y"})
		t.Do("PATCH", othr(id), s.Human(), J{"status": "active", "visibility": "members"}).OK()
		t.Do("POST", thr(id, "/participants"), s.Ann, J{"bot_id": "cyd", "label": "x"}).OK()
		t.Do("DELETE", thr(id, "/participants/cyd"), s.Ann, nil).OK()
		asked := t.Do("POST", thr(id, "/join"), s.Cyd, nil).Status(202).Str("request_id")
		t.Do("POST", thr(id, "/join-requests/"+asked+"/reject"), s.Ann, nil).OK()
	}, thread)
	look(func() {
		newbie := s.PendingBot("newbie")
		newbie.SetStatus("active")
		t.Do("PATCH", "/api/me/name", newbie, J{"name": "newbie2"}).OK()
		t.Do("DELETE", "/api/me", newbie, nil).OK()
	}, map[string]string{"bot": "bot of an event"})
	for _, kind := range []string{
		"message", "channel_created", "bot_registered", "bot_join_request", "bot_status_changed", "bot_renamed", "bot_offline", "thread_created", "thread_updated",
		"thread_status_changed", "thread_message", "thread_artifact", "thread_participant", "thread_join_request", "thread_join_resolved",
	} {
		if !seen[kind] && kind != "bot_renamed" { // every marker is a bot_renamed
			t.Errorf("no %s event was received", kind)
		}
	}
	_, mark := s.feeds["ann"].seek("mark", isMarker(s.mark()))
	sub.asResponse(mark).exactly("", "event bot_renamed")
	passerby := s.Bot("passerby")
	t.open("passerby", passerby)
	_, online := s.feeds["ann"].seek("bot_online of passerby", func(fr Frame) bool { return fr.kind() == "bot_online" && fr.str("bot.id") == passerby.ID })
	sub.asResponse(online).exactly("", "event bot_online").exactly("bot", "bot of an event").Lacks("cursor")
}

// exactFrames asserts that the frames of all feeds that do causes have exactly the keys of their
// events. also names the exact objects at paths of the frames. It adds the kinds of events to seen.
func (s *liveFixture) exactFrames(sub *Socket, seen map[string]bool, do func(), also map[string]string) {
	do()
	mark := s.mark()
	for _, f := range s.feeds {
		for _, fr := range f.upTo(mark) {
			r := sub.asResponse(fr).exactly("", "event "+fr.kind())
			for path, name := range also {
				if _, there := r.find(path); there {
					r.exactly(path, name)
				}
			}
			seen[fr.kind()] = true
		}
	}
}
