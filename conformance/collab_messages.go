package conformance

import "strings"

const messageShape = "id:s thread_id:s sender_id:s sender_name:s content:s content_type:s parts:a mentions:a mention_all:b reply_to_id:s? metadata:* created_at:i"

func messageChecks() []Check {
	return []Check{
		{[]string{"B2B-MSG-020", "B2B-MSG-024"}, "a thread message has the same keys in the response and in lists", messageKeys},
		{[]string{"B2B-MSG-021"}, "a thread message is validated in the specified order", messageOrder},
		{[]string{"B2B-MSG-022"}, "accepted and denied thread messages are audited", func(t *T) {
			h := newFixture(t)
			id := h.thread(J{"permission_policy": J{"write": []string{"initiator"}}})
			r := t.say(h.Ann, id, "x")
			h.auditedAs("message.send", r.Str("id"), h.Ann.ID, J{"thread_id": id})
			if e := h.audited("message.send", r.Str("id")); e["target_type"] != "thread_message" {
				t.Errorf("audit message.send: target_type is %v, want thread_message", e["target_type"])
			}
			h.notAudited("thread.write_denied", id)
			t.Do("POST", thr(id, "/messages"), h.Bob, J{"content": "x"}).Refused(403, "WRITE_PERMISSION_DENIED")
			h.auditedAs("thread.write_denied", id, h.Bob.ID, nil)
		}},
		{[]string{"B2B-MSG-023", "B2B-THR-080"}, "a message changes last_activity_at, but not the revision", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			before := h.adminView(id)
			t.tick()
			m := t.say(h.Bob, id, "x")
			after := h.adminView(id).Equal("revision", before.Value("revision")).Equal("updated_at", before.Value("updated_at"))
			after.Equal("last_activity_at", m.Value("created_at"))
			if m.Num("created_at") <= before.Num("last_activity_at") {
				after.errorf("created_at of the message is not after last_activity_at of the thread")
			}
		}},
		{[]string{"B2B-MSG-025", "B2B-MSG-042", "B2B-ART-013"}, "messages and artifacts of a deleted bot have no author", messagesOfDeletedBots},
		{[]string{"B2B-MSG-040", "B2B-MSG-041", "B2B-MSG-042"}, "a reply includes its parent message, but not the parent of that", replies},
		{[]string{"B2B-MSG-043"}, "metadata is returned as it was sent", messageMetadata},
		{[]string{"B2B-MSG-044"}, "metadata can have at most 16384 bytes", messageMetadataLimit},
		{[]string{"B2B-MSG-045"}, "messages of an owner session have the provenance human", messageProvenance},
	}
}

func messageKeys(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	r := t.say(h.Ann, id, "hello")
	r.Shape("", messageShape+" !reply_to_message").Equal("thread_id", id).Equal("sender_id", h.Ann.ID).Equal("sender_name", "ann")
	r.Equal("content", "hello").Equal("mentions", []any{}).Equal("mention_all", false).Equal("reply_to_id", nil).Equal("metadata", nil)
	for _, path := range []string{"/messages", "/messages?cursor="} {
		list, at := t.Get(thr(id, path), h.Bob.Scoped("read")).OK(), ""
		if path != "/messages" {
			at = "items"
		}
		list.Len(at, 1)
		t.Shape("listed message", list.List(at)[0], messageShape+" !reply_to_message")
		if m := list.Find(at, "id", r.Str("id")); m["content"] != "hello" || m["sender_name"] != "ann" {
			list.errorf("the listed message differs from the response")
		}
	}
}

func messagesOfDeletedBots(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	parent := t.say(h.Bob, id, "by bob")
	t.tick()
	reply := t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "re", "reply_to": parent.Str("id")}).OK()
	reply.Equal("reply_to_message.sender_id", h.Bob.ID).Equal("reply_to_message.sender_name", "bob")
	t.Do("POST", thr(id, "/artifacts"), h.Bob, J{"artifact_key": "k", "content": "c"}).OK().Equal("contributor_id", h.Bob.ID)
	t.Do("DELETE", "/api/bots/"+h.Bob.ID, h.Admin, nil).OK()
	list := t.Get(thr(id, "/messages"), h.Ann).OK().Len("", 2)
	list.Equal("0.sender_id", nil).Equal("0.sender_name", "unknown").Equal("0.content", "by bob").Equal("1.sender_name", "ann")
	list.Equal("1.reply_to_message.sender_id", nil).Equal("1.reply_to_message.sender_name", "unknown").Equal("1.reply_to_message.content", "by bob")
	t.Get(thr(id, "/artifacts"), h.Ann).OK().Len("", 1).Equal("0.contributor_id", nil)
	t.Get(thr(id, "/artifacts/k/versions"), h.Ann).OK().Equal("0.contributor_id", nil).Equal("0.content", "c")
}

func messageMetadata(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	for _, c := range []struct{ sent, read any }{
		{J{"a": J{"b": []any{1, 2.5, "x", nil, true}}}, J{"a": J{"b": []any{1, 2.5, "x", nil, true}}}},
		{[]any{1, "two"}, []any{1, "two"}}, {J{}, J{}}, {[]any{}, []any{}}, {7, 7}, {0, 0}, {true, true}, {false, false}, {nil, nil},
		{`{"a": 1}`, J{"a": 1}}, {`[1]`, []any{1}}, {`"text"`, "text"}, {"no json", nil}, {"", nil},
	} {
		r := t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "x", "metadata": c.sent}).OK().Equal("metadata", c.read)
		found := t.Get(thr(id, "/messages?limit=200"), h.Bob).OK().Find("", "id", r.Str("id"))
		if show(found["metadata"]) != show(normal(c.read)) {
			t.Errorf("metadata %s is %s in the list, want %s", show(c.sent), show(found["metadata"]), show(c.read))
		}
	}
	t.say(h.Ann, id, "none").Equal("metadata", nil)
}

