package conformance

import "strings"

func opRefusalChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-024", "B2B-WS-016"}, "invalid operations get the specified error codes", opMatrix},
		{[]string{"B2B-WS-024"}, "operations are validated in the specified order", opOrder},
		{[]string{"B2B-WS-025"}, "every operation has the same error for a hidden thread and an unknown one", func(t *T) {
			s := newLiveFixture(t)
			cyd := t.open("cyd", s.Cyd)
			other := newFixture(t)
			strangers := []*Socket{cyd, t.open("a stranger", other.Ann)}
			private, members := s.thread(J{"visibility": "private"}), s.thread(J{"visibility": "members"})
			closed, public := s.thread(J{"visibility": "members"}), s.thread(nil)
			s.setStatus(closed, "closed")
			for _, op := range threadOperations() {
				unknown := cyd.refuses("NOT_FOUND", with(op, J{"thread_id": unusedID})).Str("message")
				for _, id := range []string{private, members, closed} {
					for i, k := range strangers {
						if op["type"] == "thread_join" && id != private && i == 0 {
							continue // only private threads are hidden from a bot that wants to join
						}
						k.refuses("NOT_FOUND", with(op, J{"thread_id": id})).Equal("message", unknown)
					}
				}
				strangers[1].refuses("NOT_FOUND", with(op, J{"thread_id": public})).Equal("message", unknown)
			}
		}},
		{[]string{"B2B-WS-026"}, "the scopes of a token apply to operations over WebSocket", func(t *T) {
			s := newLiveFixture(t)
			id := s.thread(nil)
			channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
			can := map[string]*Socket{}
			for _, scope := range []string{"read", "profile", "message", "thread", "full"} {
				can[scope] = t.open("ann with the scope "+scope, s.Ann.Scoped(scope))
			}
			can["owner"] = t.open("an owner with the scope read", t.Login(J{"type": "bot", "token": string(s.Ann.Scoped("read"))}))
			refused := func(op J, scopes ...string) {
				for _, scope := range scopes {
					can[scope].refuses("INSUFFICIENT_SCOPE", op)
				}
			}
			for _, op := range []J{{"type": "send_dm", "to": "bob", "content": "x"}, {"type": "send", "channel_id": channel, "content": "x"}} {
				refused(op, "read", "profile", "thread")
				refused(J{"type": op["type"]}, "read", "profile", "thread")
				can["message"].do(op)
				can["full"].do(op)
			}
			for _, op := range threadOperations() {
				refused(with(op, J{"thread_id": id}), "read", "profile", "message", "owner")
				refused(J{"type": op["type"]}, "read", "profile", "message", "owner")
			}
			refused(J{"type": "thread_create", "topic": "x"}, "read", "profile", "message", "owner")
			can["thread"].do(J{"type": "send_thread_message", "thread_id": id, "content": "x"})
			can["full"].do(J{"type": "thread_create", "topic": "x"})
			for scope, k := range can {
				if k.ping(); !k.open() {
					k.errorf("with the scope %s the connection was closed", scope)
				}
			}
		}},
		{[]string{"B2B-WS-027"}, "the limits of messages and threads are the same over WebSocket and REST", func(t *T) {
			s := newLiveFixture(t)
			id := s.thread(nil)
			ann := t.open("ann", s.Ann)
			s.Settings(J{"messages_per_minute_per_bot": 3, "threads_per_hour_per_bot": 2})
			t.say(s.Ann, id, "x")
			ann.refuses("VALIDATION_ERROR", J{"type": "send_thread_message", "thread_id": id, "content": ""})
			ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "x"})
			channel := ann.do(J{"type": "send_dm", "to": "bob", "content": "x"}).Str("result.channel_id")
			limited := func(op J) {
				if wait := ann.refuses("RATE_LIMITED", op).Num("retry_after"); wait < 1 || wait > 3600 || wait != float64(int(wait)) {
					ann.errorf("retry_after is %v", wait)
				}
			}
			limited(J{"type": "send_thread_message", "thread_id": id, "content": "x"})
			limited(J{"type": "send_dm", "to": "bob", "content": "x"})
			limited(J{"type": "send", "channel_id": channel, "content": "x"})
			t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "x"}).Refused(429, "RATE_LIMITED")
			ann.do(J{"type": "thread_create", "topic": "x"})
			limited(J{"type": "thread_create", "topic": "x"})
		}},
	}
}

// threadOperations returns one valid frame of each operation on a thread, without thread_id.
func threadOperations() []J {
	return []J{
		{"type": "send_thread_message", "content": "x"},
		{"type": "thread_update", "topic": "x"},
		{"type": "thread_invite", "bot_id": "bob"},
		{"type": "thread_join"},
		{"type": "thread_leave"},
		{"type": "thread_remove_participant", "bot_id": "bob"},
		{"type": "artifact_add", "artifact_key": "k", "content": "x"},
		{"type": "artifact_update", "artifact_key": "k", "content": "x"},
	}
}

