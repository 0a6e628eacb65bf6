package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const deliveryShape = "id:s kind:s state:=queued|leased|waiting|failed|dead attempt:i created_at:i"

// deliveryChecks returns the checks of inboxes whose deliveries are settled.
func deliveryChecks() []Check {
	return []Check{
		{[]string{"B2B-DLV-001", "B2B-DLV-003", "B2B-DLV-011"}, "a bot claims what was sent to it, and settles it", claimedDirectMessage},
		{[]string{"B2B-DLV-001"}, "an inbox begins with what was addressed to the bot before", backlogOfInbox},
		{[]string{"B2B-DLV-002"}, "events are addressed by mention, reply, all, invitation and request", addressedEvents},
		{[]string{"B2B-DLV-003"}, "a claim checks its parameters", claimParameters},
		{[]string{"B2B-DLV-004"}, "the deliveries of a thread are handed out in order, one at a time", deliveriesInOrder},
		{[]string{"B2B-DLV-005"}, "a claim waits until something is addressed to the bot", waitingClaim},
		{[]string{"B2B-DLV-006"}, "a claim selects kinds and a thread", selectedDeliveries},
		{[]string{"B2B-DLV-007"}, "a claim comes with the context of its threads", deliveryContext},
		{[]string{"B2B-DLV-008"}, "a repeated claim returns the same deliveries", repeatedClaim},
		{[]string{"B2B-DLV-008", "B2B-DLV-023"}, "a claim that was given up takes nothing", replacedClaim},
		{[]string{"B2B-DLV-009", "B2B-DLV-010"}, "a delivery whose lease ends is handed out again", expiredDelivery},
		{[]string{"B2B-DLV-010", "B2B-DLV-011", "B2B-DLV-012", "B2B-DLV-013"}, "only who has the lease answers a delivery", foreignLeases},
		{[]string{"B2B-DLV-012", "B2B-DLV-016", "B2B-DLV-017"}, "a delivery is given back, fails, is dead, and is queued again", returnedDelivery},
		{[]string{"B2B-DLV-013"}, "a worker extends its lease and says what it does", extendedDelivery},
		{[]string{"B2B-DLV-014"}, "a delivery that waits comes back with the next one of its thread", deliveryThatWaits},
		{[]string{"B2B-DLV-015"}, "a change settles a delivery, or neither happens", settlingChanges},
		{[]string{"B2B-DLV-004", "B2B-DLV-010"}, "many workers of a bot settle each delivery once", manyWorkers},
		{[]string{"B2B-DLV-018"}, "the inbox of a deleted bot ends", inboxOfDeletedBot},
	}
}

// claim claims deliveries.
func (t *T) claim(by Caller, fields J) *Response {
	return t.Do("POST", "/api/inbox/claim", by, with(J{}, fields)).Status(200)
}

// claimed claims one delivery, which must be there within some seconds, and returns it.
func (t *T) claimed(by Caller, fields J) J {
	r := t.claim(by, with(J{"wait_seconds": 10}, fields)).Len("items", 1)
	d, _ := r.List("items")[0].(map[string]any)
	return d
}

// number returns a number of a response.
func number(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return f
}

// nothing asserts that there is nothing to claim.
func (t *T) nothing(by Caller, fields J) { t.claim(by, fields).Len("items", 0) }

// answer answers a delivery.
func (t *T) answer(by Caller, how string, d J, fields J) *Response {
	return t.Do("POST", fmt.Sprint("/api/inbox/", d["id"], "/", how), by, with(J{"lease": d["lease"]}, fields))
}

// acked settles a delivery.
func (t *T) ack(by Caller, d J) { t.answer(by, "ack", d, nil).Status(200).Equal("settled", true) }

