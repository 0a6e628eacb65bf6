package conformance

// inboxStreamChecks returns the checks of streams of deliveries and of the inbox over WebSockets.
func inboxStreamChecks() []Check {
	return []Check{
		{[]string{"B2B-DLV-021"}, "a stream hands out deliveries, as many at once as the worker takes", streamedDeliveries},
		{[]string{"B2B-DLV-021", "B2B-DLV-007"}, "a stream selects kinds and comes with context", selectedStream},
		{[]string{"B2B-DLV-022"}, "a stream of deliveries ends with its credential, and its leases do not", inboxStreamEnds},
		{[]string{"B2B-WS-020", "B2B-WS-021", "B2B-WS-034", "B2B-DLV-003"}, "a bot works on its inbox over a WebSocket", inboxOps},
	}
}

// delivery waits for the next delivery of a stream of an inbox.
func (s *Stream) delivery() J {
	_, fr := s.seek("delivery", func(fr Frame) bool { return fr.JSON["delivery"] != nil })
	d, _ := fr.JSON["delivery"].(map[string]any)
	s.asResponse(fr).Shape("delivery", deliveryShape+" lease:s due_at:i event:o").Equal("delivery.state", "leased")
	return d
}

// says asserts the content of the message of a delivery.
func (t *T) says(d J, want string) {
	if got, _ := walk(d, "event.message.content"); got != want {
		t.Errorf("the delivery says %v, want %q", got, want)
	}
}

func streamedDeliveries(t *T) {
	h := newFixture(t)
	s := t.inboxStream(h.Bob, J{})
	for _, text := range []string{"one", "two", "three"} {
		t.dm(h.Ann, "bob", text)
	}
	t.dm(h.Cyd, "bob", "of another channel")
	first := s.delivery()
	t.says(first, "one")
	other := t.claimed(h.Bob, nil) // ready, but the stream has no room for it
	t.says(other, "of another channel")
	if n := len(s.all()); n != 1 {
		s.errorf("handed out %d deliveries, want 1", n)
	}
	t.ack(h.Bob, first)
	second := s.delivery()
	t.says(second, "two")
	t.Do("POST", "/api/send", h.Bob, J{"to": "ann", "content": "done", "settles": J{"delivery_id": second["id"], "lease": second["lease"]}}).OK()
	third := s.delivery()
	t.says(third, "three")
	t.answer(h.Bob, "nack", third, J{"retry_in_seconds": 0}).Status(200)
	again := s.delivery()
	t.says(again, "three")
	if again["lease"] == third["lease"] || number(again["attempt"]) != 2 {
		s.errorf("handed out again as %v after %v", again, third)
	}
	t.answer(h.Bob, "ack", J{"id": third["id"], "lease": third["lease"]}, nil).Refused(409, "LEASE_LOST")
	t.ack(h.Bob, again)

	wide := t.inboxStream(h.Cyd, J{"max": 2, "unordered": true})
	for _, text := range []string{"a", "b", "c"} {
		t.dm(h.Ann, "cyd", text)
	}
	one := wide.delivery()
	t.says(one, "a")
	t.says(wide.delivery(), "b")
	t.ack(h.Cyd, one)
	t.says(wide.delivery(), "c")

	dan := h.Bot("dan")
	short := t.inboxStream(dan, J{"lease_seconds": 1})
	t.dm(h.Ann, "dan", "nobody answers")
	for attempt := range 2 { // again when its lease has ended
		d := short.delivery()
		t.says(d, "nobody answers")
		if int(number(d["attempt"])) != attempt+1 {
			short.errorf("attempt %v, want %d", d["attempt"], attempt+1)
		}
	}
}

func selectedStream(t *T) {
	h := newFixture(t)
	thread := h.thread(nil)
	s := t.inboxStream(h.Bob, J{"kinds": []string{"mention"}, "thread_id": thread, "context": true, "max": 5})
	t.dm(h.Ann, "bob", "not selected")
	t.say(h.Ann, thread, "nobody")
	t.say(h.Ann, thread, "@bob look")
	d := s.delivery()
	t.says(d, "@bob look")
	if texts := contextTexts(d); len(texts) != 2 {
		s.errorf("the context has %v", texts)
	}
	t.Do("POST", "/api/inbox/stream", h.Bob, J{"max": 0}).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", "/api/inbox/stream", h.Bob, J{"kinds": []string{"none"}}).Refused(400, "VALIDATION_ERROR")
}

