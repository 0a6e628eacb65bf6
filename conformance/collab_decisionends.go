package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

func answeredDecision(t *T) {
	h, other := newFixture(t), newFixture(t)
	id := h.thread(J{"participants": []string{"bob", "cyd"}})
	d := t.ask(h.Ann, id, J{"kind": "choose", "choices": []string{"x", "y"}, "bots": []string{"bob"}}).Status(201).Str("id")
	t.decide(h.Cyd, d, "x").Refused(403, "NOT_ASKED")
	t.decide(h.Ann, d, "x").Refused(403, "NOT_ASKED")
	t.decide(h.Human(), d, "x").Refused(403, "NOT_ASKED")
	for _, stranger := range []Caller{h.Admin, other.Bob, other.Human()} {
		t.decide(stranger, d, "x").Refused(404, "NOT_FOUND")
	}
	t.decide(h.Bob.Scoped("read", "profile"), d, "x").Refused(403, "INSUFFICIENT_SCOPE")
	for _, body := range []any{nil, J{}, J{"answer": nil}, J{"answer": ""}, J{"answer": "z"}, J{"answer": "X"}, J{"answer": 1}, J{"answer": "x", "comment": strings.Repeat("c", 2049)}} {
		t.Do("POST", dec(d, "/answer"), h.Bob, body).Refused(400, "VALIDATION_ERROR")
	}
	answer := J{"answer": "y", "comment": "since", "request_id": "once"}
	r := t.Do("POST", dec(d, "/answer"), h.Bob, answer).OK().Shape("", decisionShape)
	t.has(r, J{"status": "answered", "answer": "y", "comment": "since", "closed_by": h.Bob.ID, "reason": nil})
	if r.Num("closed_at") < r.Num("asked_at") {
		t.Errorf("%s: was closed before it was asked", r)
	}
	t.Do("POST", dec(d, "/answer"), h.Bob, answer).OK().Equal("closed_at", r.Num("closed_at"))
	t.Do("POST", dec(d, "/answer"), h.Bob, with(answer, J{"answer": "x"})).Refused(409, "IDEMPOTENCY_KEY_REUSED")
	t.has(t.decide(h.Bob, d, "y").Refused(409, "DECISION_CLOSED"), J{"decision_id": d, "status": "answered", "answer": "y", "closed_by": h.Bob.ID})
	t.decide(h.Cyd, d, "y").Refused(403, "NOT_ASKED")
	t.Get(dec(d), h.Ann).OK().Equal("answer", "y")
	free := t.ask(h.Ann, id, J{"kind": "input", "bots": []string{"bob"}}).Status(201).Str("id")
	t.decide(h.Bob, free, strings.Repeat("x", 8193)).Refused(400, "VALIDATION_ERROR")
	t.decide(h.Bob, free, strings.Repeat("x", 8192)).OK()
}

func answeredByPeople(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	d := t.ask(h.Ann, id, J{"humans": true}).Status(201).Str("id")
	h.addParticipant(id, h.Admin, nil)
	t.decide(h.Admin, d, "approved").Refused(403, "NOT_ASKED")
	t.decide(h.Bob, d, "approved").Refused(403, "NOT_ASKED")
	t.has(t.decide(h.Human(), d, "approved").OK(), J{"status": "answered", "answer": "approved", "closed_by": "org:" + h.ID})
	h.auditedAs("decision.answer", d, nil, J{"by": "org:" + h.ID, "answer": "approved"})
	t.decide(h.Human(), d, "approved").Refused(409, "DECISION_CLOSED")
}

func contendedDecision(t *T) {
	h := newFixture(t)
	id := h.thread(J{"participants": []string{"bob", "cyd"}})
	for range 5 {
		d := t.ask(h.Ann, id, J{"bots": []string{"bob", "cyd"}, "humans": true, "blocks": true}).Status(201).Str("id")
		callers := []Caller{h.Bob, h.Cyd, h.Human(), h.Bob, h.Cyd}
		var won atomic.Int32
		t.Concurrently(len(callers), func(i int) {
			r := t.decide(callers[i], d, []string{"approved", "rejected"}[i%2])
			if r.status == 200 {
				won.Add(1)
				return
			}
			r.Refused(409, "DECISION_CLOSED")
		})
		if n := won.Load(); n != 1 {
			t.Errorf("%d answers succeeded", n)
		}
		h.adminView(id).Equal("status", "active")
	}
}

