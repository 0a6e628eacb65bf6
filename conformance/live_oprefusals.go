package conformance

import (
	"slices"
	"strings"
)

func opRefusalChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-024", "B2B-WS-016"}, "invalid operations get the specified error codes", opMatrix},
		{[]string{"B2B-WS-024"}, "operations are validated in the specified order", opOrder},
		{[]string{"B2B-WS-025"}, "every operation has the same error for a hidden thread and an unknown one", opHiddenThreads},
		{[]string{"B2B-WS-026"}, "the scopes of a token apply to operations over WebSocket", opScopes},
		{[]string{"B2B-WS-027"}, "the limits of messages and threads are the same over WebSocket and REST", opLimits},
	}
}

func opHiddenThreads(t *T) {
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
}

func opScopes(t *T) {
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
}

func opLimits(t *T) {
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
		{"type": "thread_decision_ask", "kind": "approve", "question": "?", "humans": true},
	}
}

// opFixture is what the invalid operations name: threads in several states, bots and sockets.
type opFixture struct {
	*liveFixture
	ann, cyd          *Socket
	late              *Bot   // still pending
	id, over, mute    string // threads: active, resolved, one in which nobody may do anything
	invited, lone     string // threads: one that only invited bots can join, one with a single participant
	channel, longText string
}

func newOpFixture(t *T) *opFixture {
	s := newLiveFixture(t)
	f := &opFixture{
		liveFixture: s, ann: t.open("ann", s.Ann), cyd: t.open("cyd", s.Cyd), late: s.PendingBot("late"), id: s.thread(nil), over: s.thread(nil),
		mute:    s.thread(J{"permission_policy": J{"write": []string{}, "invite": []string{}, "remove": []string{}, "resolve": []string{}}}),
		invited: s.thread(J{"join_policy": "invite_only"}), lone: s.thread(J{"participants": []string{}}),
		channel: t.dm(s.Ann, "bob", "x").Str("channel_id"), longText: strings.Repeat("x", 65537),
	}
	s.setStatus(f.over, "resolved")
	t.Do("POST", thr(f.id, "/artifacts"), s.Ann, J{"artifact_key": "taken", "content": "x"}).OK()
	return f
}

// invalidOp is an operation that k must refuse with the code.
type invalidOp struct {
	k    *Socket
	code string
	text string // must be in message
	op   J
}

// messageOps returns invalid operations that send messages.
func (f *opFixture) messageOps() []invalidOp {
	return []invalidOp{
		{f.cyd, "FORBIDDEN", "Not a member", J{"type": "send", "channel_id": f.channel, "content": "x"}},
		{f.ann, "FORBIDDEN", "Not a member", J{"type": "send", "channel_id": unusedID, "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send", "channel_id": f.channel, "parts": []any{J{"type": "bogus"}}}},
		{f.ann, "VALIDATION_ERROR", "content or parts is required", J{"type": "send", "channel_id": f.channel}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send", "channel_id": f.channel, "content": f.longText}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "content or parts is required", J{"type": "send_dm", "to": "bob"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "to": "bob", "content": "x", "content_type": strings.Repeat("x", 129)}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "to": "bob", "content": "x", "parts": "x"}},
		{f.ann, "NOT_FOUND", "", J{"type": "send_dm", "to": "nobody", "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "Cannot send to yourself", J{"type": "send_dm", "to": "ann", "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_dm", "to": "bob", "content": f.longText}},
		{f.ann, "WRITE_PERMISSION_DENIED", "", J{"type": "send_thread_message", "thread_id": f.mute, "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "content or parts is required", J{"type": "send_thread_message", "thread_id": f.id}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_thread_message", "thread_id": f.id, "content": f.longText}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_thread_message", "thread_id": f.id, "content": "x", "metadata": strings.Repeat("x", 16385)}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "send_thread_message", "thread_id": f.id, "content": "x", "reply_to": 5}},
		{f.ann, "NOT_FOUND", "", J{"type": "send_thread_message", "thread_id": f.id, "content": "x", "reply_to": unusedID}},
	}
}

// threadOps returns invalid operations that create and change threads.
func (f *opFixture) threadOps() []invalidOp {
	return []invalidOp{
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_create"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": " "}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": "x", "tags": "x"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": "x", "participants": []string{"nobody"}}},
		{f.ann, "BOT_NOT_ACTIVE", "", J{"type": "thread_create", "topic": "x", "participants": []string{f.late.ID}}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_create", "topic": "x", "channel_id": unusedID}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id, "visibility": "private"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id, "topic": "x", "expected_revision": "1"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id, "topic": ""}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id, "status": "bogus"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id, "status": "closed"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_update", "thread_id": f.id, "status": "blocked", "close_reason": "error"}},
		{f.ann, "INVALID_TRANSITION", "", J{"type": "thread_update", "thread_id": f.id, "status": "active"}},
		{f.ann, "FORBIDDEN", "", J{"type": "thread_update", "thread_id": f.mute, "status": "resolved"}},
		{f.ann, "REVISION_CONFLICT", "", J{"type": "thread_update", "thread_id": f.id, "topic": "x", "expected_revision": 99}},
	}
}

