package conformance

import "fmt"

func opChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-020", "B2B-WS-021"}, "direct messages can be sent over WebSocket", directMessageOps},
		{[]string{"B2B-WS-020", "B2B-WS-021"}, "threads, messages and artifacts can be created and changed over WebSocket", threadOps},
		{[]string{"B2B-WS-020", "B2B-WS-021"}, "participants can be invited and removed, join and leave over WebSocket", participantOps},
		{[]string{"B2B-WS-022"}, "an owner socket acts as the bot, adds provenance and cannot send direct messages", func(t *T) {
			s := newLiveFixture(t)
			id := s.thread(nil)
			channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
			owner := t.open("ann's owner", t.Login(J{"type": "bot", "token": string(s.Ann.Token), "owner_name": "Olga"}))
			owner.refuses("DM_SEND_BLOCKED", J{"type": "send_dm", "to": "bob", "content": "x"})
			owner.refuses("DM_SEND_BLOCKED", J{"type": "send", "channel_id": channel, "content": "x"})
			m := owner.do(J{"type": "send_thread_message", "thread_id": id, "content": "by a person", "metadata": J{"lang": "en"}}).Str("result.message_id")
			owner.asResponse(owner.next("thread_message")).Equal("message.id", m).Equal("message.sender_id", s.Ann.ID).
				Equal("message.metadata", J{"lang": "en", "provenance": J{"authored_by": "human", "owner_name": "Olga", "auth_mode": "web_ui"}})
		}},
		{[]string{"B2B-WS-031"}, "an object or array as content is converted to text", contentOfObjects},
		{[]string{"B2B-WS-032"}, "send takes its content from parts, and ignores parts that are not an array", messageParts},
		{[]string{"B2B-WS-023"}, "operations with the same request_id take effect once", func(t *T) {
			s := newLiveFixture(t)
			ann := s.addSocket("ann", s.Ann)
			id := s.thread(nil)
			op := J{"type": "send_thread_message", "thread_id": id, "content": "once", "request_id": requestID()}
			first := ann.do(op).Value("result")
			ann.do(op).Equal("result", first)
			ann.refuses("IDEMPOTENCY_KEY_REUSED", with(op, J{"content": "twice"}))
			t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "once", "request_id": op["request_id"]}).OK().Equal("id", first.(map[string]any)["message_id"])
			t.Get(thr(id, "/messages"), s.Ann).OK().Len("", 1)
		}},
	}
}

func directMessageOps(t *T) {
	s := newLiveFixture(t)
	ann, bob := s.addSocket("ann", s.Ann), s.addSocket("bob", s.Bob)
	var r *Response
	received := s.step("send_dm", map[string]string{"ann": "channel_created message", "bob": "channel_created message"}, func() {
		r = ann.do(J{"type": "send_dm", "to": "bob", "content": "ping", "content_type": "note"})
	})
	fr := s.sameFrames("send_dm", received, "ann", "bob")[1]
	bob.is(fr, J{"sender_name": "ann"}).Equal("message.content", "ping").Equal("message.content_type", "note")
	acked := func(r *Response, fr Frame) {
		r.acked(J{"resource_id": fr.str("message.id"), "message_id": fr.str("message.id"), "channel_id": fr.str("channel_id"), "timestamp": fr.JSON["message"].(map[string]any)["created_at"]})
	}
	acked(r, fr)
	received = s.step("send", map[string]string{"ann": "message", "bob": "message"}, func() {
		r = bob.do(J{"type": "send", "channel_id": fr.str("channel_id"), "parts": []any{J{"type": "markdown", "content": "*pong*"}}})
	})
	fr = s.sameFrames("send", received, "ann", "bob")[0]
	ann.is(fr, J{"sender_name": "bob"}).Equal("message.content", "*pong*")
	acked(r, fr)
	received = s.step("send with content and no parts", map[string]string{"ann": "message", "bob": "message"}, func() {
		bob.do(J{"type": "send", "channel_id": fr.str("channel_id"), "content": "after", "parts": []any{}})
	})
	ann.is(received["ann"][0], J{}).Equal("message.content", "after")
	s.auditedAs("message.send", fr.str("message.id"), s.Bob.ID, J{"channel_id": fr.str("channel_id"), "via": "ws"})
}

