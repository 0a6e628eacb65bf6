package conformance

import (
	"slices"
	"strings"
)

// endpoint is an endpoint below /api/threads/{id}, with a request that is valid for a thread of Ann
// and Bob with the artifact draft.
type endpoint struct {
	method, path, scope string
	body                any
	needsOpen           bool // fails with 409 if the thread is resolved or closed
}

func (d endpoint) call(t *T, c Caller, thread string) *Response {
	return t.Do(d.method, thr(thread, d.path), c, d.body)
}

// threadEndpoints returns the endpoints that require thread access: all except join.
func threadEndpoints() []endpoint {
	return []endpoint{
		{"GET", "", "read", nil, false},
		{"PATCH", "", "thread", J{"context": "x"}, false},
		{"GET", "/messages", "read", nil, false},
		{"POST", "/messages", "thread", J{"content": "x"}, true},
		{"GET", "/artifacts", "read", nil, false},
		{"POST", "/artifacts", "thread", J{"artifact_key": "other", "content": "x"}, true},
		{"PATCH", "/artifacts/draft", "thread", J{"content": "x"}, true},
		{"GET", "/artifacts/draft/versions", "read", nil, false},
		{"POST", "/participants", "thread", J{"bot_id": "bob"}, true},
		{"DELETE", "/participants/bob", "thread", nil, true},
		{"GET", "/join-requests", "thread", nil, false},
		{"POST", "/join-requests/" + unusedID + "/approve", "thread", J{}, true},
		{"POST", "/join-requests/" + unusedID + "/reject", "thread", J{}, false},
	}
}

func threadAccessChecks() []Check {
	return []Check{
		{[]string{"B2B-THR-020", "B2B-THR-063", "B2B-THR-087"}, "a non-participant of a public thread gets JOIN_REQUIRED", func(t *T) {
			h := newFixture(t)
			live, dead := h.threadWithDraft(nil), h.threadWithDraft(nil)
			h.setStatus(dead, "resolved")
			for _, d := range threadEndpoints() {
				for _, c := range []Caller{h.Cyd, h.Admin} {
					r := d.call(t, c, live).Refused(403, "JOIN_REQUIRED")
					if hint, _ := r.find("hint"); !strings.Contains(show(hint), "/join") {
						r.errorf("hint does not contain /join")
					}
					if d.needsOpen {
						d.call(t, c, dead).Refused(409, "THREAD_CLOSED")
					} else {
						d.call(t, c, dead).Refused(403, "JOIN_REQUIRED")
					}
				}
			}
		}},
		{[]string{"B2B-THR-021", "B2B-THR-022", "B2B-ORGTHR-002"}, "a thread that is hidden or in another org gets the same response as an unknown thread", hiddenThreads},
		{[]string{"B2B-THR-063"}, "a resolved or closed thread can be read, but not changed", terminalThreads},
		{[]string{"B2B-THR-023", "B2B-CH-004", "B2B-CH-013", "B2B-CH-018", "B2B-THR-002", "B2B-THR-030", "B2B-JOIN-001", "B2B-JOIN-006", "B2B-INBOX-001", "B2B-WORKSPACE-001"},
			"collaboration endpoints require a bot with the right scope before other checks", scopes},
	}
}

// threadWithDraft creates a thread of Ann and Bob with the artifact draft, and returns its id.
func (h *fixture) threadWithDraft(fields J) string {
	id := h.thread(fields)
	h.t.Do("POST", thr(id, "/artifacts"), h.Ann, J{"artifact_key": "draft", "content": "v1"}).OK()
	return id
}

func hiddenThreads(t *T) {
	h, other := newFixture(t), newFixture(t)
	var threads []string
	for _, v := range []string{"public", "members", "private"} {
		live, dead := h.threadWithDraft(J{"visibility": v}), h.threadWithDraft(J{"visibility": v})
		h.setStatus(dead, "closed")
		threads = append(threads, live, dead)
	}
	outside := []Caller{other.Ann, other.Bob, other.Admin}
	for _, d := range append(threadEndpoints(), endpoint{"POST", "/join", "thread", J{}, true}) {
		unknown := d.call(t, other.Ann, unusedID).Refused(404, "NOT_FOUND")
		for i, id := range threads {
			callers := outside
			if i >= 2 && d.path != "/join" {
				callers = append(slices.Clone(outside), h.Cyd, h.Admin)
			}
			for _, c := range callers {
				r := d.call(t, c, id).Refused(404, "NOT_FOUND")
				if show(r.Value("error")) != show(unknown.Value("error")) && !strings.Contains(show(r.Value("error")), id) {
					r.errorf("want the error of an unknown thread: %s", show(unknown.Value("error")))
				}
			}
		}
	}
	for _, d := range orgEndpoints() {
		t.Do(d.method, othr(unusedID, d.path), h.Admin, d.body).Refused(404, "NOT_FOUND")
		for _, id := range threads {
			for _, c := range []Caller{other.Admin, other.Human()} {
				t.Do(d.method, othr(id, d.path), c, d.body).Refused(404, "NOT_FOUND")
			}
		}
	}
	for _, id := range threads {
		h.adminView(id).Equal("participant_count", 2).Equal("context", nil)
		t.Get(othr(id, "/messages"), h.Admin).OK().Len("", 0)
	}
	t.Get(thr(threads[4]), h.Bob).OK()
}

