package conformance

import (
	"net/http"
	"strings"
)

// traceChecks check that the position in a trace that a call names is delivered with what it
// writes.
func traceChecks() []Check {
	return []Check{
		{[]string{"B2B-MSG-060"}, "the traceparent of a call is delivered with its message or artifact", tracedWrites},
		{[]string{"B2B-MSG-060", "B2B-HOOK-002"}, "a webhook delivers the traceparent of a message", tracedDelivery},
		{[]string{"B2B-MSG-061"}, "an invalid traceparent or tracestate is ignored", invalidTraces},
		{[]string{"B2B-MSG-063"}, "a repeated request may have another traceparent", repeatedTrace},
	}
}

const (
	someTrace  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	otherTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	someState  = "vendor=opaque,t61rcwkgmze@az=1/2"
)

// traced returns the headers of a position.
func traced(parent, state string) []Option {
	return []Option{Header("traceparent", parent), Header("tracestate", state)}
}

// traced asserts the position in an object of a response; with an empty parent: not this one, since a
// server may set its own (B2B-MSG-062).
func (r *Response) traced(path, parent, state string) *Response {
	key := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	if parent == "" {
		for _, ours := range []string{someTrace, otherTrace} {
			if got, _ := r.find(key("traceparent")); got == ours {
				r.errorf("%s is %s, want none of the client", key("traceparent"), ours)
			}
		}
		return r.Lacks(key("tracestate"))
	}
	r.Equal(key("traceparent"), parent)
	if state == "" {
		return r.Lacks(key("tracestate"))
	}
	return r.Equal(key("tracestate"), state)
}

func tracedWrites(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	ann := t.open("ann", s.Ann)
	from := t.open("bob", s.Bob)
	from.upTo(s.mark())
	start := from.last()
	feeds := []*Feed{from.Feed, t.stream("bob over SSE", s.Bob, nil).Feed}
	type write struct {
		kind, at string
		do       func() *Response // nil: no response with the object
	}
	post := func(path string, body J) func() *Response {
		return func() *Response { return t.Do("POST", path, s.Ann, body, traced(someTrace, someState)...).OK() }
	}
	writes := []write{
		{"message", "message", post("/api/send", J{"to": "bob", "content": "x"})},
		{"thread_message", "message", post(thr(id, "/messages"), J{"content": "x", "metadata": J{"k": 1}})},
		{"thread_artifact", "artifact", post(thr(id, "/artifacts"), J{"artifact_key": "a", "content": "x"})},
		{"thread_artifact", "artifact", func() *Response {
			return t.Do("PATCH", thr(id, "/artifacts/a"), s.Ann, J{"content": "y"}, traced(someTrace, someState)...).OK()
		}},
	}
	for _, op := range []J{
		{"type": "send_dm", "to": "bob", "content": "x"},
		{"type": "send_thread_message", "thread_id": id, "content": "x"},
		{"type": "artifact_update", "thread_id": id, "artifact_key": "a", "content": "z"},
	} {
		kind := map[any]string{"send_dm": "message", "send_thread_message": "thread_message", "artifact_update": "thread_artifact"}[op["type"]]
		at := map[string]string{"message": "message", "thread_message": "message", "thread_artifact": "artifact"}[kind]
		writes = append(writes, write{kind, at, func() *Response {
			ann.do(with(op, J{"traceparent": someTrace, "tracestate": someState}))
			return nil
		}})
	}
	for _, w := range writes {
		if r := w.do(); r != nil {
			at := ""
			if w.kind == "message" {
				at = "message"
			}
			r.traced(at, someTrace, someState)
		}
		for _, f := range feeds {
			f.asResponse(f.next(w.kind)).traced(w.at, someTrace, someState).Lacks("traceparent")
		}
	}
	again := t.stream("bob again", s.Bob, []string{"cursor", start})
	for _, w := range writes {
		again.asResponse(again.next(w.kind)).traced(w.at, someTrace, someState)
	}
	t.Get(thr(id, "/messages"), s.Bob).OK().Lacks("0.traceparent").Equal("0.metadata", J{"k": 1})
	t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "x"}, traced(otherTrace, "")...).OK().traced("", otherTrace, "")
	t.say(s.Ann, id, "untraced").traced("", "", "")
	for _, f := range feeds {
		f.asResponse(f.next("thread_message")).traced("message", otherTrace, "")
		f.asResponse(f.next("thread_message")).traced("message", "", "")
	}
}

