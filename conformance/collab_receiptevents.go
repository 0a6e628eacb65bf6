package conformance

import "fmt"

// receiptEventChecks returns the checks of the events by which senders learn what becomes of their
// messages.
func receiptEventChecks() []Check {
	return []Check{
		{[]string{"B2B-RCPT-020", "B2B-RCPT-021", "B2B-EVT-041"}, "the sender of a message is told what its addressee does with it", receiptEvents},
		{[]string{"B2B-RCPT-020"}, "a direct message is reported as a thread message is, over REST and WebSocket", directReceiptEvents},
		{[]string{"B2B-RCPT-020"}, "receipts is a boolean, and in the response and the event of its message", receiptsField},
		{[]string{"B2B-RCPT-020", "B2B-RCPT-023"}, "the sender is told of leases that end and waits that are over", endedReceiptEvents},
		{[]string{"B2B-RCPT-020"}, "the sender is told that a delivery does not wait any more", resumedReceiptEvents},
		{[]string{"B2B-RCPT-021"}, "a sender that has left is told nothing", leftReceiptEvents},
		{[]string{"B2B-DLV-002", "B2B-DLV-003", "B2B-DEC-002"}, "a decision that is asked in a channel is a delivery of that channel", channelDecisionDelivered},
		{[]string{"B2B-RCPT-022", "B2B-DLV-002"}, "the last receipts of a message that asked for them are in the inbox of its sender", receiptsInInbox},
	}
}

// told returns events of receipts as states, and asserts the shape of each.
func (t *T) told(f *Feed, frames []Frame) (states []string) {
	for _, fr := range frames {
		f.is(fr, J{"type": "delivery_updated"}).exactly("receipt", "receipt")
		states = append(states, f.asResponse(fr).Str("receipt.state"))
	}
	return states
}

// updates returns the expected types of n events.
func updates(n int) (types []string) {
	for range n {
		types = append(types, "delivery_updated")
	}
	return types
}

func receiptEvents(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	t.nothing(s.Bob, J{"backlog_seconds": 0})
	types := []string{"types", "delivery_updated,bot_renamed"}
	named, socket := t.stream("ann", s.Ann, types), t.open("ann's socket", s.Ann, types...)
	others := []*Feed{
		t.open("ann, plain", s.Ann).Feed, t.stream("ann, star", s.Ann, []string{"types", "*"}).Feed,
		t.stream("bob", s.Bob, types).Feed, t.stream("person", s.Human(), types).Feed,
	}
	say := func(fields J) string {
		return t.Do("POST", thr(id, "/messages"), s.Ann, with(J{"content": "@bob please look"}, fields)).OK().Str("id")
	}
	say(nil) // it does not ask
	t.ack(s.Bob, t.claimed(s.Bob, nil))
	sent := say(J{"receipts": true})
	d := t.claimed(s.Bob, nil)
	t.answer(s.Bob, "progress", d, J{"text": "reading"}).OK()
	t.answer(s.Bob, "progress", d, J{"text": "reading", "lease_seconds": 300}).OK()
	t.answer(s.Bob, "extend", d, nil).OK()
	t.answer(s.Bob, "wait", d, J{"on": "human", "reason": "needs approval"}).OK()
	t.answer(s.Bob, "extend", d, nil).OK()
	t.answer(s.Bob, "nack", d, J{"retry_in_seconds": 0, "reason": "busy"}).OK()
	d = t.claimed(s.Bob, nil)
	t.Do("POST", thr(id, "/messages"), s.Bob, J{"content": "done", "settles": J{"delivery_id": d["id"], "lease": d["lease"]}}).OK()
	mark := s.mark()
	for _, f := range []*Feed{named.Feed, socket.Feed} {
		frames := f.expect(mark, updates(7)...)
		t.sameIDs(f.name, t.told(f, frames), []string{"working", "working", "waiting", "working", "queued", "working", "done"})
		for _, fr := range frames {
			f.is(fr, J{"message_id": sent, "thread_id": id, "receipt.id": s.Bob.ID, "receipt.name": "bob", "receipt.why": "mention"}).Lacks("channel_id")
		}
		f.is(frames[0], J{"receipt.attempt": 1})
		f.is(frames[1], J{"receipt.progress": "reading"})
		f.is(frames[2], J{"receipt.waits_for": "human", "receipt.reason": "needs approval"})
		f.is(frames[4], J{"receipt.attempt": 1, "receipt.reason": "busy"})
		f.is(frames[5], J{"receipt.attempt": 2})
	}
	for _, f := range others {
		for _, fr := range f.upTo(mark) {
			if fr.kind() == "delivery_updated" {
				f.errorf("received %s", fr.Raw)
			}
		}
	}
}

