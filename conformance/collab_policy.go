package conformance

import "fmt"

// actions returns the keys of a permission policy.
func actions() []string { return []string{"write", "invite", "remove", "resolve", "close", "manage"} }

// everyAction returns a policy with the same rule for every action, or an empty policy for a nil
// rule.
func everyAction(rule any) J {
	p := J{}
	for _, a := range actions() {
		if rule != nil {
			p[a] = rule
		}
	}
	return p
}

func policyChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-073", "B2B-THR-074", "B2B-THR-075", "B2B-THR-076"}, "the policy of a thread is applied to every action and caller", func(t *T) {
			h := newFixture(t)
			h.evaluate(func(rule any) string { return h.policyThread(J{"permission_policy": everyAction(rule)}) })
		}},
		{[]string{"B2B-THR-072", "B2B-THR-073", "B2B-THR-074"}, "the default policy of the org is applied to every action and caller", func(t *T) {
			h := newFixture(t)
			h.evaluate(func(rule any) string {
				var policy any
				if rule != nil {
					policy = everyAction(rule)
				}
				h.Settings(J{"default_thread_permission_policy": policy})
				return h.policyThread(nil)
			})
		}},
		{[]string{"B2B-THR-071", "B2B-THR-072"}, "the policy of a thread replaces the default of the org", policyPrecedence},
		{[]string{"B2B-THR-073", "B2B-THR-076"}, "without a policy only the initiator can manage, and all participants can do the rest", noPolicy},
		{[]string{"B2B-THR-074", "B2B-THR-076"}, "a rule of a policy applies to its own action only", policyPerAction},
		{[]string{"B2B-THR-077"}, "denied changes of status and settings are audited", deniedChangesAudited},
	}
}

func noPolicy(t *T) {
	h := newFixture(t)
	dan := h.Bot("dan")
	id := h.threadWithDraft(nil)
	t.Do("PATCH", thr(id), h.Bob, J{"visibility": "members"}).Refused(403, "FORBIDDEN")
	t.Do("PATCH", thr(id), h.Bob, J{"join_policy": "approval"}).Refused(403, "FORBIDDEN")
	t.Do("PATCH", thr(id), h.Bob, J{"permission_policy": nil}).Refused(403, "FORBIDDEN")
	t.patch(h.Ann, id, J{"visibility": "members", "join_policy": "approval", "permission_policy": nil})
	t.say(h.Bob, id, "written")
	t.Do("PATCH", thr(id, "/artifacts/draft"), h.Bob, J{"content": "v2"}).OK()
	t.Do("POST", thr(id, "/participants"), h.Bob, J{"bot_id": "dan"}).OK()
	t.Do("DELETE", thr(id, "/participants/dan"), h.Bob, nil).OK()
	request := t.Do("POST", thr(id, "/join"), dan, nil).Status(202).Str("request_id")
	t.Do("POST", thr(id, "/join-requests/", request, "/approve"), h.Bob, nil).OK()
	t.patch(dan, id, J{"status": "resolved"})
	t.patch(dan, id, J{"status": "active"})
	t.patch(h.Bob, id, J{"status": "closed", "close_reason": "manual"})
	t.patch(h.Bob, id, J{"status": "active", "topic": "anybody's", "context": "too"})
}

func policyPerAction(t *T) {
	h := newFixture(t)
	h.Bot("dan")
	for _, guarded := range actions() {
		id := h.thread(J{"permission_policy": J{guarded: []string{}}})
		h.setStatus(id, "blocked")
		for _, a := range actions() {
			h.probe(id, h.Ann, a, a != guarded)
		}
		t.patch(h.Bob, id, J{"status": "active", "topic": "free"})
		t.patch(h.Bob, id, J{"status": "reviewing"})
		if guarded == "write" {
			t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "k"}).Refused(403, "WRITE_PERMISSION_DENIED")
		}
	}
}

func deniedChangesAudited(t *T) {
	h := newFixture(t)
	id := h.thread(J{"permission_policy": J{"resolve": []string{"initiator"}, "close": []string{"initiator"}}})
	t.Do("PATCH", thr(id), h.Bob, J{"status": "resolved"}).Refused(403, "FORBIDDEN")
	h.auditedAs("thread.permission_denied", id, h.Bob.ID, J{"action": "resolve", "status": "resolved"})
	t.tick()
	t.Do("PATCH", thr(id), h.Bob, J{"status": "closed", "close_reason": "manual"}).Refused(403, "FORBIDDEN")
	h.auditedAs("thread.permission_denied", id, h.Bob.ID, J{"action": "close", "status": "closed"})
	t.tick()
	t.Do("PATCH", thr(id), h.Bob, J{"visibility": "private"}).Refused(403, "FORBIDDEN")
	h.auditedAs("thread.permission_denied", id, h.Bob.ID, J{"action": "manage"})
	other := h.thread(nil)
	t.patch(h.Ann, other, J{"status": "resolved"})
	h.notAudited("thread.permission_denied", other)
}