func tracedDelivery(t *T) {
	o, h := t.Org(), t.hooks()
	bot := h.bot(o, "hooked", "hush")
	t.Do("POST", "/api/send", o.Admin, J{"to": bot.ID, "content": "x"}, traced(someTrace, someState)...).OK()
	t.dm(o.Admin, bot.ID, "untraced")
	all := h.wait(2)
	for i, want := range []string{someTrace, ""} {
		message, _ := all[i].event["message"].(map[string]any)
		if got, _ := message["traceparent"].(string); want != "" && got != want || want == "" && got == someTrace {
			t.Errorf("delivery %d has the traceparent %q, want %q: %s", i, got, want, all[i].body)
		}
	}
}

func invalidTraces(t *T) {
	h := newFixture(t)
	path := thr(h.thread(nil), "/messages")
	ann := t.open("ann", h.Ann)
	for _, parent := range []string{
		"00", "x", someTrace + "-x", strings.ToUpper(someTrace), "01" + someTrace[2:], "ff" + someTrace[2:], someTrace[:54], someTrace + "0",
		"00-" + strings.Repeat("0", 32) + someTrace[35:], someTrace[:36] + strings.Repeat("0", 16) + someTrace[52:], strings.Replace(someTrace, "a", "g", 1),
	} {
		r := t.Do("POST", path, h.Ann, J{"content": "x"}, traced(parent, someState)...).OK().traced("", "", "")
		if got, _ := r.find("traceparent"); got == parent {
			r.errorf("the invalid traceparent %q is returned", parent)
		}
		ann.do(J{"type": "send_thread_message", "thread_id": strings.Split(path, "/")[3], "content": "x", "traceparent": parent})
	}
	twice := func(header http.Header) { header["Traceparent"] = []string{someTrace, someTrace} }
	t.Do("POST", path, h.Ann, J{"content": "x"}, twice).OK().traced("", "", "")
	t.Do("POST", path, h.Ann, J{"content": "x"}, traced("", someState)...).OK().traced("", "", "")
	for _, state := range []string{"a", "A=1", "a=1,a=2", "a=" + strings.Repeat("b", 257), "a=" + strings.Repeat("b", 255) + ",b=" + strings.Repeat("b", 255)} {
		t.Do("POST", path, h.Ann, J{"content": "x"}, traced(someTrace, state)...).OK().traced("", someTrace, "")
	}
	for _, wrong := range []any{7, nil, J{}, []any{someTrace}} {
		ann.do(J{"type": "send_thread_message", "thread_id": strings.Split(path, "/")[3], "content": "x", "traceparent": wrong, "tracestate": wrong})
	}
	t.Do("POST", path, h.Ann, J{"content": "x"}, traced(someTrace, someState)...).OK().traced("", someTrace, someState)
}

func repeatedTrace(t *T) {
	h := newFixture(t)
	path := thr(h.thread(nil), "/messages")
	body := J{"content": "x", "request_id": requestID()}
	first := t.Do("POST", path, h.Ann, body, traced(someTrace, "")...).OK().traced("", someTrace, "")
	again := t.Do("POST", path, h.Ann, body, traced(otherTrace, "")...).OK().traced("", someTrace, "")
	again.Equal("id", first.Str("id"))
	t.Do("POST", path, h.Ann, J{"content": "other", "request_id": body["request_id"]}, traced(someTrace, "")...).Refused(409, "IDEMPOTENCY_KEY_REUSED")
}
