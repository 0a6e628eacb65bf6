package conformance

import (
	"slices"
	"strings"
)

const decisionShape = "id:s thread_id:s? channel_id:s? asker:o kind:=approve|choose|input question:s choices:a default:s? bots:a humans:b blocks:b " +
	"status:=open|answered|withdrawn|expired reason:s? answer:s? comment:s? closed_by:s? asked_at:i expires_at:i? closed_at:i?"

// decisionChecks returns the checks of decisions.
func decisionChecks() []Check {
	return []Check{
		{[]string{"B2B-DEC-001", "B2B-DEC-003", "B2B-DEC-008"}, "a participant asks for a decision in a thread", askedDecisions},
		{[]string{"B2B-DEC-002"}, "a bot asks for a decision in a channel", channelDecisions},
		{[]string{"B2B-DEC-004"}, "bots, a label or people are asked", askedParties},
		{[]string{"B2B-DEC-006"}, "asking is writing, and counts as a message", askingIsWriting},
		{[]string{"B2B-DEC-007", "B2B-EVT-041", "B2B-EVT-033"}, "events about decisions are delivered to who names their types", decisionEvents},
		{[]string{"B2B-DEC-010", "B2B-DEC-012"}, "a decision holds its thread blocked and gives it its status back", heldThread},
		{[]string{"B2B-DEC-010"}, "of several decisions that block a thread the last one gives it back", heldTwice},
		{[]string{"B2B-DEC-011"}, "the status of a thread that is held cannot be changed", heldStatus},
		{[]string{"B2B-DEC-013"}, "a thread that ends withdraws its decisions", decisionsOfEnded},
		{[]string{"B2B-DEC-014", "B2B-DEC-023"}, "decisions end when the bot that asked leaves, or nobody is left to answer", decisionsOfLeaving},
		{[]string{"B2B-DEC-020", "B2B-DEC-021"}, "who is asked answers once", answeredDecision},
		{[]string{"B2B-DEC-020", "B2B-DEC-021"}, "people answer over the session of an org admin", answeredByPeople},
		{[]string{"B2B-DEC-021"}, "of answers at the same time one succeeds", contendedDecision},
		{[]string{"B2B-DEC-022", "B2B-DEC-023"}, "the bot that asked, or an org admin, withdraws a decision", withdrawnDecision},
		{[]string{"B2B-DEC-005", "B2B-DEC-024", "B2B-DEC-025"}, "a decision expires with its default as the answer", expiredDecision},
		{[]string{"B2B-DEC-030", "B2B-DEC-031"}, "decisions are listed by place, party and state", listedDecisions},
		{[]string{"B2B-DEC-040"}, "a thread has at most 32 open decisions", decisionLimit},
		{[]string{"B2B-WS-020", "B2B-WS-021", "B2B-WS-024", "B2B-WS-026", "B2B-DEC-001"}, "decisions can be asked, answered and withdrawn over WebSocket", decisionOps},
	}
}

// ask asks in a thread whether to approve something, and whom the fields name.
func (t *T) ask(by Caller, thread string, more J) *Response {
	return t.Do("POST", thr(thread, "/decisions"), by, with(J{"kind": "approve", "question": "deploy?"}, more))
}

func dec(id string, rest ...string) string { return "/api/decisions/" + id + strings.Join(rest, "") }

func (t *T) decide(by Caller, id, answer string) *Response {
	return t.Do("POST", dec(id, "/answer"), by, J{"answer": answer})
}

