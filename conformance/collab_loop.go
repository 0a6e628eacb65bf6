package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// loopChecks returns the checks of what keeps bots from answering each other without end.
func loopChecks() []Check {
	return []Check{
		{[]string{"B2B-LOOP-001", "B2B-LOOP-003"}, "turns are the messages that no person wrote", countedTurns},
		{[]string{"B2B-LOOP-002", "B2B-DEC-001"}, "a person, another status and an artifact bring a thread forward", progressOfThreads},
		{[]string{"B2B-LOOP-004", "B2B-LOOP-006", "B2B-ERR-004"}, "a turn beyond the limit of the org is rejected until there is progress", turnLimitOfOrg},
		{[]string{"B2B-LOOP-005", "B2B-THR-054", "B2B-EVT-011", "B2B-AUD-007"}, "a thread can have a limit of its own", turnLimitOfThread},
		{[]string{"B2B-LOOP-001", "B2B-LOOP-006"}, "messages sent at the same time do not exceed the limit", turnsAtOnce},
		{[]string{"B2B-LOOP-007", "B2B-ERR-004"}, "a bot has a budget of messages in each thread", threadBudget},
		{[]string{"B2B-LOOP-010"}, "a message has the marks that it was sent with", markedMessages},
		{[]string{"B2B-LOOP-010", "B2B-WS-021"}, "messages over WebSocket have marks, in events that are replayed, too", markedOperations},
	}
}

// turns asserts the turns of a thread, and those that are left; -1: there is no limit.
func (h *fixture) turns(id string, turns, left int) {
	fresh := Header("Cache-Control", "no-cache")
	for _, r := range []*Response{h.t.Get(thr(id), h.Ann, fresh).OK(), h.t.Get(othr(id), h.Admin, fresh).OK()} {
		if r.Equal("turns", turns); left < 0 {
			r.Lacks("turns_left")
		} else {
			r.Equal("turns_left", left)
		}
	}
	for _, list := range []*Response{h.t.Get("/api/threads", h.Ann).OK(), h.t.Get("/api/org/threads", h.Admin).OK()} {
		if found := list.Find("", "id", id); fmt.Sprint(found["turns"]) != fmt.Sprint(turns) {
			list.errorf("the thread has %v turns, want %d", found["turns"], turns)
		}
	}
}

// overTurns asserts that a message is rejected at a limit of turns.
func (r *Response) overTurns(turns, limit int) *Response {
	r.Refused(429, "TURN_LIMIT").Equal("turns", turns).Equal("turn_limit", limit).Shape("", "released_by:s hint:s !retry_after")
	for _, what := range []string{"person", "status", "artifact", "decision"} {
		if !slices.Contains(strings.Split(r.Str("released_by"), ","), what) {
			r.errorf("released_by does not name %s", what)
		}
	}
	if r.Header.Get("Retry-After") != "" {
		r.errorf("the response has the header Retry-After")
	}
	return r
}

func countedTurns(t *T) {
	h := newFixture(t)
	id, other := h.thread(nil), h.thread(nil)
	person := h.Ann.Login()
	h.turns(id, 0, -1)
	t.say(h.Ann, id, "one")
	t.say(h.Bob, id, "two")
	h.turns(id, 2, -1)
	t.Do("POST", thr(id, "/messages"), h.Bob, J{"content": "three", "automatic": true, "no_reply": true}).OK()
	t.Do("POST", thr(id, "/messages"), person, J{"content": "four", "automatic": true}).OK()
	h.turns(id, 4, -1)
	h.turns(other, 0, -1)

	t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": ""}).Refused(400, "VALIDATION_ERROR")
	t.Do("POST", thr(id, "/messages"), h.Cyd, J{"content": "x"}).Refused(403, "JOIN_REQUIRED")
	t.dm(h.Ann, "bob", "direct")
	for range 3 {
		t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "five", "request_id": "five"}).OK()
	}
	h.turns(id, 5, -1)
	before := h.adminView(id)
	t.say(h.Ann, id, "six")
	h.adminView(id).Equal("revision", before.Value("revision")).Equal("turns", 6)
}