func directReceiptEvents(t *T) {
	s := newLiveFixture(t)
	t.nothing(s.Bob, J{"backlog_seconds": 0})
	feed, socket := t.stream("ann", s.Ann, []string{"types", "delivery_updated,bot_renamed"}), t.open("socket", s.Ann)
	first := t.Do("POST", "/api/send", s.Ann, J{"to": "bob", "content": "1", "receipts": true}).OK()
	channel, want := first.Str("channel_id"), []string{first.Str("message.id")}
	for _, frame := range []J{{"type": "send_dm", "to": "bob"}, {"type": "send", "channel_id": channel}} {
		sent := socket.do(with(J{"content": "2", "receipts": true}, frame))
		want = append(want, sent.Str("result.message_id"))
	}
	for range want {
		t.answer(s.Bob, "nack", t.claimed(s.Bob, nil), J{"final": true, "reason": "no"}).OK()
	}
	frames := feed.expect(s.mark(), updates(6)...)
	t.sameIDs("states", t.told(feed.Feed, frames), []string{"working", "failed", "working", "failed", "working", "failed"})
	for i, fr := range frames {
		feed.is(fr, J{"message_id": want[i/2], "channel_id": channel, "receipt.why": "direct"}).Lacks("thread_id")
	}
	feed.is(frames[1], J{"receipt.reason": "no"})
	t.Do("POST", "/api/inbox/redeliver", s.Bob, nil).OK().Equal("redelivered", 3)
	t.sameIDs("redelivered", t.told(feed.Feed, feed.expect(s.mark(), updates(3)...)), []string{"queued", "queued", "queued"})
}

func receiptsField(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	feed := t.stream("bob", s.Bob, nil)
	send := func(path string, fields J) *Response {
		return t.Do("POST", path, s.Ann, with(J{"content": "hi"}, fields))
	}
	for _, path := range []string{"/api/send", thr(id, "/messages")} {
		to, at := J{}, ""
		if path == "/api/send" {
			to, at = J{"to": "bob"}, "message."
		}
		send(path, with(to, J{"receipts": "yes"})).Refused(400, "VALIDATION_ERROR")
		send(path, with(to, J{"receipts": nil})).OK().Lacks(at + "receipts")
		send(path, with(to, J{"receipts": false})).OK().Lacks(at + "receipts")
		send(path, with(to, J{"receipts": true})).OK().Equal(at+"receipts", true)
	}
	var marked int
	for _, fr := range feed.upTo(s.mark()) {
		if fr.kind() == "message" || fr.kind() == "thread_message" {
			if asked, ok := feed.asResponse(fr).find("message.receipts"); ok && asked == true {
				marked++
			}
		}
	}
	if marked != 2 {
		t.Errorf("%d events of messages have receipts, want 2", marked)
	}
	t.Get(thr(id, "/messages"), s.Bob).OK().Lacks("0.receipts", "1.receipts", "2.receipts")
}

func endedReceiptEvents(t *T) {
	s := newLiveFixture(t)
	s.Settings(J{"delivery_attempts": 1})
	t.nothing(s.Bob, J{"backlog_seconds": 0})
	feed := t.stream("ann", s.Ann, []string{"types", "delivery_updated"})
	send := func() { t.Do("POST", "/api/send", s.Ann, J{"to": "bob", "content": "hi", "receipts": true}).OK() }
	next := func(state string) Frame {
		fr := feed.next("delivery_updated")
		t.sameIDs("state", t.told(feed.Feed, []Frame{fr}), []string{state})
		return fr
	}
	send()
	t.answer(s.Bob, "wait", t.claimed(s.Bob, nil), J{"on": "bot", "resume_in_seconds": 1}).OK()
	next("working")
	next("waiting")
	next("queued")
	t.claimed(s.Bob, J{"lease_seconds": 1})
	next("working")
	feed.is(next("dead"), J{"receipt.attempt": 1}).Has("receipt.reason")
}