func claimedDirectMessage(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	sent := t.dm(h.Ann, "bob", "please look")
	t.dm(h.Bob, "ann", "mine is not addressed to me")
	r := t.claim(h.Bob, J{"lease_seconds": 120}).Len("items", 1).Shape("items.0", deliveryShape+" lease:s channel_id:s due_at:i event:o !thread_id !context")
	t.has(r, J{
		"items.0.kind": "direct", "items.0.state": "leased", "items.0.attempt": 1, "items.0.channel_id": sent.Str("channel_id"),
		"items.0.event.type": "message", "items.0.event.message.id": sent.Str("message.id"), "items.0.event.message.content": "please look",
		"items.0.event.sender_name": "ann",
	})
	if length := r.Num("items.0.due_at") - t.serverTime(h.Org); length < 100_000 || length > 130_000 {
		t.Errorf("%s: the lease does not last 120 seconds", r)
	}
	t.nothing(h.Bob, J{"unordered": true})
	d, _ := r.List("items")[0].(map[string]any)
	t.ack(h.Bob, d)
	t.nothing(h.Bob, J{"unordered": true})
	t.claim(h.Ann, J{"max": 9}).Len("items", 1).Equal("items.0.event.message.content", "mine is not addressed to me")
	t.nothing(h.Cyd, nil)
}

func backlogOfInbox(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "before the inbox")
	t.dm(h.Ann, "cyd", "before the inbox")
	t.nothing(h.Cyd, J{"backlog_seconds": 0})
	if got := t.claimed(h.Bob, nil); got["kind"] != "direct" {
		t.Errorf("got %v", got)
	}
	t.dm(h.Ann, "cyd", "after it")
	t.claim(h.Cyd, nil).Len("items", 1).Equal("items.0.event.message.content", "after it")
}

func addressedEvents(t *T) {
	h := newFixture(t)
	for _, b := range []*Bot{h.Ann, h.Bob, h.Cyd} {
		t.nothing(b, nil)
	}
	kinds := func(b *Bot) []string {
		return t.claim(b, J{"max": 50, "unordered": true, "lease_seconds": 3600}).Pluck("items", "kind")
	}
	expect := func(what string, ann, bob, cyd []string) {
		for b, want := range map[*Bot][]string{h.Ann: ann, h.Bob: bob, h.Cyd: cyd} {
			if got := kinds(b); !slices.Equal(got, want) {
				t.Errorf("%s: to %s: %v, want %v", what, b.Name, got, want)
			}
		}
	}
	thread := h.thread(nil)
	expect("a new thread", nil, []string{"invitation"}, nil)
	t.say(h.Ann, thread, "nobody in particular")
	expect("a message to nobody", nil, nil, nil)
	t.Do("POST", thr(thread, "/messages"), h.Ann, J{"content": "@bob only so that you know", "no_reply": true}).OK()
	t.Do("POST", "/api/send", h.Ann, J{"to": "bob", "content": "only so that you know", "no_reply": true}).OK()
	expect("messages that want no answer", nil, nil, nil)
	t.say(h.Ann, thread, "@bob and @cyd, who is not here, and @ann myself")
	expect("a mention", nil, []string{"mention"}, nil)
	bobs := t.say(h.Bob, thread, "an answer").Str("id")
	t.Do("POST", thr(thread, "/messages"), h.Ann, J{"content": "a reply", "reply_to": bobs}).OK()
	expect("a reply", nil, []string{"reply"}, nil)
	t.Do("POST", thr(thread, "/messages"), h.Ann, J{"content": "@bob a reply", "reply_to": bobs}).OK()
	expect("a reply that mentions", nil, []string{"mention"}, nil)
	t.Do("POST", thr(thread, "/messages"), h.Bob, J{"content": "@all to me too", "reply_to": bobs}).OK()
	expect("all", []string{"all"}, nil, nil)
	t.patch(h.Ann, thread, J{"join_policy": "approval"})
	request := t.Do("POST", thr(thread, "/join"), h.Cyd, nil).Str("request_id")
	expect("a request to join", []string{"join_request"}, []string{"join_request"}, nil)
	t.Do("POST", thr(thread, "/join-requests/", request, "/reject"), h.Ann, nil).OK()
	expect("a rejected request", nil, nil, []string{"join_resolved"})
	h.addParticipant(thread, h.Cyd, nil)
	expect("added by a person", nil, nil, []string{"invitation"})
	t.say(h.Ann, thread, "@all")
	expect("all", nil, []string{"all"}, []string{"all"})
	t.Do("DELETE", thr(thread, "/participants/", h.Bob.ID), h.Bob, nil).OK()
	t.Do("POST", thr(thread, "/messages"), h.Ann, J{"content": "@all a reply to one who left", "reply_to": bobs}).OK()
	expect("one who left", nil, nil, []string{"all"})
}