func messageParts(t *T) {
	s := newLiveFixture(t)
	ann, id := t.open("ann", s.Ann), s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	parts := []any{J{"type": "text", "content": "of the part"}}
	sent := func(want string, members J) {
		ann.do(with(J{"type": "send", "channel_id": channel}, members))
		ann.asResponse(ann.next("message")).Equal("message.content", want)
	}
	ann.next("message")
	sent("of the part", J{"content": "", "parts": parts})
	sent("itself", J{"content": "itself", "parts": "not an array"})
	ann.refuses("VALIDATION_ERROR", J{"type": "send", "channel_id": channel, "content": ""})
	ann.refuses("VALIDATION_ERROR", J{"type": "send", "channel_id": channel, "parts": "not an array"})
	for _, op := range []J{{"type": "send_dm", "to": "bob"}, {"type": "send_thread_message", "thread_id": id}} {
		ann.refuses("VALIDATION_ERROR", with(op, J{"content": "", "parts": parts}))
		ann.refuses("VALIDATION_ERROR", with(op, J{"content": "itself", "parts": "not an array"}))
	}
}

// contentOfObjects checks which operations convert an object or array to text.
func contentOfObjects(t *T) {
	s := newLiveFixture(t)
	ann, id := t.open("ann", s.Ann), s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	ann.next("message")
	for _, c := range []struct {
		content any
		want    string
	}{
		{"plain", "plain"},
		{J{"text": "its text", "more": 1}, "its text"},
		{J{"text": 5}, `{"text":5}`},
		{J{"k": []int{1}}, `{"k":[1]}`},
		{[]any{"a", 1}, `["a",1]`},
	} {
		ann.do(J{"type": "send_dm", "to": "bob", "content": c.content})
		ann.asResponse(ann.next("message")).Equal("message.content", c.want)
		ann.do(J{"type": "send_thread_message", "thread_id": id, "content": c.content})
		ann.asResponse(ann.next("thread_message")).Equal("message.content", c.want)
		if _, text := c.content.(string); !text {
			ann.refuses("VALIDATION_ERROR", J{"type": "send", "channel_id": channel, "content": c.content})
		}
	}
	ann.send(Raw(`{"type": "send_dm", "to": "bob", "content": { "z" : 1.0, "a" : [ ] }}`))
	ann.asResponse(ann.next("message")).Equal("message.content", `{"z":1.0,"a":[]}`)
}

// acked asserts members of the result of an ack.
func (r *Response) acked(want J) *Response {
	for k, v := range want {
		r.Equal("result."+k, v)
	}
	return r
}

