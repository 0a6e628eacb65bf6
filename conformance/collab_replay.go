package conformance

import (
	"net/http"
	"reflect"
)

// change is a request that a client may repeat after it lost the response.
type change struct {
	what   string
	status int
	call   func(with J) *Response // makes the request with the request_id in its argument
	other  J                      // members that change the content of the request; nil if it has no content
	effect func() any             // returns the state that the request must change only once
}

func replayChecks() []Check {
	return []Check{
		{[]string{"B2B-CH-020", "B2B-MSG-026"}, "messages with the same request_id are stored once", replayedMessages},
		{[]string{"B2B-CH-020"}, "request_ids of different bots are independent", requestIDsPerBot},
		{[]string{"B2B-CH-020"}, "concurrent requests with the same request_id take effect once", concurrentReplays},
		{[]string{"B2B-THR-013", "B2B-THR-058"}, "creating and changing threads takes effect once per request_id", replayedThreads},
		{[]string{"B2B-JOIN-016"}, "joining, inviting and removing take effect once per request_id", replayedParticipants},
		{[]string{"B2B-ART-012"}, "artifact versions are created once per request_id", replayedArtifacts},
		{[]string{"B2B-ORGTHR-017"}, "changes by org admins take effect once per request_id", replayedAdminChanges},
	}
}

func replayedMessages(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	t.dm(h.Ann, "bob", "opens the channel")
	t.replay(
		change{"a direct message", 200, func(w J) *Response {
			return t.Do("POST", "/api/send", h.Ann, with(J{"to": "bob", "content": "once"}, w))
		}, J{"content": "other"}, func() any { return t.Get("/api/inbox?since=0", h.Bob).OK().JSON }},
		change{"a thread message", 200, func(w J) *Response {
			return t.Do("POST", thr(id, "/messages"), h.Ann, with(J{"content": "once"}, w))
		}, J{"content": "other"}, func() any { return t.Get(thr(id, "/messages"), h.Bob).OK().JSON }},
	)
}

func requestIDsPerBot(t *T) {
	h := newFixture(t)
	id := requestID()
	a := t.Do("POST", "/api/send", h.Ann, J{"to": "bob", "content": "x", "request_id": id}).OK()
	c := t.Do("POST", "/api/send", h.Cyd, J{"to": "bob", "content": "x", "request_id": id}).OK()
	if a.Str("message.id") == c.Str("message.id") || c.Str("message.sender_id") != h.Cyd.ID {
		c.errorf("the request_id of one bot returned the response of another bot")
	}
	t.Get("/api/inbox?since=0", h.Bob).OK().Len("", 2)
	t.dm(h.Ann, "bob", "x")
	t.dm(h.Ann, "bob", "x")
	t.Get("/api/inbox?since=0", h.Bob).OK().Len("", 4)
}

func concurrentReplays(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "opens the channel")
	id, got := requestID(), make([]string, 8)
	t.Concurrently(len(got), func(i int) {
		got[i] = t.Do("POST", "/api/send", h.Ann, J{"to": "bob", "content": "race", "request_id": id}).OK().Str("message.id")
	})
	for _, m := range got {
		if m != got[0] {
			t.Errorf("concurrent requests with one request_id made the messages %v", got)
			break
		}
	}
	t.Get("/api/inbox?since=0", h.Bob).OK().Len("", 2)
}

func replayedThreads(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	t.replay(
		change{"a thread", 200, func(w J) *Response { return t.Do("POST", "/api/threads", h.Ann, with(J{"topic": "once"}, w)) }, J{"topic": "other"},
			func() any { return len(t.Get("/api/threads", h.Ann).OK().List("")) }},
		change{"a PATCH", 200, func(w J) *Response { return t.Do("PATCH", thr(id), h.Ann, with(J{"topic": "once"}, w)) }, J{"topic": "other"}, h.threadState(id)},
		change{"a change of status", 200, func(w J) *Response { return t.Do("PATCH", thr(id), h.Ann, with(J{"status": "blocked"}, w)) }, J{"status": "active"}, h.threadState(id)},
		change{"a PATCH with If-Match", 200, func(w J) *Response {
			return t.Do("PATCH", thr(id), h.Ann, with(J{"context": "once"}, w), Header("If-Match", `"3"`))
		}, nil, h.threadState(id)},
	)
}

