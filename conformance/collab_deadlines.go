package conformance

import (
	"fmt"
	"slices"
)

// deadlineChecks returns the checks of messages that shall be acknowledged in time.
func deadlineChecks() []Check {
	return []Check{
		{[]string{"B2B-RCPT-030", "B2B-RCPT-034", "B2B-EVT-041"}, "a message that nobody acknowledges in time is reported once, to its sender and to people", overdueEvents},
		{[]string{"B2B-RCPT-033", "B2B-RCPT-036"}, "done and waiting acknowledge a message, and so does what a bot without an inbox writes", acknowledged},
		{[]string{"B2B-RCPT-035", "B2B-DLV-002"}, "an overdue message is escalated to the bot that its sender named", escalated},
		{[]string{"B2B-RCPT-031"}, "what a deadline cannot be is refused", refusedDeadlines},
		{[]string{"B2B-RCPT-032"}, "nobody waits for a message whose sender or thread has ended", endedDeadlines},
		{[]string{"B2B-RCPT-036"}, "overdue messages are listed in pages, for their sender and for people", overduePages},
	}
}

// overdue waits until the messages that are overdue for a caller are these, and returns the list.
func (t *T) overdue(by Caller, want ...string) (r *Response) {
	slices.Sort(want)
	t.eventually(soon, fmt.Sprintf("the overdue messages are not %q", want), func() bool {
		r = t.Get("/api/overdue", by).OK()
		got := r.Pluck("items", "message_id")
		slices.Sort(got)
		return slices.Equal(got, want)
	})
	for i := range r.List("items") {
		r.exactly(fmt.Sprint("items.", i), "overdue")
	}
	return r
}

// late sends a message that is overdue soon, and returns its id.
func (t *T) late(by Caller, path string, fields J) string {
	r := t.Do("POST", path, by, with(J{"content": "@bob please", "ack_by": 1}, fields)).OK()
	if fields["to"] != nil {
		r.Has("message.due_at")
		return r.Str("message.id")
	}
	return r.Has("due_at").Str("id")
}

func overdueEvents(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	types := []string{"types", "delivery_overdue,delivery_escalated"}
	mine, person := t.stream("ann", s.Ann, types), t.stream("person", s.Human(), types)
	marked := []string{"types", types[1] + ",bot_renamed"}
	others := []*Feed{t.stream("bob", s.Bob, marked).Feed, t.open("plain", s.Ann).Feed, t.stream("star", s.Ann, []string{"types", "*"}).Feed}
	sent := t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "@bob please", "ack_by": 1}).OK()
	if left := sent.Num("due_at") - sent.Num("created_at"); left < 1000-60_000 || left > 1000+60_000 {
		t.Errorf("%s: due_at is not a second after created_at", sent)
	}
	direct := t.late(s.Ann, "/api/send", J{"to": "bob"})
	want := []string{sent.Str("id"), direct}
	for _, f := range []*Stream{mine, person} {
		var got []string
		for range want {
			fr := f.next("delivery_overdue")
			f.is(fr, J{"overdue.count": 1, "overdue.sender": J{"id": s.Ann.ID, "name": "ann"}, "overdue.receipts.0.name": "bob", "overdue.receipts.0.state": "unconfirmed"}).
				exactly("overdue", "overdue").Lacks("overdue.escalated_to")
			got = append(got, f.asResponse(fr).Str("overdue.message_id"))
		}
		t.sameIDs("overdue", got, want)
	}
	t.overdue(s.Ann, want...)
	last := t.late(s.Ann, "/api/send", J{"to": "cyd"}) // the others are not reported again
	t.sameIDs("after them", []string{mine.asResponse(mine.next("delivery_overdue")).Str("overdue.message_id")}, []string{last})
	mark := s.mark()
	for _, f := range others {
		for _, fr := range f.upTo(mark) {
			if fr.kind() == "delivery_overdue" || fr.kind() == "delivery_escalated" {
				f.errorf("received %s", fr.Raw)
			}
		}
	}
}