func claimParameters(t *T) {
	o := t.Org()
	bot := o.Bot("worker")
	for _, body := range []any{
		J{"max": 0}, J{"max": 101}, J{"max": -1}, J{"max": "5"}, J{"lease_seconds": 0}, J{"lease_seconds": 86401}, J{"wait_seconds": -1}, J{"wait_seconds": 61},
		J{"wait_seconds": 1e12}, J{"kinds": "direct"}, J{"kinds": []string{"none such"}}, J{"backlog_seconds": -1}, J{"backlog_seconds": 2592001}, J{"unordered": "x"},
	} {
		t.Do("POST", "/api/inbox/claim", bot, body).Refused(400, "VALIDATION_ERROR")
	}
	t.Do("POST", "/api/inbox/claim", bot, nil).Status(200).Len("items", 0)
	t.claim(bot, J{"max": 100, "lease_seconds": 86400, "kinds": []string{"direct", "mention"}, "backlog_seconds": 2592000}).Len("items", 0)
	t.Do("POST", "/api/inbox/claim", bot.Scoped("read"), J{}).Refused(403, "INSUFFICIENT_SCOPE")
	t.Do("POST", "/api/inbox/claim", o.Human(), J{}).Refused(403, "FORBIDDEN")
	t.claim(bot.Scoped("message"), nil)
	t.claim(bot.Scoped("thread"), nil)
}

func deliveriesInOrder(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	one, two := h.thread(nil), h.thread(nil)
	for _, d := range t.claim(h.Bob, J{"max": 9}).Len("items", 2).List("items") {
		t.ack(h.Bob, d.(map[string]any))
	}
	for _, text := range []string{"a", "b", "c"} {
		t.say(h.Ann, one, "@bob "+text)
		t.say(h.Ann, two, "@bob "+text)
	}
	for _, text := range []string{"@bob a", "@bob b", "@bob c"} {
		r := t.claim(h.Bob, J{"max": 9}).Len("items", 2)
		t.has(r, J{"items.0.thread_id": one, "items.1.thread_id": two, "items.0.event.message.content": text, "items.1.event.message.content": text})
		t.nothing(h.Bob, J{"max": 9})
		first, second := r.List("items")[0].(map[string]any), r.List("items")[1].(map[string]any)
		t.ack(h.Bob, second)
		if text != "@bob c" {
			next := t.claim(h.Bob, J{"max": 9}).Len("items", 1)
			t.has(next, J{"items.0.thread_id": two})
			t.answer(h.Bob, "nack", next.List("items")[0].(map[string]any), J{"retry_in_seconds": 0}).OK()
		}
		t.ack(h.Bob, first)
	}
	t.say(h.Ann, one, "@bob d")
	t.say(h.Ann, one, "@bob e")
	t.claim(h.Bob, J{"max": 9, "unordered": true}).Len("items", 2)
}

func waitingClaim(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	thread := h.thread(nil)
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	for _, send := range []func(){
		func() { t.dm(h.Ann, "bob", "direct") },
		func() { t.say(h.Ann, thread, "@bob") },
		func() { t.say(h.Ann, thread, "@all") },
	} {
		var got J
		wait := t.background(func() { got = t.claimed(h.Bob, J{"wait_seconds": 30}) })
		t.Sleep(100 * time.Millisecond)
		t.say(h.Ann, thread, "to nobody")
		begin := time.Now()
		send()
		wait()
		if took := time.Since(begin); took > t.patient(5*time.Second) {
			t.Errorf("the claim waited for %s", took)
		}
		t.ack(h.Bob, got)
	}
	begin := time.Now()
	t.nothing(h.Bob, J{"wait_seconds": 1})
	if took := time.Since(begin); took < 900*time.Millisecond {
		t.Errorf("the claim waited for %s, not for a second", took)
	}
	t.dm(h.Ann, "bob", "first")
	t.dm(h.Ann, "bob", "second")
	first := t.claimed(h.Bob, nil)
	var second J
	wait := t.background(func() { second = t.claimed(h.Bob, J{"wait_seconds": 30}) })
	t.Sleep(100 * time.Millisecond)
	t.ack(h.Bob, first)
	wait()
	t.ack(h.Bob, second)
}