func withdrawnDecision(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	d := t.ask(h.Ann, id, J{"bots": []string{"bob"}}).Status(201).Str("id")
	t.Do("POST", dec(d, "/withdraw"), h.Bob, nil).Refused(403, "FORBIDDEN")
	t.Do("POST", dec(d, "/withdraw"), h.Cyd, nil).Refused(404, "NOT_FOUND")
	t.Do("POST", dec(unusedID, "/withdraw"), h.Ann, nil).Refused(404, "NOT_FOUND")
	t.Do("POST", dec(d, "/withdraw"), h.Ann.Scoped("read"), nil).Refused(403, "INSUFFICIENT_SCOPE")
	t.has(t.Do("POST", dec(d, "/withdraw"), h.Ann, J{}).OK().Shape("", decisionShape), J{"status": "withdrawn", "reason": "asker", "closed_by": h.Ann.ID, "answer": nil})
	t.has(t.Do("POST", dec(d, "/withdraw"), h.Ann, nil).Refused(409, "DECISION_CLOSED"), J{"status": "withdrawn"})
	t.decide(h.Bob, d, "approved").Refused(409, "DECISION_CLOSED")
	d = t.ask(h.Ann, id, J{"bots": []string{"bob"}}).Status(201).Str("id")
	t.has(t.Do("POST", dec(d, "/withdraw"), h.Human(), nil).OK(), J{"status": "withdrawn", "reason": "admin", "closed_by": "org:" + h.ID})
}

func expiredDecision(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	feed := t.stream("bob", h.Bob, []string{"types", "decision_closed,thread_status_changed"})
	held := t.ask(h.Ann, id, J{"bots": []string{"bob"}, "expires_in": 1, "default": "rejected", "blocks": true}).Status(201)
	feed.next("thread_status_changed")
	d := held.Str("id")
	t.eventually(soon, "the decision does not expire", func() bool { return t.Get(dec(d), h.Bob).OK().Str("status") != "open" })
	want := J{"status": "expired", "answer": "rejected", "closed_by": nil, "reason": nil, "closed_at": held.Num("expires_at")}
	t.has(t.Get(dec(d), h.Bob).OK(), want)
	t.has(t.decide(h.Bob, d, "approved").Refused(409, "DECISION_CLOSED"), J{"status": "expired", "answer": "rejected"})
	t.Do("POST", dec(d, "/withdraw"), h.Ann, nil).Refused(409, "DECISION_CLOSED")
	fr := feed.next("decision_closed")
	t.has(feed.asResponse(fr), J{"decision.id": d, "decision.status": "expired", "decision.answer": "rejected", "decision.closed_at": held.Num("expires_at")})
	feed.is(feed.next("thread_status_changed"), J{"thread_id": id, "from": "blocked", "to": "active", "by": "system"})
	h.adminView(id).Equal("status", "active")
	h.auditedAs("decision.expire", d, nil, J{"by": "system"})

	without := t.ask(h.Ann, id, J{"humans": true, "expires_in": 1}).Status(201).Str("id")
	t.has(feed.asResponse(feed.next("decision_closed")), J{"decision.id": without, "decision.status": "expired", "decision.answer": nil})
	t.Get(query("/api/decisions", "thread_id", id, "status", "expired"), h.Ann).OK().Len("items", 2)
	t.Get(query("/api/decisions", "thread_id", id, "status", "open"), h.Ann).OK().Len("items", 0)
}