func acknowledged(t *T) {
	h := newFixture(t)
	id := h.thread(J{"participants": []string{"bob", "cyd"}})
	t.nothing(h.Bob, J{"backlog_seconds": 0})
	var sent []string
	for range 5 {
		sent = append(sent, t.late(h.Ann, thr(id, "/messages"), nil))
	}
	t.overdue(h.Ann, sent...)
	claim := func() J { return t.claimed(h.Bob, J{"unordered": true, "lease_seconds": 600}) }
	t.ack(h.Bob, claim())
	t.answer(h.Bob, "wait", claim(), J{"on": "human"}).OK()
	t.answer(h.Bob, "progress", claim(), J{"text": "nearly"}).OK()
	t.answer(h.Bob, "nack", claim(), J{"final": true, "reason": "no"}).OK()
	r := t.overdue(h.Ann, sent[2:]...)
	states := r.Pluck("items", "receipts.0.state")
	slices.Sort(states)
	t.sameIDs("states", states, []string{"failed", "queued", "working"})

	both := t.late(h.Ann, thr(id, "/messages"), J{"content": "@cyd and @bob"})
	t.say(h.Bob, id, "a bot with an inbox settles")
	t.overdue(h.Ann, append(slices.Clone(sent[2:]), both)...)
	direct := t.late(h.Ann, "/api/send", J{"to": "cyd"})
	t.overdue(h.Ann, append(slices.Clone(sent[2:]), both, direct)...)
	t.say(h.Cyd, id, "here I am")
	t.dm(h.Cyd, "ann", "and here")
	r = t.overdue(h.Ann, append(slices.Clone(sent[2:]), both)...)
	for i := range r.List("items") {
		at := fmt.Sprint("items.", i)
		r.Equal(at+".count", 1).Equal(at+".receipts.0.name", "bob")
	}
}

func escalated(t *T) {
	s := newLiveFixture(t)
	id := s.thread(J{"participants": []string{"bob", "cyd"}})
	t.nothing(s.Cyd, J{"backlog_seconds": 0})
	types := []string{"types", "delivery_overdue,delivery_escalated"}
	mine, theirs := t.stream("ann", s.Ann, types), t.stream("cyd", s.Cyd, types)
	sent := t.late(s.Ann, thr(id, "/messages"), J{"escalate_to": "cyd", "receipts": true})
	cyd := J{"id": s.Cyd.ID, "name": "cyd"}
	mine.is(mine.next("delivery_overdue"), J{"overdue.message_id": sent, "overdue.thread_id": id, "overdue.escalated_to": cyd})
	theirs.is(theirs.next("delivery_escalated"), J{"overdue.message_id": sent, "overdue.thread_id": id, "overdue.count": 1})
	t.overdue(s.Ann, sent).Equal("items.0.escalated_to", cyd)
	d := t.claim(s.Cyd, J{"wait_seconds": 10}).Len("items", 1)
	t.has(d, J{"items.0.kind": "escalation", "items.0.thread_id": id, "items.0.event.type": "delivery_escalated", "items.0.event.overdue.message_id": sent})
	t.Do("POST", fmt.Sprint("/api/inbox/", d.Str("items.0.id"), "/ack"), s.Cyd, J{"lease": d.Str("items.0.lease")}).OK()

	t.nothing(s.Ann, J{"backlog_seconds": 0}) // to oneself, in a channel
	direct := t.Do("POST", "/api/send", s.Ann, J{"to": "bob", "content": "hi", "ack_by": 1, "escalate_to": s.Ann.ID}).OK()
	mine.is(mine.next("delivery_escalated"), J{"overdue.message_id": direct.Str("message.id"), "overdue.channel_id": direct.Str("channel_id")})
	d = t.claim(s.Ann, J{"wait_seconds": 10}).Len("items", 1)
	t.has(d, J{"items.0.kind": "escalation", "items.0.channel_id": direct.Str("channel_id")})

	gone := t.late(s.Ann, thr(id, "/messages"), J{"escalate_to": s.Cyd.ID})
	t.Do("DELETE", thr(id, "/participants/"+s.Cyd.ID), s.Cyd, nil).OK()
	t.overdue(s.Ann, sent, direct.Str("message.id"), gone)
	t.Get("/api/overdue", s.Cyd).OK().Len("items", 0)
}

