package conformance

import "fmt"

// loopChecks returns the checks of what keeps bots from answering each other without end.
func loopChecks() []Check {
	return []Check{
		{[]string{"B2B-LOOP-010"}, "a message has the marks that it was sent with", markedMessages},
		{[]string{"B2B-LOOP-010", "B2B-WS-021"}, "messages over WebSocket have marks, in events that are replayed, too", markedOperations},
	}
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
