package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

func frameChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-007"}, "a connection resumes from a cursor, or is closed when it cannot", func(t *T) {
			s, other := newStage(t), newStage(t)
			bob := t.open("bob", s.Bob)
			bob.seek("mark", isMark(s.mark()))
			from := bob.last()
			at := len(bob.all())
			s.traffic(7)
			t.open("cyd", s.Cyd).hang() // its presence is not told again
			again := t.open("bob resuming", s.Bob, "cursor", from)
			s.traffic(3)
			mark := s.mark()
			bob.seek("mark", isMark(mark))
			again.seek("mark", isMark(mark))
			if got, want := raws(withCursor(again.all())), raws(withCursor(bob.all()[at:])); !slices.Equal(got, want) {
				again.errorf("was told %d events, live %d, or other ones", len(got), len(want))
			}
			elsewhere := t.open("a bot of another org", other.Bob)
			elsewhere.seek("mark", isMark(other.mark()))
			for c, code := range map[string]string{"x": "VALIDATION_ERROR", nobodyID: "VALIDATION_ERROR", strings.Repeat("x", 2000): "VALIDATION_ERROR", elsewhere.last(): "EPOCH_CHANGED"} {
				k := t.dial("bob", "ticket", t.wsTicket(s.Bob), "cursor", c)
				k.closes(4009, code)
				if len(k.all()) > 0 {
					k.errorf("was told something from a position that is refused")
				}
			}
		}},
		{[]string{"B2B-WS-010"}, "frames are text or binary, at least a MiB large", func(t *T) {
			s := newStage(t)
			ann := t.open("ann", s.Ann)
			id := s.thread(nil)
			ann.sendAs(websocket.MessageBinary, J{"type": "send_thread_message", "thread_id": id, "content": "grüße", "ref": "b"})
			m := ann.answer("b").Equal("type", "ack").Str("result.message_id")
			ann.look(ann.next("thread_message")).Equal("message.id", m).Equal("message.content", "grüße")
			pad := strings.Repeat("x", 1<<20-200)
			ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "x", "ignored": pad})
		}},
		{[]string{"B2B-WS-011"}, "pings are answered", func(t *T) {
			h := newHall(t)
			for _, k := range []*Socket{t.open("ann", h.Ann), t.open("an admin", h.Human())} {
				k.send(J{"type": "ping", "ref": "x"})
				k.ping()
				for _, fr := range k.all() {
					if _, ref := fr.JSON["ref"]; ref || fr.kind() != "pong" && !fr.presence() {
						k.errorf("a ping is answered by %s", fr.Raw)
					}
				}
				ctx, cancel := context.WithTimeout(t.ctx, patience)
				if err := k.conn.Ping(ctx); err != nil {
					k.errorf("a ping of the WebSocket protocol: %v", err)
				}
				cancel()
			}
		}},
		{[]string{"B2B-WS-012"}, "a ref is echoed as it was sent, and without one success is silent", func(t *T) {
			s := newStage(t)
			ann := t.open("ann", s.Ann)
			id := s.thread(nil)
			for i, ref := range []any{"x", 1, -2.5, true, J{"a": []any{1, "b"}}, []any{"x"}, []any{}, J{}, strings.Repeat("r", 200), "0", "false"} {
				ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "x", "ref": ref})
				ann.answer(ref).Equal("type", "ack")
				bad := []any{fmt.Sprintf("bad-%d", i), ref}
				ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "", "ref": bad})
				ann.answer(bad).failed("VALIDATION_ERROR")
			}
			before := len(ann.all())
			for _, ref := range []any{"", 0, nil, false} {
				ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "silent", "ref": ref})
				ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "", "ref": ref})
			}
			ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "silent"})
			ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "last"})
			got := ann.all()[before:]
			want := slices.Concat(slices.Repeat([]string{"thread_message", "error"}, 4), []string{"thread_message", "thread_message", "ack"})
			if !slices.Equal(kinds(got), want) {
				ann.fatalf("falsy refs are answered by %v, want %v", kinds(got), want)
			}
			for _, fr := range got {
				if _, there := fr.JSON["ref"]; there && fr.kind() == "error" {
					ann.errorf("a falsy ref is echoed: %s", fr.Raw)
				}
			}
		}},
		{[]string{"B2B-WS-013"}, "what is no frame is answered by an error or by nothing, and the connection stays", func(t *T) {
			s := newStage(t)
			ann := t.open("ann", s.Ann)
			id := s.thread(nil)
			bad := []Raw{"", "{", "not json", `{"type":"ping"} x`, "null", "\xff\xfe", `{"type":"send_dm","to":"bob","content":"x","ref":"r"`, Raw(strings.Repeat("[", 20000))}
			ann.upTo(s.mark())
			for i, b := range bad {
				kind := websocket.MessageBinary // bytes that are no text must not break the WebSocket protocol
				ann.sendAs(kind, b)
				fr := ann.next("error")
				r := ann.look(fr).failed("VALIDATION_ERROR").Equal("message", "Invalid message format").Lacks("ref")
				if len(r.t.failures) > 0 {
					r.errorf("that answers the bad frame %d", i)
				}
			}
			for _, ignored := range []Raw{"1", `"text"`, "[]", `[{"type":"ping"}]`, "true", "{}", `{"type":"bogus","ref":"a"}`, `{"type":5,"ref":"a"}`, `{"type":null}`, `{"type":"pong"}`, `{"type":"ack","ref":"a"}`, `{"TYPE":"ping"}`} {
				ann.send(ignored)
			}
			ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "still here"})
			before, _ := ann.seek("ack", func(fr Frame) bool { return fr.kind() == "ack" })
			got := slices.DeleteFunc(before, Frame.presence)
			if !slices.Equal(kinds(got), []string{"thread_message"}) {
				ann.errorf("frames to be ignored are answered by %v", raws(got))
			}
		}},
		{[]string{"B2B-WS-014", "B2B-WS-015"}, "50 frames in one read give 50 answers in order, each behind its events", pipelined},
		{[]string{"B2B-WS-015"}, "what a connection sends takes effect in order", func(t *T) {
			s := newStage(t)
			ann := t.open("ann", s.Ann)
			id := s.thread(nil)
			ann.wire.hold()
			for i := range 20 {
				ann.send(J{"type": "thread_update", "thread_id": id, "topic": fmt.Sprint("topic ", i), "expected_revision": 2*i + 1, "ref": 2*i + 1})
				ann.send(J{"type": "artifact_add", "thread_id": id, "artifact_key": fmt.Sprint("k", i), "content": "x"})
				ann.send(J{"type": "artifact_update", "thread_id": id, "artifact_key": fmt.Sprint("k", i), "content": "y", "ref": []int{i}})
				ann.send(J{"type": "thread_update", "thread_id": id, "context": i, "expected_revision": 2*i + 2, "ref": 2*i + 2})
			}
			if err := ann.wire.release(); err != nil {
				ann.fatalf("%v", err)
			}
			for i := range 40 {
				ann.answer(i+1).Equal("type", "ack").Equal("result.revision", i+2)
			}
			for i := range 20 {
				ann.answer([]int{i}).Equal("type", "ack").Equal("result.version", 2)
			}
		}},
		{[]string{"B2B-WS-017"}, "a bot may have many connections, and each hears all", func(t *T) {
			s := newStage(t)
			id := s.thread(nil)
			all := make([]*Socket, 24)
			t.Concurrently(len(all), func(i int) { all[i] = t.open(fmt.Sprint("ann ", i), s.Ann) })
			start := s.mark()
			for _, k := range all {
				k.upTo(start)
			}
			all[0].do(J{"type": "send_thread_message", "thread_id": id, "content": "x"})
			mark := s.mark()
			for _, k := range all {
				k.told(mark, "thread_message")
			}
		}},
	}
}