func progressOfThreads(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	person := h.Bob.Login()
	turn := func() { t.say(h.Ann, id, "x") }
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"a message of a person", func() { t.say(person, id, "go on") }},
		{"a person who wants no answer", func() {
			t.Do("POST", thr(id, "/messages"), person, J{"content": "thanks", "no_reply": true, "automatic": false}).OK()
		}},
		{"a status set by a participant", func() { t.patch(h.Bob, id, J{"status": "reviewing"}) }},
		{"a status set by an admin", func() { t.Do("PATCH", othr(id), h.Admin, J{"status": "active"}).OK() }},
		{"an artifact", func() { t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "a", "content": "x"}).OK() }},
		{"a version", func() { t.Do("PATCH", thr(id, "/artifacts/a"), h.Bob, J{"content": "y"}).OK() }},
		{"an answered decision", func() {
			d := t.Do("POST", thr(id, "/decisions"), h.Ann, J{"kind": "approve", "question": "go on?", "bots": []string{"bob"}}).Status(201)
			t.Do("POST", "/api/decisions/"+d.Str("id")+"/answer", h.Bob, J{"answer": "approved"}).OK()
		}},
		{"closing and reopening", func() {
			t.patch(h.Ann, id, J{"status": "resolved"})
			t.patch(h.Ann, id, J{"status": "active"})
		}},
	} {
		turn()
		if c.do(); h.adminView(id).Num("turns") != 0 {
			t.Errorf("%s is no progress", c.what)
		}
	}
	turn()
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"a topic", func() { t.patch(h.Ann, id, J{"topic": "y", "context": "z"}) }},
		{"a participant", func() { h.addParticipant(id, h.Cyd, nil) }},
		{"a status that is rejected", func() {
			t.Do("PATCH", thr(id), h.Ann, J{"status": "active"}).Refused(400, "INVALID_TRANSITION")
		}},
		{"an artifact that is rejected", func() {
			t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "a", "content": "x"}).Refused(409, "CONFLICT")
		}},
		{"a decision that is asked and withdrawn", func() {
			d := t.Do("POST", thr(id, "/decisions"), h.Ann, J{"kind": "approve", "question": "go on?", "bots": []string{"bob"}}).Status(201)
			t.Do("POST", "/api/decisions/"+d.Str("id")+"/withdraw", h.Ann, J{}).OK()
		}},
		{"reading", func() { t.Get(thr(id, "/messages"), person).OK() }},
	} {
		if c.do(); h.adminView(id).Num("turns") != 1 {
			t.Errorf("%s is progress", c.what)
		}
	}
}

func turnLimitOfOrg(t *T) {
	s := newLiveFixture(t)
	h := s.fixture
	id, other := h.thread(nil), h.thread(nil)
	post := func(by Caller, more J) *Response {
		return t.Do("POST", thr(id, "/messages"), by, with(J{"content": "x"}, more))
	}
	post(h.Ann, J{"request_id": "first"}).OK()
	h.Settings(J{"thread_turn_limit": 3})
	h.turns(id, 1, 2)
	post(h.Bob, nil).OK()
	post(h.Ann, nil).OK()
	h.turns(id, 3, 0)
	for _, by := range []*Bot{h.Ann, h.Bob} {
		post(by, nil).overTurns(3, 3)
		post(by, J{"automatic": true, "no_reply": true}).overTurns(3, 3)
	}
	post(h.Ann, J{"request_id": "first"}).OK()
	post(h.Ann, J{"content": ""}).Refused(400, "VALIDATION_ERROR")
	post(h.Cyd, nil).Refused(403, "JOIN_REQUIRED")
	ann := t.open("ann", h.Ann)
	ann.refuses("TURN_LIMIT", J{"type": "send_thread_message", "thread_id": id, "content": "x"})
	h.turns(id, 3, 0)
	t.say(h.Ann, other, "another thread")
	t.dm(h.Ann, "bob", "direct")

	person := h.Bob.Login()
	post(person, J{"automatic": true}).overTurns(3, 3)
	post(person, nil).OK()
	h.turns(id, 0, 3)
	for range 3 {
		post(h.Ann, nil).OK()
	}
	post(h.Bob, nil).overTurns(3, 3)
	h.Settings(J{"thread_turn_limit": 5})
	post(h.Bob, nil).OK()
	h.Settings(J{"thread_turn_limit": 2})
	post(h.Bob, nil).overTurns(4, 2)
	h.turns(id, 4, 0)
	t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "a", "content": "x"}).OK()
	post(h.Bob, nil).OK()
	post(h.Bob, nil).OK()
	post(h.Bob, nil).overTurns(2, 2)
	h.Settings(J{"thread_turn_limit": nil})
	post(h.Bob, nil).OK()
	h.turns(id, 3, -1)
}

