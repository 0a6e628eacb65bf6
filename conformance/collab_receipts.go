package conformance

import (
	"fmt"
	"slices"
)

// receiptChecks returns the checks of what is said later of the messages that were sent.
func receiptChecks() []Check {
	return []Check{
		{[]string{"B2B-RCPT-010", "B2B-RCPT-011"}, "receipts say what the worker of an inbox does with a message", receiptStates},
		{[]string{"B2B-RCPT-011"}, "a message that was given back, given up or is dead has a receipt that says so", receiptEnds},
		{[]string{"B2B-RCPT-011"}, "a message that nobody took up is never done", unconfirmedReceipts},
		{[]string{"B2B-RCPT-010"}, "there is a receipt for each bot that a message is addressed to", receiptsOfAddressed},
		{[]string{"B2B-RCPT-010"}, "receipts come in pages", receiptPages},
		{[]string{"B2B-RCPT-012"}, "receipts are for those who may read the message", foreignReceipts},
	}
}

func receiptsPath(message string) string { return "/api/messages/" + message + "/receipts" }

// receipts reads the receipts of a message, and asserts each as its name, the reason and the state.
func (t *T) receipts(by Caller, message string, want ...string) *Response {
	r := t.Get(receiptsPath(message), by).OK().Equal("has_more", false).Lacks("cursor")
	got := []string{}
	for i := range r.List("items") {
		at := fmt.Sprint("items.", i)
		r.exactly(at, "receipt")
		got = append(got, r.Str(at+".name")+" "+r.Str(at+".why")+" "+r.Str(at+".state"))
	}
	slices.Sort(got)
	if want == nil {
		want = []string{}
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		r.errorf("the receipts are %q, want %q", got, want)
	}
	return r
}

func receiptStates(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	thread := h.thread(nil)
	t.ack(h.Bob, t.claimed(h.Bob, nil)) // the invitation
	sent := t.say(h.Ann, thread, "@bob please look").Str("id")
	t.receipts(h.Ann, sent, "bob mention queued").Equal("items.0.id", h.Bob.ID).Lacks("items.0.progress", "items.0.reason", "items.0.due_at")

	d := t.claimed(h.Bob, J{"lease_seconds": 600})
	t.receipts(h.Ann, sent, "bob mention working").Equal("items.0.attempt", 1).Equal("items.0.due_at", d["due_at"]).Lacks("items.0.progress")
	r := t.answer(h.Bob, "progress", d, J{"text": "reading", "lease_seconds": 1200}).OK()
	t.receipts(h.Ann, sent, "bob mention working").Equal("items.0.progress", "reading").Equal("items.0.due_at", r.Value("due_at"))
	t.answer(h.Bob, "wait", d, J{"on": "human", "reason": "needs approval"}).OK()
	t.receipts(h.Ann, sent, "bob mention waiting").Equal("items.0.waits_for", "human").Equal("items.0.reason", "needs approval").Has("items.0.due_at")
	t.answer(h.Bob, "extend", d, nil).OK()
	t.receipts(h.Ann, sent, "bob mention working").Lacks("items.0.waits_for", "items.0.reason")
	t.ack(h.Bob, d)
	t.receipts(h.Ann, sent, "bob mention done").Lacks("items.0.attempt", "items.0.due_at", "items.0.progress")

	direct := t.dm(h.Ann, "bob", "and this").Str("message.id")
	t.receipts(h.Ann, direct, "bob direct queued")
	d = t.claimed(h.Bob, nil)
	t.receipts(h.Ann, direct, "bob direct working")
	answer := t.Do("POST", "/api/send", h.Bob, J{"to": "ann", "content": "done", "settles": J{"delivery_id": d["id"], "lease": d["lease"]}}).OK()
	t.receipts(h.Ann, direct, "bob direct done")
	t.receipts(h.Ann, answer.Str("message.id"), "ann direct unconfirmed")
}

func receiptEnds(t *T) {
	h := newFixture(t)
	h.Settings(J{"delivery_attempts": 2})
	t.nothing(h.Bob, nil)
	sent := t.dm(h.Ann, "bob", "hard").Str("message.id")
	t.answer(h.Bob, "nack", t.claimed(h.Bob, nil), J{"reason": "busy", "retry_in_seconds": 0}).OK()
	t.receipts(h.Ann, sent, "bob direct queued").Equal("items.0.attempt", 1).Equal("items.0.reason", "busy")
	t.answer(h.Bob, "nack", t.claimed(h.Bob, nil), J{"reason": "still busy"}).OK()
	t.receipts(h.Ann, sent, "bob direct dead").Equal("items.0.attempt", 2).Equal("items.0.reason", "still busy").Lacks("items.0.due_at")
	t.Do("POST", "/api/inbox/redeliver", h.Bob, nil).OK().Equal("redelivered", 1)
	t.receipts(h.Ann, sent, "bob direct queued").Lacks("items.0.reason")
	d := t.claimed(h.Bob, nil)
	t.answer(h.Bob, "nack", d, J{"reason": "no", "final": true}).OK()
	t.receipts(h.Ann, sent, "bob direct failed").Equal("items.0.reason", "no")

	second := t.dm(h.Ann, "bob", "in time").Str("message.id")
	t.claimed(h.Bob, J{"lease_seconds": 1})
	t.eventually(soon, "the lease has not ended", func() bool {
		return t.Get(receiptsPath(second), h.Ann).OK().Str("items.0.state") == "queued"
	})
	t.receipts(h.Ann, second, "bob direct queued").Equal("items.0.attempt", 1).Has("items.0.reason")
}