func selectedDeliveries(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	one, two := h.thread(nil), h.thread(nil)
	t.say(h.Ann, one, "@bob")
	t.say(h.Ann, two, "@all")
	t.dm(h.Ann, "bob", "direct")
	t.claim(h.Bob, J{"kinds": []string{"direct", "join_request"}, "max": 9}).Len("items", 1).Equal("items.0.kind", "direct")
	t.claim(h.Bob, J{"kinds": []string{"all"}, "max": 9}).Len("items", 1).Equal("items.0.thread_id", two)
	t.nothing(h.Bob, J{"thread_id": two})
	t.claim(h.Bob, J{"thread_id": one, "unordered": true, "max": 9}).Len("items", 2)
	t.nothing(h.Bob, J{"thread_id": unusedID})
	t.claim(h.Bob, J{"unordered": true, "max": 9}).Len("items", 1).Equal("items.0.kind", "invitation")
}

func deliveryContext(t *T) {
	h := newFixture(t)
	thread := h.thread(nil)
	t.say(h.Ann, thread, "an old message")
	t.tick()
	d := t.claimed(h.Bob, J{"context": true})
	t.ack(h.Bob, d)
	t.Shape("the context", d["context"], "thread:o messages:a more_messages:b artifacts:a")
	t.say(h.Ann, thread, "@bob the first")
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	t.tick()
	for i := range 52 {
		t.say(h.Ann, thread, fmt.Sprint("message ", i))
	}
	t.Do("POST", thr(thread, "/artifacts"), h.Ann, J{"artifact_key": "plan", "type": "text", "content": "a plan"}).OK()
	t.say(h.Ann, thread, "@bob the second")
	r := t.claim(h.Bob, J{"context": true}).Len("items", 1).Len("items.0.context.messages", 50).Len("items.0.context.artifacts", 1)
	t.has(r, J{
		"items.0.context.thread.id": thread, "items.0.context.more_messages": true, "items.0.context.messages.0.content": "message 3",
		"items.0.context.messages.49.content": "@bob the second", "items.0.context.artifacts.0.artifact_key": "plan", "items.0.context.artifacts.0.content": nil,
	})
	t.dm(h.Ann, "bob", "direct")
	t.claim(h.Bob, J{"context": true}).Len("items", 1).Lacks("items.0.context")
}

func repeatedClaim(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "once")
	first := t.claimed(h.Bob, J{"request_id": "claim-1"})
	again := t.claimed(h.Bob, J{"request_id": "claim-1"})
	if first["id"] != again["id"] || first["lease"] != again["lease"] || number(again["attempt"]) != 1 {
		t.Errorf("repeated: %v, first %v", again, first)
	}
	t.nothing(h.Bob, J{"request_id": "claim-2"})
	t.ack(h.Bob, again)
	t.nothing(h.Bob, J{"request_id": "claim-1"})
}

// replacedClaim gives up on a claim that waits, and repeats it: nothing is lost.
func replacedClaim(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	for range 5 {
		ctx, cancel := context.WithCancel(t.ctx)
		ended := t.background(func() {
			_, err := t.target.send(ctx, "POST", "/api/inbox/claim", h.Bob, J{"request_id": "given-up", "wait_seconds": 60, "lease_seconds": 600})
			if err == nil {
				t.Errorf("a claim that was given up has a response")
			}
		})
		t.Sleep(50 * time.Millisecond)
		cancel()
		ended()
		t.nothing(h.Bob, J{"request_id": "given-up", "lease_seconds": 600})
	}
	t.dm(h.Ann, "bob", "hello")
	if d := t.claimed(h.Bob, nil); number(d["attempt"]) != 1 {
		t.Errorf("after claims that were given up: %v", d)
	}
	var over atomic.Bool
	ended := t.background(func() {
		t.nothing(h.Bob, J{"request_id": "waits", "wait_seconds": 60})
		over.Store(true)
	})
	t.eventually(soon, "the first claim waits on", func() bool { // on each node in turn
		t.nothing(h.Bob, J{"request_id": "waits"})
		return over.Load()
	})
	ended()
}