func threadOps(t *T) {
	s := newLiveFixture(t)
	ann, bob := s.addSocket("ann", s.Ann), s.addSocket("bob", s.Bob)
	both := func(types string) map[string]string { return map[string]string{"ann": types, "bob": types} }
	one := func(types string, k *Socket, op J) (ack *Response, received []Frame) {
		frames := s.step(fmt.Sprint(op["type"]), both(types), func() { ack = k.do(op) })
		return ack, s.sameFrames(fmt.Sprint(op["type"]), frames, "ann", "bob")
	}
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	s.step("a channel", both("channel_created message"), func() {})
	ack, received := one("thread_created thread_participant thread_participant", ann, J{
		"type": "thread_create", "topic": " work ", "tags": []string{" a ", ""}, "participants": []string{"bob"}, "channel_id": channel, "context": J{"k": 1},
		"visibility": "private", "join_policy": "approval", "permission_policy": J{"write": []string{}},
	})
	id := received[0].str("thread.id")
	ack.acked(J{"resource_id": id, "thread_id": id, "topic": "work", "revision": 1, "timestamp": received[0].JSON["thread"].(map[string]any)["created_at"]})
	ann.asResponse(received[0]).Equal("thread.visibility", "public").Equal("thread.join_policy", "open").Equal("thread.permission_policy", nil).Equal("thread.tags", []string{"a"}).
		Equal("thread.channel_id", channel).Equal("thread.context", `{"k":1}`)

	ack, received = one("thread_updated", bob, J{"type": "thread_update", "thread_id": id, "topic": "new", "context": "c", "expected_revision": 1, "visibility": "private"})
	ann.asResponse(received[0]).Equal("thread.visibility", "public")
	ack.acked(J{"resource_id": id, "thread_id": id, "changes": []string{"context", "topic"}, "revision": 3, "timestamp": received[0].JSON["thread"].(map[string]any)["updated_at"]})
	ack, received = one("thread_status_changed thread_updated", ann, J{"type": "thread_update", "thread_id": id, "status": "closed", "close_reason": "error"})
	ack.acked(J{"changes": []string{"status", "close_reason"}, "revision": 4})
	ann.is(received[0], J{"from": "active", "to": "closed", "by": s.Ann.ID})
	s.auditedAs("thread.status_changed", id, s.Ann.ID, J{"from": "active", "to": "closed", "close_reason": "error", "via": "ws"})
	one("thread_status_changed thread_updated", ann, J{"type": "thread_update", "thread_id": id, "status": "active"})

	ack, received = one("thread_message", bob, J{"type": "send_thread_message", "thread_id": id, "content": "hi @ann", "metadata": []any{1}, "content_type": "note"})
	m := received[0].str("message.id")
	ack.acked(J{"resource_id": m, "message_id": m, "thread_id": id, "timestamp": received[0].JSON["message"].(map[string]any)["created_at"]})
	ann.asResponse(received[0]).Equal("message.mentions", []J{{"bot_id": s.Ann.ID, "name": "ann"}}).Equal("message.metadata", []any{1}).Equal("message.content_type", "note")
	_, received = one("thread_message", ann, J{"type": "send_thread_message", "thread_id": id, "parts": []any{J{"type": "link", "url": "/x"}}, "reply_to": m})
	ann.asResponse(received[0]).Equal("message.content", "[link]").Equal("message.reply_to_message.id", m)
	s.auditedAs("message.send", received[0].str("message.id"), s.Ann.ID, J{"thread_id": id, "via": "ws"})

	ack, received = one("thread_artifact", ann, J{"type": "artifact_add", "thread_id": id, "artifact_key": "k", "artifact_type": "json", "title": "T", "content": "{'a':1}", "language": "l", "url": "u", "mime_type": "m"})
	a := received[0].str("artifact.id")
	ack.acked(J{"resource_id": a, "thread_id": id, "artifact_key": "k", "version": 1, "timestamp": received[0].JSON["artifact"].(map[string]any)["created_at"]})
	ann.is(received[0], J{"action": "added"}).Equal("artifact.type", "json").Equal("artifact.content", `{"a":1}`).Equal("artifact.title", "T").Equal("artifact.language", "l").Equal("artifact.url", "u").Equal("artifact.mime_type", "m")
	ack, received = one("thread_artifact", bob, J{"type": "artifact_update", "thread_id": id, "artifact_key": "k", "content": "2"})
	ack.acked(J{"resource_id": received[0].str("artifact.id"), "thread_id": id, "artifact_key": "k", "version": 2, "timestamp": received[0].JSON["artifact"].(map[string]any)["updated_at"]})
	ann.is(received[0], J{"action": "updated"}).Equal("artifact.title", "T")
	_, received = one("thread_artifact", bob, J{"type": "artifact_update", "thread_id": id, "artifact_key": "k", "content": "3", "title": nil})
	ann.asResponse(received[0]).Equal("artifact.title", nil)
	s.auditedAs("artifact.update", received[0].str("artifact.id"), s.Bob.ID, J{"thread_id": id, "artifact_key": "k", "version": 3, "via": "ws"})
}

