package conformance

import "slices"

// states returns the statuses of a thread; transitions returns the allowed next ones of each.
func states() []string { return []string{"active", "blocked", "reviewing", "resolved", "closed"} }

func transitions() map[string][]string {
	return map[string][]string{
		"active":    {"blocked", "reviewing", "resolved", "closed"},
		"blocked":   {"active"},
		"reviewing": {"active", "resolved", "closed"},
		"resolved":  {"active"},
		"closed":    {"active"},
	}
}

func lifecycleChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-060", "B2B-THR-061", "B2B-THR-062"}, "bots can make only the allowed status transitions", func(t *T) {
			h := newFixture(t)
			h.lifecycle(400, func(id string, body J) *Response { return t.Do("PATCH", thr(id), h.Bob, body) })
		}},
		{[]string{"B2B-ORGTHR-012", "B2B-THR-062"}, "org admins can make only the same status transitions", func(t *T) {
			h := newFixture(t)
			h.lifecycle(409, func(id string, body J) *Response { return t.Do("PATCH", othr(id), h.Admin, body) })
		}},
		{[]string{"B2B-THR-061", "B2B-THR-065", "B2B-ORGTHR-012"}, "unknown statuses, and a close_reason without a status, are rejected", func(t *T) {
			h := newFixture(t)
			id := h.thread(nil)
			for path, c := range map[string]Caller{thr(id): h.Ann, othr(id): h.Admin} {
				for _, status := range []any{nil, "", "open", "ACTIVE", "done", 5, true, []string{"closed"}} {
					t.Do("PATCH", path, c, J{"status": status}).Refused(400, "VALIDATION_ERROR")
					if status != nil {
						t.Do("PATCH", path, c, J{"status": status, "visibility": "members"}).Refused(400, "VALIDATION_ERROR")
					}
				}
				t.Do("PATCH", thr(id), h.Ann, J{"status": nil, "topic": "x"}).Refused(400, "VALIDATION_ERROR")
				for _, reason := range []any{"manual", "bogus", "", 5} {
					t.Do("PATCH", path, c, J{"close_reason": reason}).Refused(400, "VALIDATION_ERROR")
					t.Do("PATCH", path, c, J{"close_reason": reason, "visibility": "members"}).Refused(400, "VALIDATION_ERROR")
				}
			}
			t.Do("PATCH", thr(id), h.Ann, J{"close_reason": "manual", "topic": "x"}).Refused(400, "VALIDATION_ERROR")
			h.adminView(id).Equal("revision", 1).Equal("status", "active").Equal("visibility", "public")
		}},
		{[]string{"B2B-THR-064"}, "a PATCH that reopens a thread applies its other fields", func(t *T) {
			h := newFixture(t)
			for _, state := range []string{"resolved", "closed"} {
				id := h.thread(nil)
				h.setStatus(id, state)
				for _, body := range []J{{"topic": "x"}, {"context": nil}, {"visibility": "private"}, {"permission_policy": J{}}, {"topic": "x", "context": "y"}} {
					t.Do("PATCH", thr(id), h.Ann, body).Refused(409, "THREAD_CLOSED")
				}
				r := t.patch(h.Ann, id, J{"status": "active", "topic": "again", "context": "c", "visibility": "members", "permission_policy": J{"write": nil}})
				r.Equal("status", "active").Equal("topic", "again").Equal("context", "c").Equal("visibility", "members").Equal("resolved_at", nil).Equal("close_reason", nil)
				t.say(h.Bob, id, "open again")
			}
		}},
	}
}

// lifecycle tries every status transition with every close reason.
func (h *fixture) lifecycle(refused int, patch func(id string, body J) *Response) {
	reasons := []any{nil, "manual", "timeout", "error", "bogus"}
	for _, from := range states() {
		for _, to := range states() {
			id := h.thread(nil)
			h.setStatus(id, from)
			before := h.adminView(id)
			for _, reason := range reasons {
				body := J{"status": to}
				if reason != nil {
					body["close_reason"] = reason
				}
				paired := reason == nil
				if to == "closed" {
					paired = reason != nil && reason != "bogus"
				}
				switch {
				case !paired:
					patch(id, body).Refused(400, "VALIDATION_ERROR")
				case !slices.Contains(transitions()[from], to):
					patch(id, body).Refused(refused, "INVALID_TRANSITION")
				default:
					h.transition(from, to, reason, patch)
					continue
				}
				h.adminView(id).sameThread(before)
			}
		}
	}
}

// transition makes an allowed status transition in a new thread.
func (h *fixture) transition(from, to string, reason any, patch func(id string, body J) *Response) {
	id := h.thread(nil)
	h.setStatus(id, from)
	before := h.adminView(id)
	body := J{"status": to}
	if reason != nil {
		body["close_reason"] = reason
	}
	h.t.tick()
	r := patch(id, body).OK().Equal("status", to).Equal("close_reason", reason).Equal("revision", before.Num("revision")+1)
	switch to {
	case "resolved":
		if r.Num("resolved_at") < before.Num("updated_at") {
			r.errorf("resolved_at is before the transition")
		}
	case "active":
		r.Equal("resolved_at", nil)
	}
	h.adminView(id).Equal("status", to).Equal("close_reason", reason).Equal("resolved_at", r.Value("resolved_at"))
}