func expiredDelivery(t *T) {
	h := newFixture(t)
	h.Settings(J{"delivery_attempts": 2}).Equal("delivery_attempts", 2)
	t.dm(h.Ann, "bob", "twice")
	first := t.claimed(h.Bob, J{"lease_seconds": 1})
	second := t.claimed(h.Bob, J{"lease_seconds": 1})
	if first["id"] != second["id"] || first["lease"] == second["lease"] || number(second["attempt"]) != 2 {
		t.Errorf("handed out again: %v, first %v", second, first)
	}
	t.answer(h.Bob, "ack", first, nil).Refused(409, "LEASE_LOST")
	t.nothing(h.Bob, J{"wait_seconds": 3})
	r := t.Get("/api/inbox/deliveries?state=dead", h.Bob).OK().Len("items", 1)
	t.has(r, J{"items.0.id": first["id"], "items.0.state": "dead", "items.0.attempt": 2})
	r.Has("items.0.reason").Lacks("items.0.lease", "items.0.event", "items.0.due_at")
	t.answer(h.Bob, "ack", second, nil).Refused(409, "LEASE_LOST")
}

func foreignLeases(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "for bob")
	t.dm(h.Ann, "cyd", "for cyd")
	bobs, cyds := t.claimed(h.Bob, nil), t.claimed(h.Cyd, nil)
	foreign := t.Org().Bot("foreign")
	for how, fields := range map[string]J{"ack": nil, "nack": {"final": true}, "extend": nil, "progress": {"text": "x"}, "wait": {"on": "human"}} {
		t.answer(h.Cyd, how, bobs, fields).Refused(409, "LEASE_LOST")
		t.answer(foreign, how, bobs, fields).Refused(409, "LEASE_LOST")
		t.answer(h.Bob, how, J{"id": bobs["id"], "lease": cyds["lease"]}, fields).Refused(409, "LEASE_LOST")
		t.answer(h.Bob, how, J{"id": "none", "lease": bobs["lease"]}, fields).Refused(409, "LEASE_LOST")
		t.Do("POST", fmt.Sprint("/api/inbox/", bobs["id"], "/", how), h.Bob, fields).Refused(400, "VALIDATION_ERROR")
	}
	t.answer(h.Bob, "progress", bobs, nil).Refused(400, "VALIDATION_ERROR")
	t.answer(h.Bob, "wait", bobs, nil).Refused(400, "VALIDATION_ERROR")
	t.answer(h.Bob, "nack", bobs, J{"retry_in_seconds": -1}).Refused(400, "VALIDATION_ERROR")
	t.answer(h.Bob, "extend", bobs, J{"lease_seconds": 86401}).Refused(400, "VALIDATION_ERROR")
	t.ack(h.Bob, bobs)
	t.answer(h.Bob, "ack", bobs, nil).Refused(409, "LEASE_LOST")
	t.answer(h.Cyd, "ack", cyds, J{"request_id": "ack-1"}).Equal("settled", true)
	t.answer(h.Cyd, "ack", cyds, J{"request_id": "ack-1"}).Equal("settled", true)
}