func resumedReceiptEvents(t *T) {
	s := newLiveFixture(t)
	t.nothing(s.Bob, J{"backlog_seconds": 0})
	feed := t.stream("ann", s.Ann, []string{"types", "delivery_updated"})
	t.Do("POST", "/api/send", s.Ann, J{"to": "bob", "content": "hi", "receipts": true}).OK()
	t.answer(s.Bob, "wait", t.claimed(s.Bob, nil), J{"on": "bot"}).OK()
	t.dm(s.Ann, "bob", "what you wait for")
	d := t.claimed(s.Bob, nil)
	if number(d["attempt"]) != 1 {
		t.Errorf("%v was handed out more than once", d)
	}
	var states []string
	for range 4 {
		states = append(states, t.told(feed.Feed, []Frame{feed.next("delivery_updated")})...)
	}
	t.sameIDs("states", states, []string{"working", "waiting", "queued", "working"})
}

func leftReceiptEvents(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	t.nothing(s.Bob, J{"backlog_seconds": 0})
	feed := t.stream("ann", s.Ann, []string{"types", "delivery_updated,bot_renamed"})
	t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "@bob look", "receipts": true}).OK()
	d := t.claimed(s.Bob, nil)
	feed.expect(s.mark(), "delivery_updated")
	t.Do("DELETE", thr(id, "/participants/"+s.Ann.ID), s.Ann, nil).OK()
	t.answer(s.Bob, "progress", d, J{"text": "not for you"}).OK()
	feed.expect(s.mark())
	s.addParticipant(id, s.Ann, nil)
	t.ack(s.Bob, d)
	t.sameIDs("states", t.told(feed.Feed, feed.expect(s.mark(), "delivery_updated")), []string{"done"})
}

func receiptsInInbox(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	t.nothing(h.Bob, J{"backlog_seconds": 0})
	t.nothing(h.Ann, J{"backlog_seconds": 0})
	say := func(fields J) string {
		return t.Do("POST", thr(id, "/messages"), h.Ann, with(J{"content": "@bob look"}, fields)).OK().Str("id")
	}
	say(nil)
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	sent := say(J{"receipts": true})
	d := t.claimed(h.Bob, nil)
	t.answer(h.Bob, "progress", d, J{"text": "reading"}).OK()
	t.nothing(h.Ann, nil)
	t.ack(h.Bob, d)
	r := t.claim(h.Ann, J{"wait_seconds": 10}).Len("items", 1)
	t.has(r, J{
		"items.0.kind": "receipt", "items.0.thread_id": id, "items.0.event.type": "delivery_updated", "items.0.event.message_id": sent,
		"items.0.event.receipt.state": "done", "items.0.event.receipt.name": "bob",
	})
	t.Do("POST", fmt.Sprint("/api/inbox/", r.Str("items.0.id"), "/ack"), h.Ann, J{"lease": r.Str("items.0.lease")}).OK()

	direct := t.Do("POST", "/api/send", h.Ann, J{"to": "bob", "content": "hard", "receipts": true}).OK()
	t.answer(h.Bob, "nack", t.claimed(h.Bob, nil), J{"final": true, "reason": "no"}).OK()
	r = t.claim(h.Ann, J{"wait_seconds": 10, "kinds": []string{"receipt"}}).Len("items", 1)
	t.has(r, J{
		"items.0.kind": "receipt", "items.0.channel_id": direct.Str("channel_id"), "items.0.event.channel_id": direct.Str("channel_id"),
		"items.0.event.receipt.state": "failed", "items.0.event.receipt.reason": "no",
	})
	r.Lacks("items.0.thread_id")
	t.nothing(h.Bob, nil)
}

func channelDecisionDelivered(t *T) {
	h := newFixture(t)
	channel := t.dm(h.Ann, "bob", "x").Str("channel_id")
	t.tick()
	t.nothing(h.Bob, J{"backlog_seconds": 0})
	asked := t.Do("POST", "/api/channels/"+channel+"/decisions", h.Ann, J{"kind": "approve", "question": "?"}).Status(201)
	d := t.claim(h.Bob, J{"wait_seconds": 10}).Len("items", 1)
	t.has(d, J{"items.0.kind": "decision", "items.0.channel_id": channel, "items.0.event.decision.id": asked.Str("id")})
	d.Lacks("items.0.thread_id")
}