func messageMetadataLimit(t *T) {
	h := newFixture(t)
	path := thr(h.thread(nil), "/messages")
	send := func(metadata any) *Response {
		return t.Do("POST", path, h.Ann, J{"content": "x", "metadata": metadata})
	}
	send(J{"k": strings.Repeat("m", 16384-8)}).OK()
	send(J{"k": strings.Repeat("m", 16384-7)}).Refused(400, "VALIDATION_ERROR")
	send(J{"k": strings.Repeat("é", (16384-8)/2)}).OK()
	send(J{"k": strings.Repeat("é", (16384-8)/2+1)}).Refused(400, "VALIDATION_ERROR")
	send(strings.Repeat("m", 16384)).OK()
	send(strings.Repeat("m", 16385)).Refused(400, "VALIDATION_ERROR")
}

func messageProvenance(t *T) {
	h := newFixture(t)
	path := thr(h.thread(nil), "/messages")
	named := t.Login(J{"type": "bot", "token": string(h.Ann.Token), "owner_name": "Olga"})
	for _, metadata := range []any{J{"lang": "en"}, J{"lang": "en", "provenance": "forged"}, J{"lang": "en", "provenance": J{"authored_by": "bot"}}} {
		r := t.Do("POST", path, named, J{"content": "x", "metadata": metadata}).OK().Equal("metadata.lang", "en").Equal("sender_id", h.Ann.ID)
		r.Equal("metadata.provenance.authored_by", "human").Equal("metadata.provenance.owner_name", "Olga").Equal("metadata.provenance.auth_mode", "web_ui")
	}
	for _, metadata := range []any{nil, "text", 5, []any{1}} {
		t.Do("POST", path, h.Ann.Login(), J{"content": "x", "metadata": metadata}).OK().Equal("metadata.provenance.authored_by", "human").Equal("metadata.provenance.owner_name", nil)
	}
	t.Do("POST", path, h.Ann, J{"content": "x", "metadata": J{"lang": "en"}}).OK().Equal("metadata", J{"lang": "en"})
}

func messageOrder(t *T) {
	h := newFixture(t)
	open := h.thread(nil)
	denied := h.thread(J{"permission_policy": J{"write": []string{}}})
	closed := h.thread(J{"permission_policy": J{"write": []string{}}})
	h.setStatus(closed, "closed")
	long := strings.Repeat("a", 65537)
	for _, c := range []struct {
		who    *Bot
		thread string
		body   J
		status int
		code   string
	}{
		{h.Ann, unusedID, J{"content": "x"}, 404, "NOT_FOUND"},
		{h.Cyd, closed, J{"content": "x"}, 409, "THREAD_CLOSED"},
		{h.Ann, closed, J{}, 409, "THREAD_CLOSED"},
		{h.Cyd, denied, J{}, 403, "JOIN_REQUIRED"},
		{h.Ann, denied, J{}, 403, "WRITE_PERMISSION_DENIED"},
		{h.Ann, denied, J{"content": "x", "reply_to": unusedID}, 403, "WRITE_PERMISSION_DENIED"},
		{h.Ann, open, J{"reply_to": unusedID}, 400, "NOT_FOUND"},
		{h.Ann, open, J{"reply_to": unusedID, "content": long}, 400, "NOT_FOUND"},
		{h.Ann, open, J{"reply_to": unusedID, "content": "x", "content_type": strings.Repeat("t", 129)}, 400, "NOT_FOUND"},
		{h.Ann, open, J{"content": long}, 400, "VALIDATION_ERROR"},
	} {
		t.Do("POST", thr(c.thread, "/messages"), c.who, c.body).Refused(c.status, c.code)
	}
	t.Get(thr(open, "/messages"), h.Ann).OK().Len("", 0)
}

func replies(t *T) {
	h := newFixture(t)
	id, other := h.thread(nil), h.thread(nil)
	foreign := t.say(h.Ann, other, "elsewhere").Str("id")
	direct := t.dm(h.Ann, "bob", "direct").Str("message.id")
	parent := t.say(h.Bob, id, "parent")
	path := thr(id, "/messages")
	reply := func(to any) *Response { return t.Do("POST", path, h.Ann, J{"content": "re", "reply_to": to}) }

	t.tick()
	r := reply(parent.Str("id")).OK().Equal("reply_to_id", parent.Str("id"))
	r.Equal("reply_to_message.id", parent.Str("id")).Equal("reply_to_message.sender_id", h.Bob.ID).Equal("reply_to_message.sender_name", "bob")
	r.Equal("reply_to_message.content", "parent").Equal("reply_to_message.created_at", parent.Value("created_at"))
	t.tick()
	second := reply(r.Str("id")).OK().Equal("reply_to_message.id", r.Str("id")).Lacks("reply_to_message.reply_to_message")
	list := t.Get(path, h.Bob).OK().Len("", 3).Lacks("0.reply_to_message").Equal("0.reply_to_id", nil)
	list.Equal("1.reply_to_message", r.Value("reply_to_message")).Equal("2.reply_to_message", second.Value("reply_to_message"))
	t.Get(path+"?cursor=", h.Bob).OK().Equal("items.0.reply_to_message", second.Value("reply_to_message"))

	reply(nil).OK().Equal("reply_to_id", nil).Lacks("reply_to_message")
	for _, to := range []string{"", unusedID, "no-such-message", foreign, direct} {
		reply(to).Refused(400, "NOT_FOUND")
	}
}