func turnLimitOfThread(t *T) {
	s := newLiveFixture(t)
	h := s.fixture
	id := h.thread(J{"permission_policy": J{"manage": []string{}}})
	ann := t.open("ann", h.Ann)
	post := func() *Response { return t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "x"}) }
	set := func(by Caller, limit any) *Response { return t.Do("PATCH", thr(id), by, J{"turn_limit": limit}) }
	t.Get(thr(id), h.Ann).OK().Lacks("turn_limit", "turns_left")
	h.revisionGrows(id, 1, "a limit", func() { set(h.Bob, 2).OK().Equal("turn_limit", 2) })
	h.auditedAs("thread.turn_limit_changed", id, h.Bob.ID, J{"from": nil, "to": 2})
	ann.asResponse(ann.next("thread_updated")).Equal("changes", []string{"turn_limit"}).Equal("thread.turn_limit", 2)
	post().OK()
	post().OK()
	post().overTurns(2, 2)
	set(h.Ann, nil).OK().Lacks("turn_limit")
	post().OK()
	h.turns(id, 3, -1)
	set(h.Ann, 0).OK().Equal("turn_limit", 0)
	h.turns(id, 3, -1)

	h.Settings(J{"thread_turn_limit": 5})
	h.turns(id, 3, -1)
	post().OK()
	t.Get(thr(id), h.Ann, Header("Cache-Control", "no-cache")).OK().Equal("turn_limit", 0)
	for _, wide := range []any{0, 6, 1 << 40} {
		set(h.Ann, wide).Refused(403, "FORBIDDEN")
	}
	h.turns(id, 4, -1)
	set(h.Ann, 4).OK()
	post().overTurns(4, 4)
	set(h.Ann, 5).OK()
	post().OK()
	t.Do("PATCH", othr(id), h.Admin, J{"turn_limit": 7}).OK().Equal("turn_limit", 7)
	post().OK()
	h.turns(id, 6, 1)
	t.Do("PATCH", othr(id), h.Admin, J{"turn_limit": 0}).OK()
	h.turns(id, 6, -1)
	t.Do("PATCH", othr(id), h.Admin, J{"turn_limit": nil}).OK().Lacks("turn_limit")
	post().overTurns(6, 5)
	for _, bad := range []any{-1, 1.5, "5", true, J{}} {
		set(h.Ann, bad).Refused(400, "VALIDATION_ERROR")
		t.Do("PATCH", othr(id), h.Admin, J{"turn_limit": bad}).Refused(400, "VALIDATION_ERROR")
	}
	set(h.Cyd, 1).Refused(403, "JOIN_REQUIRED")
	t.patch(h.Ann, id, J{"status": "resolved"})
	set(h.Ann, 1).Refused(409, "THREAD_CLOSED")
}

func turnsAtOnce(t *T) {
	h := newFixture(t)
	h.Settings(J{"thread_turn_limit": 5})
	id := h.thread(nil)
	passed := make([]bool, 16)
	t.Concurrently(len(passed), func(i int) {
		by := []*Bot{h.Ann, h.Bob}[i%2]
		r := t.Do("POST", thr(id, "/messages"), by, J{"content": "x"})
		if passed[i] = r.StatusCode() == 200; !passed[i] {
			r.overTurns(5, 5)
		}
	})
	n := 0
	for _, ok := range passed {
		if ok {
			n++
		}
	}
	if n != 5 {
		t.Errorf("%d of 16 messages at the same time were accepted with a limit of 5", n)
	}
	h.turns(id, 5, 0)
}