func unconfirmedReceipts(t *T) {
	h := newFixture(t)
	old := t.dm(h.Ann, "bob", "before the inbox").Str("message.id")
	t.receipts(h.Ann, old, "bob direct unconfirmed").Lacks("items.0.attempt")
	t.Get("/api/inbox?since=0", h.Bob).OK().Len("", 1) // reading is not settling
	t.dm(h.Bob, "ann", "an answer that settles nothing")
	t.receipts(h.Ann, old, "bob direct unconfirmed")
	t.tick()
	t.nothing(h.Bob, J{"backlog_seconds": 0})
	t.receipts(h.Ann, old, "bob direct unconfirmed")
	next := t.dm(h.Ann, "bob", "after it").Str("message.id")
	t.receipts(h.Ann, next, "bob direct queued")
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	t.receipts(h.Ann, next, "bob direct done")
	t.receipts(h.Ann, old, "bob direct unconfirmed")

	earlier := t.dm(h.Ann, "cyd", "in the backlog").Str("message.id")
	t.ack(h.Cyd, t.claimed(h.Cyd, nil))
	t.receipts(h.Ann, earlier, "cyd direct done")
}

func receiptsOfAddressed(t *T) {
	h := newFixture(t)
	thread := h.thread(J{"participants": []string{"bob", "cyd"}})
	say := func(by Caller, fields J) string {
		return t.Do("POST", thr(thread, "/messages"), by, fields).OK().Str("id")
	}
	t.receipts(h.Ann, say(h.Ann, J{"content": "nobody in particular"}))
	named := say(h.Ann, J{"content": "@bob and @ghost"})
	t.receipts(h.Bob, named, "bob mention unconfirmed")
	t.receipts(h.Ann, say(h.Bob, J{"content": "yes", "reply_to": named}), "ann reply unconfirmed")
	t.receipts(h.Ann, say(h.Ann, J{"content": "@all, and @cyd"}), "bob all unconfirmed", "cyd mention unconfirmed")
	t.receipts(h.Ann, say(h.Ann, J{"content": "@all thanks", "no_reply": true}))
	parts := J{"content": "see @bob", "parts": []J{{"type": "text", "content": "see @bob"}, {"type": "json", "content": J{"a": 1}}}}
	t.receipts(h.Ann, say(h.Ann, parts), "bob mention unconfirmed")
	direct := t.Do("POST", "/api/send", h.Ann, with(parts, J{"to": "bob"})).OK().Str("message.id")
	t.receipts(h.Bob, direct, "bob direct unconfirmed")

	all := say(h.Ann, J{"content": "@all"})
	t.Do("DELETE", thr(thread, "/participants/bob"), h.Ann, nil).OK()
	t.receipts(h.Ann, all, "bob all unconfirmed", "cyd all unconfirmed")
	dan := h.Bot("dan")
	h.addParticipant(thread, dan, nil)
	t.receipts(dan, all, "bob all unconfirmed", "cyd all unconfirmed")
	t.Do("DELETE", "/api/bots/"+h.Cyd.ID, h.Admin, nil).OK()
	t.receipts(h.Ann, all, "bob all unconfirmed")
}

func receiptPages(t *T) {
	h := newFixture(t)
	names := make([]string, 5)
	for i := range names {
		names[i] = fmt.Sprint("m", i)
		h.Bot(names[i])
	}
	thread := h.thread(J{"participants": names})
	path := receiptsPath(t.say(h.Ann, thread, "@all").Str("id"))
	var ids []string
	cursor := ""
	for range 3 {
		r := t.Get(query(path, "limit", "2", "cursor", cursor), h.Ann).OK()
		ids = append(ids, r.Pluck("items", "id")...)
		if more := r.Value("has_more") == true; more != (len(ids) < 5) {
			r.errorf("has_more is %v after %d of 5", more, len(ids))
		} else if more {
			cursor = r.Str("cursor")
		}
	}
	if len(ids) != 5 || !slices.IsSorted(ids) {
		t.Errorf("the pages have %q", ids)
	}
}

func foreignReceipts(t *T) {
	h := newFixture(t)
	thread := h.thread(J{"visibility": "public"})
	said, sent := t.say(h.Ann, thread, "@bob").Str("id"), t.dm(h.Ann, "bob", "hi").Str("message.id")
	other := t.Org()
	stranger := other.Bot("stranger")
	for _, message := range []string{said, sent} {
		for _, by := range []Caller{h.Ann, h.Bob, h.Ann.Scoped("read"), h.Human()} {
			t.Get(receiptsPath(message), by).OK().Len("items", 1)
		}
		for _, by := range []Caller{h.Cyd, stranger, other.Human()} {
			t.Get(receiptsPath(message), by).Refused(404, "NOT_FOUND")
		}
		t.Get(receiptsPath(message), h.Ann.Scoped("message")).Refused(403, "INSUFFICIENT_SCOPE")
		t.Get(receiptsPath(message), nil).Refused(401, "AUTH_REQUIRED")
	}
	t.Get(receiptsPath(unusedID), h.Ann).Refused(404, "NOT_FOUND")
	t.Get(receiptsPath(thread), h.Ann).Refused(404, "NOT_FOUND")
	h.addParticipant(thread, h.Cyd, nil)
	t.receipts(h.Cyd, said, "bob mention unconfirmed")
}