func opMatrix(t *T) {
	s := newLiveFixture(t)
	ann, cyd := t.open("ann", s.Ann), t.open("cyd", s.Cyd)
	late := s.PendingBot("late")
	id, over, mute := s.thread(nil), s.thread(nil), s.thread(J{"permission_policy": J{"write": []string{}, "invite": []string{}, "remove": []string{}, "resolve": []string{}}})
	s.setStatus(over, "resolved")
	invited, lone := s.thread(J{"join_policy": "invite_only"}), s.thread(J{"participants": []string{}})
	t.Do("POST", thr(id, "/artifacts"), s.Ann, J{"artifact_key": "taken", "content": "x"}).OK()
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	long := strings.Repeat("x", 65537)

	for _, c := range []struct {
		k    *Socket
		code string
		text string // must be in message
		op   J
	}{
		{cyd, "FORBIDDEN", "Not a member", J{"type": "send", "channel_id": channel, "content": "x"}},
		{ann, "FORBIDDEN", "Not a member", J{"type": "send", "channel_id": unusedID, "content": "x"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send", "channel_id": channel, "parts": []any{J{"type": "bogus"}}}},
		{ann, "VALIDATION_ERROR", "content or parts is required", J{"type": "send", "channel_id": channel}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send", "channel_id": channel, "content": long}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "content": "x"}},
		{ann, "VALIDATION_ERROR", "content or parts is required", J{"type": "send_dm", "to": "bob"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "to": "bob", "content": "x", "content_type": strings.Repeat("x", 129)}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "to": "bob", "content": "x", "parts": "x"}},
		{ann, "NOT_FOUND", "", J{"type": "send_dm", "to": "nobody", "content": "x"}},
		{ann, "VALIDATION_ERROR", "Cannot send to yourself", J{"type": "send_dm", "to": "ann", "content": "x"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "to": "bob", "content": long}},

		{ann, "WRITE_PERMISSION_DENIED", "", J{"type": "send_thread_message", "thread_id": mute, "content": "x"}},
		{ann, "VALIDATION_ERROR", "content or parts is required", J{"type": "send_thread_message", "thread_id": id}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_thread_message", "thread_id": id, "content": long}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_thread_message", "thread_id": id, "content": "x", "metadata": strings.Repeat("x", 16385)}},
		{ann, "VALIDATION_ERROR", "", J{"type": "send_thread_message", "thread_id": id, "content": "x", "reply_to": 5}},
		{ann, "NOT_FOUND", "", J{"type": "send_thread_message", "thread_id": id, "content": "x", "reply_to": unusedID}},

		{ann, "VALIDATION_ERROR", "", J{"type": "thread_create"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": " "}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": "x", "tags": "x"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": "x", "participants": []string{"nobody"}}},
		{ann, "BOT_NOT_ACTIVE", "", J{"type": "thread_create", "topic": "x", "participants": []string{late.ID}}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": "x", "channel_id": unusedID}},

		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id, "visibility": "private"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id, "topic": "x", "expected_revision": "1"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id, "topic": ""}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id, "status": "bogus"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id, "status": "closed"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": id, "status": "blocked", "close_reason": "error"}},
		{ann, "INVALID_TRANSITION", "", J{"type": "thread_update", "thread_id": id, "status": "active"}},
		{ann, "FORBIDDEN", "", J{"type": "thread_update", "thread_id": mute, "status": "resolved"}},
		{ann, "REVISION_CONFLICT", "", J{"type": "thread_update", "thread_id": id, "topic": "x", "expected_revision": 99}},

		{ann, "VALIDATION_ERROR", "", J{"type": "thread_invite", "thread_id": id}},
		{ann, "VALIDATION_ERROR", "", J{"type": "thread_invite", "thread_id": id, "bot_id": "cyd", "label": 5}},
		{ann, "FORBIDDEN", "", J{"type": "thread_invite", "thread_id": mute, "bot_id": "cyd"}},
		{ann, "NOT_FOUND", "", J{"type": "thread_invite", "thread_id": id, "bot_id": "nobody"}},
		{ann, "BOT_NOT_ACTIVE", "", J{"type": "thread_invite", "thread_id": id, "bot_id": late.ID}},
		{ann, "CONFLICT", "", J{"type": "thread_invite", "thread_id": id, "bot_id": "bob", "label": nil}},

		{cyd, "INVITE_ONLY", "", J{"type": "thread_join", "thread_id": invited}},
		{cyd, "THREAD_CLOSED", "", J{"type": "thread_join", "thread_id": over}},
		{ann, "VALIDATION_ERROR", "last participant", J{"type": "thread_leave", "thread_id": lone}},

		{ann, "VALIDATION_ERROR", "", J{"type": "thread_remove_participant", "thread_id": id}},
		{ann, "NOT_FOUND", "", J{"type": "thread_remove_participant", "thread_id": id, "bot_id": "nobody"}},
		{ann, "NOT_FOUND", "", J{"type": "thread_remove_participant", "thread_id": id, "bot_id": "cyd"}},
		{ann, "FORBIDDEN", "", J{"type": "thread_remove_participant", "thread_id": mute, "bot_id": "bob"}},
		{ann, "VALIDATION_ERROR", "last participant", J{"type": "thread_remove_participant", "thread_id": lone, "bot_id": "ann"}},

		{ann, "VALIDATION_ERROR", "artifact_key", J{"type": "artifact_add", "thread_id": id}},
		{ann, "VALIDATION_ERROR", "artifact_key", J{"type": "artifact_add", "thread_id": id, "artifact_key": "a b", "content": "x"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "artifact_add", "thread_id": id, "artifact_key": "k", "artifact_type": "bogus"}},
		{ann, "VALIDATION_ERROR", "", J{"type": "artifact_add", "thread_id": id, "artifact_key": "k", "title": 5}},
		{ann, "WRITE_PERMISSION_DENIED", "", J{"type": "artifact_add", "thread_id": mute, "artifact_key": "k", "content": "x"}},
		{ann, "CONFLICT", "", J{"type": "artifact_add", "thread_id": id, "artifact_key": "taken", "content": "x"}},
		{ann, "VALIDATION_ERROR", "content is required", J{"type": "artifact_update", "thread_id": id, "artifact_key": "taken"}},
		{ann, "WRITE_PERMISSION_DENIED", "", J{"type": "artifact_update", "thread_id": mute, "artifact_key": "k", "content": "x"}},
		{ann, "NOT_FOUND", "", J{"type": "artifact_update", "thread_id": id, "artifact_key": "none", "content": "x"}},
	} {
		r := c.k.refuses(c.code, c.op)
		if text, _ := r.find("message"); c.text != "" && !strings.Contains(show(text), c.text) {
			r.errorf("message does not contain %q", c.text)
		}
		if c.code != "RATE_LIMITED" {
			r.Lacks("retry_after")
		}
	}
	for _, op := range threadOperations() {
		for _, bad := range []any{nil, 5, J{}, []any{}, true} {
			ann.refuses("VALIDATION_ERROR", with(op, J{"thread_id": bad}))
		}
		ann.refuses("VALIDATION_ERROR", op)
		ann.refuses("NOT_FOUND", with(op, J{"thread_id": unusedID}))
		if op["type"] != "thread_join" {
			cyd.refuses("JOIN_REQUIRED", with(op, J{"thread_id": id}))
		}
		ann.refuses("THREAD_CLOSED", with(op, J{"thread_id": over}))
	}
	s.auditedAs("thread.write_denied", mute, s.Ann.ID, nil)
	s.auditedAs("thread.permission_denied", mute, s.Ann.ID, J{"action": "resolve", "status": "resolved", "via": "ws"})
	ann.do(J{"type": "thread_update", "thread_id": id, "topic": "all of this changed nothing", "expected_revision": 1})
	t.Get(thr(id, "/messages"), s.Ann).OK().Len("", 0)
}

func opOrder(t *T) {
	s := newLiveFixture(t)
	ann, cyd := t.open("ann", s.Ann), t.open("cyd", s.Cyd)
	id, over, mute := s.thread(nil), s.thread(nil), s.thread(J{"permission_policy": J{"write": []string{}, "resolve": []string{}}})
	s.setStatus(over, "closed")
	for _, c := range []struct {
		k    *Socket
		code string
		op   J
	}{
		{ann, "FORBIDDEN", J{"type": "send", "channel_id": unusedID, "content": ""}},
		{ann, "VALIDATION_ERROR", J{"type": "send_dm", "to": "nobody", "content": ""}},
		{ann, "NOT_FOUND", J{"type": "send_dm", "to": "nobody", "content": strings.Repeat("x", 65537)}},
		{ann, "THREAD_CLOSED", J{"type": "send_thread_message", "thread_id": over, "content": "", "reply_to": unusedID}},
		{cyd, "THREAD_CLOSED", J{"type": "send_thread_message", "thread_id": over, "content": "x"}},
		{cyd, "JOIN_REQUIRED", J{"type": "send_thread_message", "thread_id": mute, "content": "x"}},
		{ann, "WRITE_PERMISSION_DENIED", J{"type": "send_thread_message", "thread_id": mute, "content": "", "reply_to": unusedID}},
		{ann, "THREAD_CLOSED", J{"type": "thread_update", "thread_id": over, "topic": "", "expected_revision": 99}},
		{ann, "VALIDATION_ERROR", J{"type": "thread_update", "thread_id": mute, "topic": "", "status": "resolved"}},
		{ann, "FORBIDDEN", J{"type": "thread_update", "thread_id": mute, "status": "resolved", "expected_revision": 99}},
		{ann, "INVALID_TRANSITION", J{"type": "thread_update", "thread_id": id, "status": "active", "expected_revision": 99}},
		{cyd, "JOIN_REQUIRED", J{"type": "thread_invite", "thread_id": id, "bot_id": "nobody"}},
		{cyd, "JOIN_REQUIRED", J{"type": "artifact_update", "thread_id": id, "artifact_key": "none", "content": "x"}},
		{ann, "WRITE_PERMISSION_DENIED", J{"type": "artifact_update", "thread_id": mute, "artifact_key": "none", "content": "x"}},
	} {
		c.k.refuses(c.code, c.op)
	}
}