func askedDecisions(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	r := t.ask(h.Ann, id, J{"bots": []string{"bob"}}).Status(201).Shape("", decisionShape).Shape("asker", "id:s name:s").Shape("bots.0", "id:s name:s")
	t.has(r, J{
		"thread_id": id, "channel_id": nil, "asker": J{"id": h.Ann.ID, "name": "ann"}, "kind": "approve", "question": "deploy?", "choices": []string{"approved", "rejected"},
		"default": nil, "bots": []any{J{"id": h.Bob.ID, "name": "bob"}}, "humans": false, "blocks": false, "status": "open", "reason": nil, "answer": nil, "comment": nil,
		"closed_by": nil, "expires_at": nil, "closed_at": nil,
	})
	t.Get(dec(r.Str("id")), h.Bob).OK().Shape("", decisionShape).Equal("id", r.Str("id"))
	r = t.ask(h.Ann, id, J{"kind": "choose", "choices": []string{"x", "y z"}, "humans": true, "expires_in": 100, "default": "y z", "blocks": false}).Status(201).Shape("", decisionShape)
	t.has(r, J{"choices": []string{"x", "y z"}, "default": "y z", "humans": true, "bots": []any{}})
	if r.Num("expires_at")-r.Num("asked_at") != 100_000 {
		t.Errorf("%s: does not expire after 100 seconds", r)
	}
	t.has(t.ask(h.Ann, id, J{"kind": "input", "humans": true, "expires_in": 7776000, "default": "whatever"}).Status(201), J{"choices": []any{}, "default": "whatever"})
	long := strings.Repeat("x", 257)
	for _, fields := range []J{
		{"kind": nil}, {"kind": "vote"}, {"kind": 5}, {"question": nil}, {"question": ""}, {"question": strings.Repeat("x", 4097)}, {"question": J{}},
		{"choices": []string{"a", "b"}}, {"kind": "input", "choices": []string{"a", "b"}}, {"kind": "choose"}, {"kind": "choose", "choices": []string{"a"}},
		{"kind": "choose", "choices": []string{"a", "a"}}, {"kind": "choose", "choices": []string{"a", ""}}, {"kind": "choose", "choices": []string{"a", long}},
		{"kind": "choose", "choices": strings.Fields(strings.Repeat("c ", 21))}, {"kind": "choose", "choices": "a"},
		{"default": "approved"}, {"default": "perhaps", "expires_in": 60}, {"expires_in": 0}, {"expires_in": -1}, {"expires_in": 7776001}, {"expires_in": 1e15}, {"expires_in": "60"},
		{"blocks": "yes"}, {"humans": 1}, {"bots": "bob"}, {"label": 5},
	} {
		t.ask(h.Ann, id, with(J{"humans": true}, fields)).Refused(400, "VALIDATION_ERROR")
	}
	t.ask(h.Ann, id, J{"humans": true, "question": strings.Repeat("x", 4096)}).Status(201)
	t.ask(h.Ann.Scoped("read", "message"), id, J{"humans": true}).Refused(403, "INSUFFICIENT_SCOPE")
	t.ask(h.Human(), id, J{"humans": true}).Refused(403, "FORBIDDEN")
	t.ask(h.Cyd, id, J{"humans": true}).Refused(403, "JOIN_REQUIRED")
	t.ask(h.Ann.Scoped("thread"), id, J{"humans": true}).Status(201)
	first := t.ask(h.Ann, id, J{"humans": true, "request_id": "one"}).Status(201)
	t.ask(h.Ann, id, J{"humans": true, "request_id": "one"}).Status(201).Equal("id", first.Str("id"))
	done := h.thread(nil)
	h.setStatus(done, "resolved")
	t.ask(h.Ann, done, J{"humans": true}).Refused(409, "THREAD_CLOSED")
}

func channelDecisions(t *T) {
	h := newFixture(t)
	id := t.dm(h.Ann, "bob", "x").Str("channel_id")
	ask := func(by Caller, more J) *Response {
		return t.Do("POST", "/api/channels/"+id+"/decisions", by, with(J{"kind": "input", "question": "which?"}, more))
	}
	r := ask(h.Ann, nil).Status(201).Shape("", decisionShape)
	t.has(r, J{"thread_id": nil, "channel_id": id, "bots": []any{J{"id": h.Bob.ID, "name": "bob"}}, "humans": false, "blocks": false})
	t.Get(dec(r.Str("id")), h.Bob).OK()
	t.Get(dec(r.Str("id")), h.Cyd).Refused(404, "NOT_FOUND")
	t.has(t.decide(h.Bob.Scoped("message"), r.Str("id"), "this one").OK(), J{"answer": "this one", "closed_by": h.Bob.ID})
	t.has(ask(h.Bob, J{"humans": true}).Status(201), J{"bots": []any{}, "humans": true})
	t.has(ask(h.Bob, J{"humans": true, "bots": []string{h.Ann.ID}}).Status(201), J{"bots": []any{J{"id": h.Ann.ID, "name": "ann"}}, "humans": true})
	ask(h.Ann, J{"bots": []string{"cyd"}}).Refused(400, "VALIDATION_ERROR")
	ask(h.Cyd, nil).Refused(403, "FORBIDDEN")
	ask(h.Ann.Scoped("thread", "read"), nil).Refused(403, "INSUFFICIENT_SCOPE")
	ask(t.Login(J{"type": "bot", "token": string(h.Ann.Token), "owner_name": "Olga"}), nil).Refused(403, "DM_SEND_BLOCKED")
}