func refusedDeadlines(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	refused := func(code string, fields J) {
		t.Do("POST", "/api/send", h.Ann, with(J{"to": "bob", "content": "hi", "ack_by": 600}, fields)).Refused(400, code)
		t.Do("POST", thr(id, "/messages"), h.Ann, with(J{"content": "@bob hi", "ack_by": 600}, fields)).Refused(400, code)
	}
	for _, bad := range []any{0, -1, 604801, "soon", 1.5} {
		refused("VALIDATION_ERROR", J{"ack_by": bad})
	}
	refused("VALIDATION_ERROR", J{"ack_by": nil, "escalate_to": "bob"})
	refused("VALIDATION_ERROR", J{"no_reply": true})
	refused("NOT_FOUND", J{"escalate_to": "nobody"})
	refused("VALIDATION_ERROR", J{"escalate_to": "cyd"})
	stranger := t.Org().Bot("stranger")
	refused("NOT_FOUND", J{"escalate_to": stranger.ID})
	refused("BOT_NOT_ACTIVE", J{"escalate_to": h.PendingBot("newbie").ID})
	t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "to nobody", "ack_by": 600}).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "@ghost", "ack_by": 600}).Refused(400, "VALIDATION_ERROR")
	t.Get(thr(id, "/messages"), h.Ann).OK().Len("", 0)
	for _, fields := range []J{{}, {"escalate_to": "bob"}, {"escalate_to": h.Ann.ID}, {"ack_by": 604800}} {
		t.Do("POST", thr(id, "/messages"), h.Ann, with(J{"content": "@bob hi", "ack_by": 600}, fields)).OK().Has("due_at")
	}
	t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "@bob hi", "ack_by": nil, "escalate_to": nil}).OK().Lacks("due_at")
	t.Get("/api/overdue", h.Ann).OK().Len("items", 0).Equal("has_more", false)
}

func endedDeadlines(t *T) {
	h := newFixture(t)
	resolved, left, stays := h.thread(nil), h.thread(nil), h.thread(J{"participants": []string{"bob", "cyd"}})
	t.late(h.Ann, thr(resolved, "/messages"), nil)
	t.late(h.Ann, thr(left, "/messages"), nil)
	gone := t.late(h.Ann, thr(stays, "/messages"), J{"content": "@cyd"})
	outside := t.late(h.Ann, thr(stays, "/messages"), nil)
	h.setStatus(resolved, "resolved")
	t.Do("DELETE", thr(left, "/participants/"+h.Ann.ID), h.Ann, nil).OK()
	t.Do("DELETE", thr(stays, "/participants/bob"), h.Ann, nil).OK()
	t.Do("DELETE", "/api/bots/"+h.Cyd.ID, h.Admin, nil).OK()
	r := t.overdue(h.Ann, gone, outside)
	for i := range r.List("items") {
		at, n := fmt.Sprint("items.", i), 1
		if r.Str(at+".message_id") == gone {
			n = 0
		}
		r.Equal(at+".count", n).Len(at+".receipts", n)
	}
	t.overdue(h.Human(), gone, outside)
	t.Do("DELETE", "/api/bots/"+h.Ann.ID, h.Admin, nil).OK()
	t.overdue(h.Human())
}

func overduePages(t *T) {
	h := newFixture(t)
	var sent []string
	for _, to := range []string{"bob", "cyd", "bob"} {
		sent = append(sent, t.late(h.Ann, "/api/send", J{"to": to}))
	}
	other := t.late(h.Bob, "/api/send", J{"to": "ann"})
	t.overdue(h.Ann, sent[1]) // bob has written, in the channel
	t.overdue(h.Human(), sent[1], other)
	more := t.late(h.Ann, "/api/send", J{"to": "bob"})
	t.overdue(h.Ann, sent[1], more)
	var got []string
	cursor, pages := "", 0
	for more := true; more && pages < 10; pages++ {
		r := t.Get(query("/api/overdue", "limit", "1", "cursor", cursor), h.Ann).OK()
		got = append(got, r.Pluck("items", "message_id")...)
		if more = r.Value("has_more") == true; more {
			cursor = r.Str("cursor")
		}
	}
	t.sameIDs("pages", got, []string{sent[1], more})
	t.Get("/api/overdue", h.Ann.Scoped("read")).OK().Len("items", 2)
	t.Get("/api/overdue", h.Ann.Scoped("message")).Refused(403, "INSUFFICIENT_SCOPE")
	t.Get("/api/overdue", nil).Refused(401, "AUTH_REQUIRED")
	t.Get("/api/overdue", t.Org().Human()).OK().Len("items", 0)
}