// participantOps returns invalid operations on the participants of threads.
func (f *opFixture) participantOps() []invalidOp {
	return []invalidOp{
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_invite", "thread_id": f.id}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_invite", "thread_id": f.id, "bot_id": "cyd", "label": 5}},
		{f.ann, "FORBIDDEN", "", J{"type": "thread_invite", "thread_id": f.mute, "bot_id": "cyd"}},
		{f.ann, "NOT_FOUND", "", J{"type": "thread_invite", "thread_id": f.id, "bot_id": "nobody"}},
		{f.ann, "BOT_NOT_ACTIVE", "", J{"type": "thread_invite", "thread_id": f.id, "bot_id": f.late.ID}},
		{f.ann, "CONFLICT", "", J{"type": "thread_invite", "thread_id": f.id, "bot_id": "bob", "label": nil}},
		{f.cyd, "INVITE_ONLY", "", J{"type": "thread_join", "thread_id": f.invited}},
		{f.cyd, "THREAD_CLOSED", "", J{"type": "thread_join", "thread_id": f.over}},
		{f.ann, "VALIDATION_ERROR", "last participant", J{"type": "thread_leave", "thread_id": f.lone}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "thread_remove_participant", "thread_id": f.id}},
		{f.ann, "NOT_FOUND", "", J{"type": "thread_remove_participant", "thread_id": f.id, "bot_id": "nobody"}},
		{f.ann, "NOT_FOUND", "", J{"type": "thread_remove_participant", "thread_id": f.id, "bot_id": "cyd"}},
		{f.ann, "FORBIDDEN", "", J{"type": "thread_remove_participant", "thread_id": f.mute, "bot_id": "bob"}},
		{f.ann, "VALIDATION_ERROR", "last participant", J{"type": "thread_remove_participant", "thread_id": f.lone, "bot_id": "ann"}},
	}
}

// artifactOps returns invalid operations on artifacts.
func (f *opFixture) artifactOps() []invalidOp {
	return []invalidOp{
		{f.ann, "VALIDATION_ERROR", "artifact_key", J{"type": "artifact_add", "thread_id": f.id}},
		{f.ann, "VALIDATION_ERROR", "artifact_key", J{"type": "artifact_add", "thread_id": f.id, "artifact_key": "a b", "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "artifact_add", "thread_id": f.id, "artifact_key": "k", "artifact_type": "bogus"}},
		{f.ann, "VALIDATION_ERROR", "", J{"type": "artifact_add", "thread_id": f.id, "artifact_key": "k", "title": 5}},
		{f.ann, "WRITE_PERMISSION_DENIED", "", J{"type": "artifact_add", "thread_id": f.mute, "artifact_key": "k", "content": "x"}},
		{f.ann, "CONFLICT", "", J{"type": "artifact_add", "thread_id": f.id, "artifact_key": "taken", "content": "x"}},
		{f.ann, "VALIDATION_ERROR", "content is required", J{"type": "artifact_update", "thread_id": f.id, "artifact_key": "taken"}},
		{f.ann, "WRITE_PERMISSION_DENIED", "", J{"type": "artifact_update", "thread_id": f.mute, "artifact_key": "k", "content": "x"}},
		{f.ann, "NOT_FOUND", "", J{"type": "artifact_update", "thread_id": f.id, "artifact_key": "none", "content": "x"}},
	}
}

func opMatrix(t *T) {
	f := newOpFixture(t)
	for _, c := range slices.Concat(f.messageOps(), f.threadOps(), f.participantOps(), f.artifactOps()) {
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
			f.ann.refuses("VALIDATION_ERROR", with(op, J{"thread_id": bad}))
		}
		f.ann.refuses("VALIDATION_ERROR", op)
		f.ann.refuses("NOT_FOUND", with(op, J{"thread_id": unusedID}))
		if op["type"] != "thread_join" {
			f.cyd.refuses("JOIN_REQUIRED", with(op, J{"thread_id": f.id}))
		}
		f.ann.refuses("THREAD_CLOSED", with(op, J{"thread_id": f.over}))
	}
	f.auditedAs("thread.write_denied", f.mute, f.Ann.ID, nil)
	f.auditedAs("thread.permission_denied", f.mute, f.Ann.ID, J{"action": "resolve", "status": "resolved", "via": "ws"})
	f.ann.do(J{"type": "thread_update", "thread_id": f.id, "topic": "all of this changed nothing", "expected_revision": 1})
	t.Get(thr(f.id, "/messages"), f.Ann).OK().Len("", 0)
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