func askedParties(t *T) {
	h, other := newFixture(t), newFixture(t)
	id := h.thread(nil)
	dan, eve := h.Bot("dan"), h.Bot("eve")
	h.addParticipant(id, h.Cyd, "reviewer")
	h.addParticipant(id, dan, "reviewer")
	names := func(more J) []string {
		got := t.ask(h.Ann, id, more).Status(201).Pluck("bots", "name")
		slices.Sort(got)
		return got
	}
	for _, c := range []struct {
		fields J
		want   []string
	}{
		{J{"bots": []string{"bob", h.Cyd.ID, h.Bob.ID}}, []string{"bob", "cyd"}},
		{J{"label": "reviewer"}, []string{"cyd", "dan"}},
		{J{"label": "reviewer", "bots": []string{"cyd", "bob"}}, []string{"bob", "cyd", "dan"}},
		{J{"humans": true}, nil},
	} {
		if got := names(c.fields); !slices.Equal(got, c.want) {
			t.Errorf("%v asks %v, want %v", c.fields, got, c.want)
		}
	}
	if got := t.ask(h.Cyd, id, J{"label": "reviewer"}).Status(201).Pluck("bots", "name"); !slices.Equal(got, []string{"dan"}) {
		t.Errorf("a bot with the label asks %v, want dan", got)
	}
	for _, fields := range []J{
		nil, {"bots": []string{}}, {"bots": nil}, {"label": "none"}, {"label": ""}, {"humans": false}, {"bots": []string{"ann"}}, {"bots": []string{"bob", h.Ann.ID}},
		{"bots": []string{"nobody"}}, {"bots": []string{other.Bob.ID}}, {"bots": []string{eve.Name}}, {"bots": make([]string, 33)}, {"bots": []any{5}},
	} {
		t.ask(h.Ann, id, fields).Refused(400, "VALIDATION_ERROR")
	}
	h.addParticipant(id, eve, nil)
	t.ask(h.Ann, id, J{"bots": []string{"eve"}}).Status(201)
	eve.SetStatus("rejected")
	t.ask(h.Ann, id, J{"bots": []string{"eve"}}).Refused(400, "BOT_NOT_ACTIVE")
}

func askingIsWriting(t *T) {
	h := newFixture(t)
	id := h.thread(J{"permission_policy": J{"write": []string{"initiator"}}})
	t.ask(h.Bob, id, J{"humans": true}).Refused(403, "WRITE_PERMISSION_DENIED")
	before := h.adminView(id).Num("last_activity_at")
	t.tick()
	t.ask(h.Ann, id, J{"humans": true}).Status(201)
	if h.adminView(id).Num("last_activity_at") <= before {
		t.Errorf("asking is no activity of the thread")
	}
	h.Settings(J{"messages_per_minute_per_bot": 2})
	t.ask(h.Ann, id, J{"humans": true}).Status(201)
	t.ask(h.Ann, id, J{"humans": true}).Refused(429, "RATE_LIMITED")
}