// contextTexts returns the contents of the messages in the context of a delivery.
func contextTexts(d J) (texts []any) {
	list, _ := walk(d, "context.messages")
	messages, _ := list.([]any)
	for _, m := range messages {
		text, _ := walk(m, "content")
		texts = append(texts, text)
	}
	return texts
}

func inboxStreamEnds(t *T) {
	h := newFixture(t)
	made := t.Do("POST", "/api/me/tokens", h.Bob, J{"scopes": []string{"message", "read"}}).OK()
	s, refused := t.openStream("a scoped token", Token(made.Str("token")), "POST", "/api/inbox/stream", `{"max":2}`)
	if s == nil {
		t.Fatalf("%s", refused)
	}
	reads := t.Do("POST", "/api/me/tokens", h.Bob, J{"scopes": []string{"read"}}).OK()
	t.Do("POST", "/api/inbox/stream", Token(reads.Str("token")), J{}).Refused(403, "INSUFFICIENT_SCOPE")
	t.Do("POST", "/api/inbox/stream", h.Login(), J{}).Refused(403, "FORBIDDEN")
	t.dm(h.Ann, "bob", "before the end")
	d := s.delivery()
	t.Do("DELETE", "/api/me/tokens/"+made.Str("id"), h.Bob, nil).OK()
	t.dm(h.Cyd, "bob", "after the end")
	s.endsWith("INVALID_TOKEN")
	t.says(t.claimed(h.Bob, nil), "after the end")
	t.ack(h.Bob, d)
}

func inboxOps(t *T) {
	s := newLiveFixture(t)
	thread := s.thread(nil)
	bob := t.open("bob", s.Bob)
	invited := bob.op(J{"type": "inbox_claim", "max": 50}).Len("result.items", 1).Equal("result.items.0.kind", "invitation")
	bob.do(J{"type": "inbox_ack", "delivery_id": invited.Str("result.items.0.id"), "lease": invited.Str("result.items.0.lease")})
	t.dm(s.Ann, "bob", "one")
	bob.next("message")
	r := bob.op(J{"type": "inbox_claim"})
	r.Len("result.items", 1).Shape("result.items.0", deliveryShape+" lease:s event:o")
	id, lease := r.Str("result.items.0.id"), r.Str("result.items.0.lease")
	bob.do(J{"type": "inbox_progress", "delivery_id": id, "lease": lease, "text": "reading"}).
		acked(J{"operation": "inbox_progress", "resource_id": id, "delivery_id": id, "delivery.progress": "reading"})
	bob.do(J{"type": "inbox_extend", "delivery_id": id, "lease": lease, "lease_seconds": 300}).acked(J{"delivery.state": "leased"})
	bob.do(J{"type": "inbox_wait", "delivery_id": id, "lease": lease, "on": "human"}).acked(J{"delivery.state": "waiting"})
	bob.do(J{"type": "inbox_extend", "delivery_id": id, "lease": lease}).acked(J{"delivery.state": "leased"})
	bob.refuses("LEASE_LOST", J{"type": "inbox_ack", "delivery_id": id, "lease": "another"})
	bob.refuses("VALIDATION_ERROR", J{"type": "inbox_ack", "lease": lease})
	bob.refuses("VALIDATION_ERROR", J{"type": "inbox_claim", "wait_seconds": 1})
	bob.do(J{"type": "inbox_ack", "delivery_id": id, "lease": lease}).
		acked(J{"operation": "inbox_ack", "resource_id": id, "delivery_id": id, "settled": true})
	bob.op(J{"type": "inbox_claim", "wait_seconds": 0}).Len("result.items", 0)

	t.say(s.Ann, thread, "@bob two")
	r = bob.op(J{"type": "inbox_claim"}).Len("result.items", 1)
	id, lease = r.Str("result.items.0.id"), r.Str("result.items.0.lease")
	bob.do(J{"type": "inbox_nack", "delivery_id": id, "lease": lease, "retry_in_seconds": 0}).acked(J{"delivery.state": "queued"})
	r = bob.op(J{"type": "inbox_claim"}).Len("result.items", 1).Equal("result.items.0.attempt", 2)
	settles := J{"delivery_id": id, "lease": r.Str("result.items.0.lease")}
	bob.refuses("LEASE_LOST", J{"type": "send_thread_message", "thread_id": thread, "content": "no", "settles": J{"delivery_id": id, "lease": lease}})
	bob.do(J{"type": "send_thread_message", "thread_id": thread, "content": "done", "settles": settles})
	t.nothing(s.Bob, J{"unordered": true})
}