func returnedDelivery(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "direct")
	thread := h.thread(nil)
	direct, invited := t.claimed(h.Bob, nil), t.claimed(h.Bob, nil)
	r := t.answer(h.Bob, "nack", direct, J{"retry_in_seconds": 600, "reason": "the disk is full"}).OK()
	t.has(r, J{"state": "queued", "attempt": 1, "reason": "the disk is full"})
	r = t.answer(h.Bob, "nack", invited, J{"final": true, "reason": "no"}).OK()
	t.has(r, J{"state": "failed", "attempt": 1, "reason": "no", "thread_id": thread})
	t.nothing(h.Bob, nil)
	t.Get("/api/inbox/deliveries", h.Bob).OK().Len("items", 2).Equal("items.0.id", direct["id"])
	t.Get("/api/inbox/deliveries?limit=1", h.Bob).OK().Len("items", 1).Equal("has_more", true)
	t.Get("/api/inbox/deliveries?state=failed", h.Bob).OK().Len("items", 1).Equal("items.0.id", invited["id"])
	t.Get("/api/inbox/deliveries?thread_id="+thread, h.Bob).OK().Len("items", 1)
	t.Get("/api/inbox/deliveries?bot=bob", h.Human()).OK().Len("items", 2)
	t.Get("/api/inbox/deliveries", h.Human()).Refused(400, "VALIDATION_ERROR")
	t.Get("/api/inbox/deliveries?bot=bob", h.Ann).Refused(403, "FORBIDDEN")
	t.Get("/api/inbox/deliveries", h.Ann).OK().Len("items", 0)

	t.Do("POST", "/api/inbox/redeliver", h.Bob, J{"ids": []string{"none"}}).Refused(404, "NOT_FOUND")
	t.Do("POST", "/api/inbox/redeliver", h.Bob, J{"ids": []any{direct["id"]}}).OK().Equal("redelivered", 0)
	t.Do("POST", "/api/inbox/redeliver", h.Human(), J{"bot": "bob"}).OK().Equal("redelivered", 1)
	h.Audit("inbox.redeliver").Len("", 1)
	again := t.claimed(h.Bob, nil)
	if again["id"] != invited["id"] || number(again["attempt"]) != 1 {
		t.Errorf("redelivered: %v", again)
	}
	h.Settings(J{"delivery_attempts": 1})
	t.answer(h.Bob, "nack", again, J{"reason": "again"}).OK().Equal("state", "dead")
	t.Do("POST", "/api/inbox/redeliver", h.Bob, J{"ids": []any{again["id"], again["id"]}}).OK().Equal("redelivered", 1)
	t.ack(h.Bob, t.claimed(h.Bob, nil))
}

func extendedDelivery(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "direct")
	d := t.claimed(h.Bob, J{"lease_seconds": 2})
	r := t.answer(h.Bob, "extend", d, J{"lease_seconds": 600}).OK()
	t.has(r, J{"state": "leased", "lease": d["lease"]})
	if r.Num("due_at") < number(d["due_at"])+500_000 {
		t.Errorf("%s: the lease is not extended", r)
	}
	t.answer(h.Bob, "progress", d, J{"text": "reading", "lease_seconds": 600}).OK().Equal("progress", "reading")
	t.Get("/api/inbox/deliveries", h.Bob).OK().Equal("items.0.progress", "reading")
	t.Sleep(2500 * time.Millisecond)
	t.ack(h.Bob, d)
}

func deliveryThatWaits(t *T) {
	h := newFixture(t)
	thread := h.thread(nil)
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	t.say(h.Ann, thread, "@bob shall we?")
	asked := t.claimed(h.Bob, nil)
	r := t.answer(h.Bob, "wait", asked, J{"on": "human", "reason": "needs approval"}).OK()
	t.has(r, J{"state": "waiting", "waits_for": "human", "reason": "needs approval", "attempt": 0})
	t.nothing(h.Bob, nil)
	t.dm(h.Ann, "bob", "elsewhere")
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	t.nothing(h.Bob, nil)
	t.say(h.Ann, thread, "@bob yes")
	again := t.claimed(h.Bob, nil)
	if again["id"] != asked["id"] || number(again["attempt"]) != 1 || again["lease"] == asked["lease"] {
		t.Errorf("after the answer: %v, before %v", again, asked)
	}
	t.answer(h.Bob, "ack", asked, nil).Refused(409, "LEASE_LOST")
	t.answer(h.Bob, "wait", again, J{"on": "bot", "resume_in_seconds": 600}).OK()
	t.ack(h.Bob, t.claimed(h.Bob, nil)) // the answer: what waits holds up nothing
	t.ack(h.Bob, again)
	t.say(h.Ann, thread, "@bob soon?")
	soon := t.claimed(h.Bob, nil)
	t.answer(h.Bob, "wait", soon, J{"on": "bot", "resume_in_seconds": 1}).OK()
	if got := t.claimed(h.Bob, nil); got["id"] != soon["id"] {
		t.Errorf("after the time: %v, want %v", got, soon)
	}
}