// pipelined sends 50 frames in one network write: messages, and every tenth one that must be refused.
func pipelined(t *T) {
	s := newStage(t)
	ann := t.open("ann", s.Ann)
	bob := t.open("bob", s.Bob)
	id := s.thread(nil)
	start := s.mark()
	ann.upTo(start)
	bob.upTo(start)
	from := len(ann.all())
	ann.wire.hold()
	for i := range 50 {
		op := J{"type": "send_thread_message", "thread_id": id, "content": fmt.Sprint("message ", i), "ref": i + 1}
		if i%10 == 9 {
			op["content"] = ""
		}
		ann.send(op)
	}
	if err := ann.wire.release(); err != nil {
		ann.fatalf("%v", err)
	}
	ann.answer(50)
	var messages, answers, told, got []string
	for i := range 50 {
		if i%10 == 9 {
			answers = append(answers, fmt.Sprint("error ", i+1))
		} else {
			messages = append(messages, fmt.Sprint("message ", i))
			answers = append(answers, fmt.Sprint("ack ", i+1))
		}
	}
	for _, fr := range ann.all()[from:] {
		switch fr.kind() {
		case "thread_message":
			told = append(told, fr.str("message.content"))
		case "ack", "error":
			answer := fmt.Sprint(fr.kind(), " ", fr.JSON["ref"])
			got = append(got, answer)
			acks := len(slices.DeleteFunc(slices.Clone(got), func(a string) bool { return !strings.HasPrefix(a, "ack") }))
			if len(told) < acks {
				t.Errorf("%s comes before the event of its message: %v", answer, told)
			}
		}
	}
	if !slices.Equal(got, answers) || !slices.Equal(told, messages) {
		t.Errorf("50 frames in one read are answered by %v with the events %v, want %v and %v", got, told, answers, messages)
	}
	var heard []string
	for _, fr := range bob.upTo(s.mark()) {
		heard = append(heard, fr.str("message.content"))
	}
	if !slices.Equal(heard, messages) {
		t.Errorf("another participant hears %v, want %v", heard, messages)
	}
}