func replayedParticipants(t *T) {
	h := newFixture(t)
	dan, eve := h.Bot("dan"), h.Bot("eve")
	open, asks := h.thread(nil), h.thread(J{"join_policy": "approval"})
	join := func(id string, b *Bot) func(J) *Response {
		return func(w J) *Response { return t.Do("POST", thr(id, "/join"), b, w) }
	}
	pending := func() any { return t.Get(thr(asks, "/join-requests"), h.Ann).OK().JSON }
	t.replay(
		change{"an open join", 200, join(open, h.Cyd), nil, h.threadState(open)},
		change{"a join request", 202, join(asks, h.Cyd), nil, pending},
	)
	mine := t.Get(thr(asks, "/join-requests"), h.Ann).OK().Str("0.id")
	his := t.Do("POST", thr(asks, "/join"), dan, nil).Status(202).Str("request_id")
	decide := func(request, what string) func(J) *Response {
		return func(w J) *Response { return t.Do("POST", thr(asks, "/join-requests/", request, "/", what), h.Ann, w) }
	}
	t.replay(
		change{"an approval", 200, decide(mine, "approve"), nil, h.threadState(asks)},
		change{"a rejection", 200, decide(his, "reject"), nil, pending},
		change{"an invite", 200, func(w J) *Response {
			return t.Do("POST", thr(open, "/participants"), h.Ann, with(J{"bot_id": "eve", "label": "guest"}, w))
		}, J{"label": "other"}, h.threadState(open)},
		change{"a removal", 200, func(w J) *Response {
			return t.Do("DELETE", byQuery(thr(open, "/participants/", eve.ID), w), h.Ann, w)
		}, nil, h.threadState(open)},
	)
}

func replayedArtifacts(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	versions := func() any { return t.Get(thr(id, "/artifacts/k/versions"), h.Bob).OK().JSON }
	t.replay(
		change{"an artifact", 200, func(w J) *Response {
			return t.Do("POST", thr(id, "/artifacts"), h.Ann, with(J{"artifact_key": "k", "content": "once"}, w))
		}, J{"content": "other"}, versions},
		change{"a version", 200, func(w J) *Response {
			return t.Do("PATCH", thr(id, "/artifacts/k"), h.Ann, with(J{"content": "twice"}, w))
		}, J{"content": "other"}, versions},
	)
}

func replayedAdminChanges(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	for i, c := range []Caller{h.Admin, h.Human()} {
		status := []string{"reviewing", "active"}[i]
		t.replay(
			change{"an org PATCH", 200, func(w J) *Response { return t.Do("PATCH", othr(id), c, with(J{"status": status}, w)) }, J{"status": "blocked"}, h.threadState(id)},
			change{"an org invite", 200, func(w J) *Response {
				return t.Do("POST", othr(id, "/participants"), c, with(J{"bot_id": h.Cyd.ID}, w))
			}, J{"label": "other"}, h.threadState(id)},
			change{"an org removal", 200, func(w J) *Response {
				return t.Do("DELETE", byQuery(othr(id, "/participants/", h.Cyd.ID), w), c, w)
			}, nil, h.threadState(id)},
		)
	}
}

// byQuery adds the request_id of a DELETE to the query, where servers may expect it because DELETE
// rarely has a body.
func byQuery(path string, w J) string {
	id, _ := w["request_id"].(string)
	return query(path, "request_id", id)
}

// threadState returns a function that returns the parts of the thread that a change affects.
func (h *fixture) threadState(thread string) func() any {
	return func() any {
		r := h.adminView(thread)
		return []any{r.Value("revision"), r.Value("participant_count"), r.Value("topic"), r.Value("status"), r.Value("context")}
	}
}

// replay makes each change twice with one request_id, and once more with other content.
func (t *T) replay(changes ...change) {
	for _, d := range changes {
		id := requestID()
		first := d.call(J{"request_id": id}).Status(d.status)
		if first.StatusCode() != d.status {
			continue
		}
		was := d.effect()
		t.tick()
		again := d.call(J{"request_id": id}).Status(d.status)
		if !reflect.DeepEqual(again.JSON, first.JSON) {
			again.errorf("%s has another response when repeated; the first response was %s", d.what, show(first.JSON))
		}
		if got, want := again.Header.Get("ETag"), first.Header.Get("ETag"); got != want && d.status == http.StatusOK {
			again.errorf("%s has the ETag %q when repeated, %q at first", d.what, got, want)
		}
		if now := d.effect(); !reflect.DeepEqual(now, was) {
			again.errorf("%s has an effect when repeated: %s, before %s", d.what, show(now), show(was))
		}
		if d.other != nil {
			d.call(with(J{"request_id": id}, d.other)).Refused(409, "IDEMPOTENCY_KEY_REUSED")
			if now := d.effect(); !reflect.DeepEqual(now, was) {
				again.errorf("%s has an effect when its request_id is used with other content", d.what)
			}
		}
	}
}