func terminalThreads(t *T) {
	h := newFixture(t)
	for _, state := range []string{"resolved", "closed"} {
		id := h.threadWithDraft(J{"join_policy": "approval"})
		request := t.Do("POST", thr(id, "/join"), h.Cyd, nil).Status(202).Str("request_id")
		h.setStatus(id, state)
		for _, d := range threadEndpoints() {
			switch {
			case d.needsOpen || d.method == "PATCH":
				d.call(t, h.Ann, id).Refused(409, "THREAD_CLOSED")
			case d.method == "GET":
				d.call(t, h.Ann, id).OK()
			default:
				d.call(t, h.Ann, id).Refused(404, "NOT_FOUND") // rejecting an unknown request
			}
		}
		for _, c := range []Caller{h.Ann, h.Cyd} {
			t.Do("POST", thr(id, "/join"), c, nil).Refused(409, "THREAD_CLOSED")
		}
		t.Do("POST", thr(id, "/join-requests/", request, "/approve"), h.Ann, nil).Refused(409, "THREAD_CLOSED")
		t.Get(thr(id, "/join-requests"), h.Ann).OK().Len("", 1)
		t.Do("POST", thr(id, "/join-requests/", request, "/reject"), h.Ann, nil).OK().Equal("status", "rejected")
		t.Get(thr(id), h.Ann).OK().Equal("participant_count", 2)
	}
}

func scopes(t *T) {
	h := newFixture(t)
	tokens := map[string]Token{}
	for _, s := range []string{"read", "thread", "message", "profile", "admin"} {
		tokens[s] = h.Ann.Scoped(s)
	}
	full := h.Ann.Scoped("full")
	unknown := thr(unusedID)
	type gate struct {
		method, path, scope string
		body                any
		human               bool // org-admin sessions are also accepted
	}
	gates := []gate{
		{"POST", "/api/send", "message", J{}, false},
		{"GET", "/api/channels/" + unusedID, "read", nil, true},
		{"GET", "/api/channels/" + unusedID + "/messages", "read", nil, true},
		{"GET", "/api/bots/ann/channels", "read", nil, true},
		{"POST", "/api/threads", "thread", J{}, false},
		{"GET", "/api/threads", "read", nil, false},
		{"POST", unknown + "/join", "thread", J{}, false},
		{"GET", "/api/inbox", "read", nil, false},
		{"GET", "/api/me/workspace", "read", nil, false},
	}
	for _, d := range threadEndpoints() {
		gates = append(gates, gate{d.method, unknown + d.path, d.scope, d.body, false})
	}
	for _, g := range gates {
		t.Do(g.method, g.path, nil, g.body).Refused(401, "AUTH_REQUIRED")
		t.Do(g.method, g.path, Token("bot_unknown"), g.body).Refused(401, "INVALID_TOKEN")
		for scope, token := range tokens {
			r := t.Do(g.method, g.path, token, g.body)
			if code, _ := r.find("code"); scope == g.scope && (code == "INSUFFICIENT_SCOPE" || r.StatusCode() == 401) {
				r.errorf("a token of scope %s is refused", scope)
			} else if scope != g.scope {
				r.Refused(403, "INSUFFICIENT_SCOPE")
			}
		}
		if r := t.Do(g.method, g.path, full, g.body); r.StatusCode() == 401 || r.StatusCode() == 403 {
			r.errorf("a token of scope full is refused")
		}
		t.Do(g.method, g.path, t.Super(), g.body).Refused(403, "FORBIDDEN")
		if r := t.Do(g.method, g.path, h.Human(), g.body); !g.human {
			r.Refused(403, "FORBIDDEN")
		} else if r.StatusCode() == 403 || r.StatusCode() == 401 {
			r.errorf("an org admin is refused")
		}
	}
}