// policyThread creates a blocked thread of Ann (the initiator), Bob (label reviewer), Cyd (no
// label), dan (label initiator) and eve (an empty label).
func (h *fixture) policyThread(fields J) string {
	id := h.thread(with(J{"participants": []string{}}, fields))
	h.addParticipant(id, h.Bob, "reviewer")
	h.addParticipant(id, h.Cyd, nil)
	h.addParticipant(id, h.extraBot("dan"), "initiator")
	h.addParticipant(id, h.extraBot("eve"), "")
	h.t.patch(h.Ann, id, J{"status": "blocked"})
	return id
}

// extraBot returns a bot of the org, which it registers at the first call.
func (h *fixture) extraBot(name string) *Bot {
	if b := h.extras[name]; b != nil {
		return b
	}
	if h.extras == nil {
		h.extras = map[string]*Bot{}
	}
	h.extras[name] = h.Bot(name)
	return h.extras[name]
}

// evaluate tries every action by every kind of participant with every kind of rule. create returns
// a thread with the rule.
func (h *fixture) evaluate(create func(rule any) string) {
	for _, c := range []struct {
		rule                    any
		ann, bob, cyd, dan, eve bool
	}{
		{[]string{}, false, false, false, false, false},
		{[]string{"*"}, true, true, true, true, true},
		{[]string{"initiator"}, true, false, false, false, false},
		{[]string{"reviewer"}, false, true, false, false, false},
		{[]string{"Reviewer", "review", "reviewer "}, false, false, false, false, false},
		{[]string{"other", "reviewer", "initiator"}, true, true, false, false, false},
		{[]string{"nobody", "*"}, true, true, true, true, true},
		{[]string{"", "ann", "bob"}, false, false, false, false, false},
		{nil, true, true, true, true, true},
	} {
		id := create(c.rule)
		for _, a := range actions() {
			h.probe(id, h.Ann, a, c.ann)
			for bot, allowed := range map[*Bot]bool{h.Bob: c.bob, h.Cyd: c.cyd, h.extraBot("dan"): c.dan, h.extraBot("eve"): c.eve} {
				h.probe(id, bot, a, allowed && (c.rule != nil || a != "manage"))
			}
		}
	}
}

// probe tries an action that does not change a blocked thread: an allowed action fails for another
// reason or has no effect.
func (h *fixture) probe(thread string, b *Bot, action string, allowed bool) {
	t := h.t
	var r *Response
	refusal, status, code := "FORBIDDEN", 200, ""
	switch action {
	case "write":
		r = t.Do("POST", thr(thread, "/messages"), b, J{"content": "x"})
		refusal = "WRITE_PERMISSION_DENIED"
	case "invite": // a participant
		r = t.Do("POST", thr(thread, "/participants"), b, J{"bot_id": b.ID})
	case "remove": // a bot that does not participate
		r = t.Do("DELETE", thr(thread, "/participants/admin"), b, nil)
		status, code = 404, "NOT_FOUND"
	case "resolve":
		r = t.Do("PATCH", thr(thread), b, J{"status": "resolved"})
		status, code = 400, "INVALID_TRANSITION"
	case "close":
		r = t.Do("PATCH", thr(thread), b, J{"status": "closed", "close_reason": "manual"})
		status, code = 400, "INVALID_TRANSITION"
	case "manage":
		r = t.Do("PATCH", thr(thread), b, J{"visibility": "public"})
	default:
		t.Fatalf("no probe for the action %s", action)
	}
	r.request = fmt.Sprintf("[%s may %s: %v] %s", b.Name, action, allowed, r.request)
	switch {
	case !allowed:
		r.Refused(403, refusal)
	case code != "":
		r.Refused(status, code)
	default:
		r.Status(status)
	}
}

func policyPrecedence(t *T) {
	h := newFixture(t)
	h.Settings(J{"default_thread_permission_policy": J{"write": []string{}, "invite": nil, "manage": []string{"*"}}})
	plain := h.thread(nil)
	h.probe(plain, h.Ann, "write", false)
	h.probe(plain, h.Bob, "invite", true)
	h.probe(plain, h.Bob, "manage", true)
	for _, own := range []J{{}, {"close": []string{}}, {"write": nil}} {
		id := h.thread(J{"permission_policy": own})
		h.probe(id, h.Bob, "write", true)
		h.probe(id, h.Bob, "manage", false)
		h.probe(id, h.Ann, "manage", true)
	}
	id := h.thread(J{"permission_policy": J{"write": []string{"*"}, "manage": []string{"initiator"}}})
	h.probe(id, h.Bob, "write", true)
	t.patch(h.Ann, id, J{"permission_policy": nil})
	h.probe(id, h.Bob, "write", false)
	h.probe(id, h.Bob, "manage", true)
	h.Settings(J{"default_thread_permission_policy": nil})
	h.probe(id, h.Bob, "write", true)
	h.probe(id, h.Bob, "manage", false)
}