func settlingChanges(t *T) {
	h := newFixture(t)
	thread := h.thread(nil)
	t.ack(h.Bob, t.claimed(h.Bob, nil))
	socket := t.open("bob", h.Bob)
	changes := map[string]func(settles J) *Response{
		"a message": func(s J) *Response {
			return t.Do("POST", thr(thread, "/messages"), h.Bob, J{"content": "done", "settles": s})
		},
		"a direct message": func(s J) *Response {
			return t.Do("POST", "/api/send", h.Bob, J{"to": "ann", "content": "done", "settles": s})
		},
		"an artifact": func(s J) *Response {
			return t.Do("POST", thr(thread, "/artifacts"), h.Bob, J{"artifact_key": fmt.Sprint("k", s["delivery_id"]), "type": "text", "content": "x", "settles": s})
		},
		"a change of the thread": func(s J) *Response {
			return t.Do("PATCH", thr(thread), h.Bob, J{"topic": fmt.Sprint("done ", s["delivery_id"]), "settles": s})
		},
	}
	for what, change := range changes {
		t.say(h.Ann, thread, "@bob "+what)
		d := t.claimed(h.Bob, nil)
		settles := J{"delivery_id": d["id"], "lease": d["lease"]}
		before := h.revision(thread)
		messages := len(t.Get(thr(thread, "/messages?limit=200"), h.Bob).List(""))
		change(J{"delivery_id": d["id"], "lease": "lost"}).Refused(409, "LEASE_LOST")
		change(J{"delivery_id": d["id"]}).Refused(400, "VALIDATION_ERROR")
		if h.revision(thread) != before || len(t.Get(thr(thread, "/messages?limit=200"), h.Bob).List("")) != messages {
			t.Errorf("%s with a lost lease happened", what)
		}
		change(settles).OK()
		t.answer(h.Bob, "ack", d, nil).Refused(409, "LEASE_LOST")
		change(settles).Status(409)
		t.nothing(h.Bob, nil)
	}
	t.say(h.Ann, thread, "@bob over a socket")
	d := t.claimed(h.Bob, nil)
	socket.do(J{"type": "send_thread_message", "thread_id": thread, "content": "done", "settles": J{"delivery_id": d["id"], "lease": d["lease"]}})
	t.answer(h.Bob, "ack", d, nil).Refused(409, "LEASE_LOST")
}

func manyWorkers(t *T) {
	h := newFixture(t)
	t.nothing(h.Bob, nil)
	const sent = 40
	threads := []string{h.thread(nil), h.thread(nil), h.thread(nil)}
	for i := range sent {
		t.say(h.Ann, threads[i%3], fmt.Sprint("@bob ", i))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	t.Concurrently(6, func(int) {
		for {
			r := t.claim(h.Bob, J{"max": 2, "wait_seconds": 1})
			if len(r.List("items")) == 0 {
				return
			}
			for _, item := range r.List("items") {
				d := item.(map[string]any)
				mu.Lock()
				seen[fmt.Sprint(d["id"])]++
				mu.Unlock()
				t.Do("POST", thr(fmt.Sprint(d["thread_id"]), "/messages"), h.Bob, J{
					"content": fmt.Sprint("re ", d["id"]), "settles": J{"delivery_id": d["id"], "lease": d["lease"]}, "request_id": d["lease"],
				}).OK()
			}
		}
	})
	if len(seen) != sent+len(threads) {
		t.Errorf("%d deliveries were handed out, want %d", len(seen), sent+len(threads))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("the delivery %s was handed out %d times", id, n)
		}
	}
	for _, thread := range threads { // one at a time, so the answers are in the order of the deliveries
		last := 0
		for _, m := range t.Get(thr(thread, "/messages?limit=200"), h.Bob).List("") {
			text, answers := strings.CutPrefix(fmt.Sprint(m.(map[string]any)["content"]), "re ")
			if !answers {
				continue
			}
			if id, err := strconv.Atoi(text); err != nil || id <= last {
				t.Errorf("the answer to %s comes after that to %d", text, last)
			} else {
				last = id
			}
		}
	}
}

func inboxOfDeletedBot(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "direct")
	t.claimed(h.Bob, nil)
	t.Do("DELETE", "/api/bots/"+h.Bob.ID, h.Admin, nil).OK()
	t.Get("/api/inbox/deliveries?bot="+h.Bob.ID, h.Human()).Refused(404, "NOT_FOUND")
	t.dm(h.Ann, "cyd", "others go on")
	t.claimed(h.Cyd, nil)
}