func decisionEvents(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	types := []string{"types", "decision_asked,decision_closed,bot_renamed"}
	in, person, out := t.stream("bob", s.Bob, types), t.stream("person", s.Human(), types), t.stream("cyd", s.Cyd, types)
	socket := t.open("closed only", s.Ann, "types", "decision_closed,bot_renamed")
	plain := []*Feed{t.open("plain", s.Bob).Feed, t.stream("plain stream", s.Bob, nil).Feed, t.stream("star", s.Bob, []string{"types", "*"}).Feed}
	d := t.ask(s.Ann, id, J{"bots": []string{"bob"}}).Status(201)
	t.decide(s.Bob, d.Str("id"), "approved").OK()
	gone := t.ask(s.Ann, id, J{"humans": true}).Status(201)
	t.Do("POST", dec(gone.Str("id"), "/withdraw"), s.Ann, nil).OK()
	mark := s.mark()
	for _, f := range []*Feed{in.Feed, person.Feed} {
		frames := f.expect(mark, "decision_asked", "decision_closed", "decision_asked", "decision_closed")
		t.has(f.asResponse(frames[0]).Shape("decision", decisionShape), J{"decision.id": d.Str("id"), "decision.status": "open"})
		t.has(f.asResponse(frames[1]).Shape("decision", decisionShape), J{
			"decision.id": d.Str("id"), "decision.status": "answered", "decision.answer": "approved", "decision.closed_by": s.Bob.ID, "decision.asker": J{"id": s.Ann.ID, "name": "ann"},
		})
		t.has(f.asResponse(frames[3]), J{"decision.id": gone.Str("id"), "decision.status": "withdrawn", "decision.reason": "asker"})
	}
	socket.expect(mark, "decision_closed", "decision_closed")
	for _, f := range append(plain, out.Feed) {
		f.expect(mark)
	}
	s.auditedAs("decision.ask", d.Str("id"), s.Ann.ID, J{"thread_id": id, "kind": "approve"})
	s.auditedAs("decision.answer", d.Str("id"), s.Bob.ID, J{"answer": "approved"})
	s.auditedAs("decision.withdraw", gone.Str("id"), s.Ann.ID, J{"reason": "asker"})
}

func heldThread(t *T) {
	s := newLiveFixture(t)
	for _, was := range []string{"active", "reviewing", "blocked"} {
		id := s.thread(nil)
		s.setStatus(id, was)
		feed := t.stream("bob, "+was, s.Bob, []string{"types", "thread_status_changed,thread_updated,bot_renamed,decision_asked,decision_closed"})
		changes := 1
		if was == "blocked" {
			changes = 0
		}
		var d *Response
		s.revisionGrows(id, changes, "holding a thread", func() {
			d = t.ask(s.Ann, id, J{"bots": []string{"bob"}, "humans": true, "blocks": true}).Status(201).Equal("blocks", true)
		})
		s.adminView(id).Equal("status", "blocked")
		t.say(s.Bob, id, "it still takes messages")
		s.revisionGrows(id, changes, "giving it back", func() { t.decide(s.Human(), d.Str("id"), "rejected").OK() })
		s.adminView(id).Equal("status", was)
		if was == "blocked" {
			feed.expect(s.mark(), "decision_asked", "decision_closed")
			t.patch(s.Ann, id, J{"status": "active"})
			continue
		}
		frames := feed.expect(s.mark(), "decision_asked", "thread_status_changed", "thread_updated", "decision_closed", "thread_status_changed", "thread_updated")
		feed.is(frames[1], J{"thread_id": id, "from": was, "to": "blocked", "by": s.Ann.ID})
		feed.is(frames[2], J{"changes": []string{"status"}})
		feed.is(frames[4], J{"thread_id": id, "from": "blocked", "to": was, "by": "org:" + s.ID})
		t.has(t.Get(query("/api/audit", "action", "thread.status_changed", "target_id", id), s.Human()).OK(), J{"0.detail.from": "blocked", "0.detail.to": was, "1.detail.from": was, "1.bot_id": s.Ann.ID})
	}
}

func heldTwice(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	h.setStatus(id, "reviewing")
	first := t.ask(h.Ann, id, J{"bots": []string{"bob"}, "blocks": true}).Status(201).Str("id")
	second := t.ask(h.Bob, id, J{"bots": []string{"ann"}, "blocks": true}).Status(201).Str("id")
	other := t.ask(h.Bob, id, J{"bots": []string{"ann"}}).Status(201).Str("id")
	t.decide(h.Ann, other, "approved").OK()
	t.decide(h.Bob, first, "approved").OK()
	h.adminView(id).Equal("status", "blocked")
	t.Do("POST", dec(second, "/withdraw"), h.Bob, nil).OK()
	h.adminView(id).Equal("status", "reviewing")
}