// pagesOfDecisions reads all decisions of the org in pages. name has the names of their ids.
func (t *T) pagesOfDecisions(h *fixture, name map[string]string, want ...string) {
	var paged []string
	for cursor := ""; ; {
		r := t.Get(query("/api/decisions", "limit", "2", "cursor", cursor), h.Human()).OK()
		for _, id := range r.Pluck("items", "id") {
			paged = append(paged, name[id])
			t.Get(dec(id), h.Human()).OK().Shape("", decisionShape)
		}
		if !r.Bool("has_more") {
			break
		}
		cursor = r.Str("cursor")
	}
	if !slices.Equal(paged, want) {
		t.Errorf("pages of two list %v, want %v", paged, want)
	}
	t.Get("/api/decisions", h.Ann.Scoped("thread", "message")).Refused(403, "INSUFFICIENT_SCOPE")
	t.Get(dec(unusedID), h.Ann).Refused(404, "NOT_FOUND")
}

func listedDecisions(t *T) {
	h := newFixture(t)
	one, two := h.thread(nil), h.thread(nil)
	channel := t.dm(h.Ann, "bob", "x").Str("channel_id")
	name := map[string]string{}
	ask := func(as, path string, by Caller, more J) {
		name[t.Do("POST", path+"/decisions", by, with(J{"kind": "approve", "question": as}, more)).Status(201).Str("id")] = as
		t.tick()
	}
	ask("d1", thr(one), h.Ann, J{"bots": []string{"bob"}})
	ask("d2", thr(one), h.Bob, J{"humans": true})
	ask("d3", thr(two), h.Bob, J{"bots": []string{"ann"}, "humans": true})
	ask("d4", "/api/channels/"+channel, h.Ann, nil)
	ask("d5", thr(one), h.Ann, J{"bots": []string{"bob"}})
	for id, as := range name {
		if as == "d5" {
			t.decide(h.Bob, id, "approved").OK()
		}
	}
	list := func(by Caller, keyValues ...string) (got []string) {
		for _, id := range t.Get(query("/api/decisions", keyValues...), by).OK().Shape("", "items:a has_more:b !cursor").Pluck("items", "id") {
			got = append(got, name[id])
		}
		return got
	}
	for _, c := range []struct {
		by    Caller
		query string
		want  string
	}{
		{h.Ann, "thread_id " + one, "d5 d2 d1"},
		{h.Ann, "status open thread_id " + one, "d2 d1"},
		{h.Ann, "status answered thread_id " + one, "d5"},
		{h.Ann, "asked_by me thread_id " + one, "d5 d1"},
		{h.Bob, "channel_id " + channel, "d4"},
		{h.Ann, "asked_by me", "d5 d4 d1"},
		{h.Ann, "asked_by me status open", "d4 d1"},
		{h.Ann, "", "d3"},
		{h.Bob, "", "d4 d1"},
		{h.Bob, "asked_of me status open", "d4 d1"},
		{h.Bob, "asked_of me thread_id " + one, "d1"},
		{h.Cyd, "", ""},
		{h.Human(), "", "d5 d4 d3 d2 d1"},
		{h.Human(), "asked_of me", "d3 d2"},
		{h.Human(), "asked_of me thread_id " + one, "d2"},
		{h.Human(), "status answered", "d5"},
		{t.Org().Human(), "", ""},
	} {
		if got := strings.Join(list(c.by, strings.Fields(c.query)...), " "); got != c.want {
			t.Errorf("%q lists %q, want %q", c.query, got, c.want)
		}
	}
	t.Get(query("/api/decisions", "thread_id", one), h.Cyd).Refused(403, "JOIN_REQUIRED")
	t.Get(query("/api/decisions", "channel_id", channel), h.Cyd).Refused(403, "FORBIDDEN")
	for _, bad := range []string{"status=none", "asked_of=bob", "asked_by=you", "status=answered", "cursor=none", "thread_id=" + one + "&channel_id=" + channel} {
		t.Get("/api/decisions?"+bad, h.Ann).Refused(400, "VALIDATION_ERROR")
	}
	t.Get("/api/decisions?asked_by=me", h.Human()).Refused(400, "VALIDATION_ERROR")
	t.pagesOfDecisions(h, name, "d5", "d4", "d3", "d2", "d1")
}