func threadBudget(t *T) {
	h := newFixture(t)
	h.Settings(J{"thread_messages_per_hour_per_bot": 2})
	id, other := h.thread(nil), h.thread(nil)
	post := func(by Caller, to string) *Response { return t.Do("POST", thr(to, "/messages"), by, J{"content": "x"}) }
	post(h.Ann, id).OK()
	t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": ""}).Refused(400, "VALIDATION_ERROR")
	post(h.Ann, id).OK()
	for range 2 {
		r := post(h.Ann, id).Refused(429, "BUDGET_EXCEEDED").Shape("", "retry_after:i")
		if after := r.Num("retry_after"); after < 3500 || after > 3600 || r.Header.Get("Retry-After") != fmt.Sprint(after) {
			r.errorf("retry_after is %v and the header %q, want nearly an hour", after, r.Header.Get("Retry-After"))
		}
	}
	post(h.Bob, id).OK()
	post(h.Ann, other).OK()
	post(h.Ann.Login(), id).OK()
	post(h.Ann, id).Refused(429, "BUDGET_EXCEEDED")
	h.Settings(J{"thread_turn_limit": 1})
	t.say(h.Bob, id, "x")
	post(h.Ann, id).overTurns(1, 1)
	h.Settings(J{"thread_messages_per_hour_per_bot": nil, "thread_turn_limit": nil})
	post(h.Ann, id).OK()
}

// marks asserts the marks of a message at a path.
func (r *Response) marks(path string, automatic, noReply bool) *Response {
	for name, set := range map[string]bool{"automatic": automatic, "no_reply": noReply} {
		if path != "" {
			name = path + "." + name
		}
		if set {
			r.Equal(name, true)
		} else {
			r.Lacks(name)
		}
	}
	return r
}

func markedMessages(t *T) {
	h := newFixture(t)
	for _, w := range h.posters() {
		for _, c := range []struct {
			body               J
			automatic, noReply bool
		}{
			{J{}, false, false},
			{J{"automatic": true}, true, false},
			{J{"no_reply": true}, false, true},
			{J{"automatic": true, "no_reply": true, "parts": []J{{"type": "text", "content": "x"}}}, true, true},
			{J{"automatic": false, "no_reply": nil}, false, false},
		} {
			r := w.post(with(J{"content": "x"}, c.body)).OK()
			at := ""
			if w.name == "direct" {
				at = "message"
			}
			r.marks(at, c.automatic, c.noReply)
			list := w.list()
			list.marks(fmt.Sprint(len(list.List(""))-1), c.automatic, c.noReply)
		}
		for _, bad := range []any{"true", 1, J{}, []bool{true}} {
			w.post(J{"content": "x", "automatic": bad}).Refused(400, "VALIDATION_ERROR")
			w.post(J{"content": "x", "no_reply": bad}).Refused(400, "VALIDATION_ERROR")
		}
	}
	t.Get("/api/inbox?since=0", h.Bob).OK().marks("0", false, false).marks("1", true, false).marks("2", false, true).marks("3", true, true)
}

func markedOperations(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	ann := t.open("ann", s.Ann)
	from := t.open("bob", s.Bob)
	from.upTo(s.mark())
	start := from.last()
	feeds := []*Feed{from.Feed, t.stream("bob over SSE", s.Bob, nil).Feed}
	ops := []J{
		{"type": "send_dm", "to": "bob", "content": "x"},
		{"type": "send", "channel_id": channel, "content": "x"},
		{"type": "send_thread_message", "thread_id": id, "content": "x"},
	}
	kinds := map[any]string{"send_dm": "message", "send": "message", "send_thread_message": "thread_message"}
	for _, op := range ops {
		ann.do(with(op, J{"automatic": true, "no_reply": true}))
		ann.do(with(op, J{"no_reply": true}))
		ann.do(op)
		ann.refuses("VALIDATION_ERROR", with(op, J{"no_reply": "yes"}))
	}
	again := t.stream("bob again", s.Bob, []string{"cursor", start})
	for _, f := range append(feeds, again.Feed) {
		for _, op := range ops {
			f.asResponse(f.next(kinds[op["type"]])).marks("message", true, true)
			f.asResponse(f.next(kinds[op["type"]])).marks("message", false, true)
			f.asResponse(f.next(kinds[op["type"]])).marks("message", false, false)
		}
	}
}