func heldStatus(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	d := t.ask(h.Ann, id, J{"bots": []string{"bob"}, "blocks": true}).Status(201).Str("id")
	for _, change := range []*Response{
		t.Do("PATCH", thr(id), h.Ann, J{"status": "active"}), t.Do("PATCH", thr(id), h.Bob, J{"status": "active", "topic": "new"}),
		t.Do("PATCH", othr(id), h.Human(), J{"status": "active"}),
	} {
		change.Refused(409, "DECISION_OPEN").Equal("decision_id", d)
	}
	t.Do("PATCH", thr(id), h.Ann, J{"status": "resolved"}).Refused(400, "INVALID_TRANSITION")
	t.patch(h.Ann, id, J{"topic": "other fields change"}).Equal("status", "blocked")
	t.Do("POST", dec(d, "/withdraw"), h.Human(), nil).OK()
	h.adminView(id).Equal("status", "active").Equal("topic", "other fields change")
	t.patch(h.Ann, id, J{"status": "resolved"})
}

func decisionsOfEnded(t *T) {
	h := newFixture(t)
	for _, end := range []string{"resolved", "closed"} {
		id := h.thread(nil)
		d := t.ask(h.Ann, id, J{"bots": []string{"bob"}}).Status(201).Str("id")
		h.setStatus(id, end)
		t.has(t.Get(dec(d), h.Bob).OK(), J{"status": "withdrawn", "reason": "thread_ended", "closed_by": h.Ann.ID, "answer": nil})
		t.decide(h.Bob, d, "approved").Refused(409, "DECISION_CLOSED")
	}
	id := h.thread(nil)
	d := t.ask(h.Ann, id, J{"humans": true}).Status(201).Str("id")
	t.Do("PATCH", othr(id), h.Human(), J{"status": "resolved"}).OK()
	t.has(t.Get(dec(d), h.Human()).OK(), J{"status": "withdrawn", "reason": "thread_ended", "closed_by": "org:" + h.ID})
}

func decisionsOfLeaving(t *T) {
	h := newFixture(t)
	id := h.thread(J{"participants": []string{"bob", "cyd"}})
	held := t.ask(h.Bob, id, J{"bots": []string{"cyd"}, "humans": true, "blocks": true}).Status(201).Str("id")
	of := t.ask(h.Ann, id, J{"bots": []string{"bob"}}).Status(201).Str("id")
	both := t.ask(h.Ann, id, J{"bots": []string{"bob", "cyd"}}).Status(201).Str("id")
	people := t.ask(h.Ann, id, J{"bots": []string{"bob"}, "humans": true}).Status(201).Str("id")
	t.Do("DELETE", thr(id, "/participants/bob"), h.Bob, nil).OK()
	state := func(d string, want J) { t.has(t.Get(dec(d), h.Human()).OK(), want) }
	state(held, J{"status": "withdrawn", "reason": "asker_left", "closed_by": h.Bob.ID})
	h.adminView(id).Equal("status", "active")
	state(of, J{"status": "withdrawn", "reason": "nobody_left"})
	state(both, J{"status": "open", "bots": []any{J{"id": h.Cyd.ID, "name": "cyd"}}})
	state(people, J{"status": "open", "bots": []any{}, "humans": true})
	h.addParticipant(id, h.Bob, nil)
	t.decide(h.Bob, both, "approved").Refused(403, "NOT_ASKED")

	last := t.ask(h.Cyd, id, J{"humans": true, "blocks": true}).Status(201).Str("id")
	channel := t.dm(h.Ann, "cyd", "x").Str("channel_id")
	direct := t.Do("POST", "/api/channels/"+channel+"/decisions", h.Ann, J{"kind": "approve", "question": "?"}).Status(201).Str("id")
	t.Do("DELETE", "/api/bots/"+h.Cyd.ID, h.Human(), nil).OK()
	state(both, J{"status": "withdrawn", "reason": "nobody_left", "closed_by": "org:" + h.ID})
	state(direct, J{"status": "withdrawn", "reason": "nobody_left"})
	state(last, J{"status": "withdrawn", "reason": "asker_deleted"})
	state(people, J{"status": "open"})
	h.adminView(id).Equal("status", "active")
}