func decisionLimit(t *T) {
	h := newFixture(t)
	h.Settings(J{"messages_per_minute_per_bot": 1000})
	id := h.thread(nil)
	var last string
	for i := range 32 {
		last = t.ask(h.Ann, id, J{"question": fmt.Sprint(i), "humans": true}).Status(201).Str("id")
	}
	t.ask(h.Bob, id, J{"humans": true}).Refused(409, "QUOTA_EXCEEDED")
	t.ask(h.Ann, h.thread(nil), J{"humans": true}).Status(201)
	t.Do("POST", dec(last, "/withdraw"), h.Ann, nil).OK()
	t.ask(h.Bob, id, J{"humans": true}).Status(201)
}

func decisionOps(t *T) {
	s := newLiveFixture(t)
	ann, bob := t.open("ann", s.Ann), t.open("bob", s.Bob)
	id := s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	ask := J{"type": "thread_decision_ask", "thread_id": id, "kind": "approve", "question": "?", "bots": []string{"bob"}, "blocks": true}
	r := ann.do(ask)
	d := r.Str("result.decision_id")
	r.acked(J{"operation": "thread_decision_ask", "resource_id": d, "decision_id": d, "thread_id": id, "status": "open"}).Shape("result", "timestamp:i")
	s.adminView(id).Equal("status", "blocked")
	s.auditedAs("decision.ask", d, s.Ann.ID, J{"via": "ws"})
	ann.refuses("NOT_ASKED", J{"type": "decision_answer", "decision_id": d, "answer": "approved"})
	bob.refuses("VALIDATION_ERROR", J{"type": "decision_answer", "decision_id": d, "answer": "perhaps"})
	bob.refuses("VALIDATION_ERROR", J{"type": "decision_answer", "answer": "approved"})
	ann.refuses("DECISION_OPEN", J{"type": "thread_update", "thread_id": id, "status": "active"})
	bob.do(J{"type": "decision_answer", "decision_id": d, "answer": "approved", "comment": "yes"}).
		acked(J{"operation": "decision_answer", "resource_id": d, "decision_id": d, "thread_id": id, "status": "answered"}).Shape("result", "timestamp:i")
	t.has(t.Get(dec(d), s.Ann).OK(), J{"answer": "approved", "comment": "yes"})
	bob.refuses("DECISION_CLOSED", J{"type": "decision_answer", "decision_id": d, "answer": "approved"})
	ann.refuses("VALIDATION_ERROR", with(ask, J{"kind": "none"}))
	ann.refuses("NOT_FOUND", with(ask, J{"thread_id": unusedID}))

	r = ann.do(J{"type": "channel_decision_ask", "channel_id": channel, "kind": "input", "question": "?"})
	d = r.Str("result.decision_id")
	r.acked(J{"operation": "channel_decision_ask", "resource_id": d, "decision_id": d, "channel_id": channel, "status": "open"}).Shape("result", "timestamp:i")
	bob.refuses("FORBIDDEN", J{"type": "decision_withdraw", "decision_id": d})
	ann.do(J{"type": "decision_withdraw", "decision_id": d}).
		acked(J{"operation": "decision_withdraw", "resource_id": d, "decision_id": d, "channel_id": channel, "status": "withdrawn"}).Shape("result", "timestamp:i")
	ann.refuses("FORBIDDEN", J{"type": "channel_decision_ask", "channel_id": unusedID, "kind": "input", "question": "?"})
	scoped := t.open("thread scope", s.Ann.Scoped("thread"))
	scoped.refuses("INSUFFICIENT_SCOPE", J{"type": "channel_decision_ask", "channel_id": channel, "kind": "input", "question": "?"})
	scoped.do(with(ask, J{"blocks": false}))
	t.open("message scope", s.Ann.Scoped("message")).refuses("INSUFFICIENT_SCOPE", ask)
}