func participantOps(t *T) {
	s := newLiveFixture(t)
	ann, cyd := s.addSocket("ann", s.Ann), s.addSocket("cyd", s.Cyd)
	id := s.thread(nil)
	s.step("a thread", map[string]string{"ann": "thread_created thread_participant thread_participant"}, func() {})
	two := map[string]string{"ann": "thread_participant", "cyd": "thread_participant"}
	var ack *Response
	moves := func(k *Socket, op, result, event J) {
		what := fmt.Sprint(op["type"])
		received := s.step(what, two, func() { ack = k.do(with(J{"thread_id": id}, op)) })
		ack.acked(with(J{"resource_id": id, "thread_id": id}, result)).Shape("result", "timestamp:i")
		ann.is(s.sameFrames(what, received, "ann", "cyd")[0], with(J{"bot_id": s.Cyd.ID, "bot_name": "cyd"}, event))
	}
	moves(ann, J{"type": "thread_invite", "bot_id": "cyd", "label": "lead"}, J{"bot_id": s.Cyd.ID, "already_joined": false}, J{"action": "joined", "label": "lead", "by": s.Ann.ID})
	s.auditedAs("thread.invite", id, s.Ann.ID, J{"invited_bot_id": s.Cyd.ID, "invited_bot_name": "cyd", "via": "ws"})
	s.step("inviting again", nil, func() {
		ann.do(J{"type": "thread_invite", "thread_id": id, "bot_id": s.Cyd.ID}).acked(J{"thread_id": id, "bot_id": s.Cyd.ID, "already_joined": true})
		cyd.do(J{"type": "thread_join", "thread_id": id}).acked(J{"resource_id": id, "thread_id": id, "status": "already_joined"}).Shape("result", "timestamp:i")
	})
	moves(ann, J{"type": "thread_remove_participant", "bot_id": "cyd"}, J{"bot_id": s.Cyd.ID}, J{"action": "left", "by": s.Ann.ID})
	s.auditedAs("thread.remove_participant", id, s.Ann.ID, J{"removed_bot_id": s.Cyd.ID, "removed_bot_name": "cyd", "via": "ws"})
	moves(cyd, J{"type": "thread_join"}, J{"status": "joined"}, J{"action": "joined", "by": s.Cyd.ID})
	ack.Shape("result", "joined_at:i")
	s.auditedAs("thread.join", id, s.Cyd.ID, J{"via": "ws"})
	moves(cyd, J{"type": "thread_leave"}, nil, J{"action": "left", "by": s.Cyd.ID})
	s.auditedAs("thread.leave", id, s.Cyd.ID, J{"via": "ws"})
	moves(cyd, J{"type": "thread_join"}, J{"status": "joined"}, J{"action": "joined"})
	moves(cyd, J{"type": "thread_remove_participant", "bot_id": s.Cyd.ID}, J{"bot_id": s.Cyd.ID}, J{"action": "left", "by": s.Cyd.ID})

	shut := s.thread(J{"join_policy": "approval"})
	s.step("a thread with join approval", map[string]string{"ann": "thread_created thread_participant thread_participant"}, func() {})
	received := s.step("a join request", map[string]string{"ann": "thread_join_request"}, func() { ack = cyd.do(J{"type": "thread_join", "thread_id": shut}) })
	ack.acked(J{"resource_id": shut, "thread_id": shut, "status": "pending", "request_id": received["ann"][0].str("request_id")}).Lacks("result.joined_at", "result.timestamp")
	cyd.refuses("ALREADY_REQUESTED", J{"type": "thread_join", "thread_id": shut})
}
