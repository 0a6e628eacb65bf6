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
		{[]string{"B2B-WS-007"}, "a connection resumes from a cursor, or is closed with 4009", resumedConnection},
		{[]string{"B2B-WS-010"}, "text and binary frames of up to 1 MiB are accepted", func(t *T) {
			s := newLiveFixture(t)
			ann := t.open("ann", s.Ann)
			id := s.thread(nil)
			ann.sendAs(websocket.MessageBinary, J{"type": "send_thread_message", "thread_id": id, "content": "grüße", "ref": "b"})
			m := ann.reply("b").Equal("type", "ack").Str("result.message_id")
			ann.asResponse(ann.next("thread_message")).Equal("message.id", m).Equal("message.content", "grüße")
			pad := strings.Repeat("x", 1<<20-200)
			ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "x", "ignored": pad})
		}},
		{[]string{"B2B-WS-011"}, "a ping gets a pong", pings},
		{[]string{"B2B-WS-012"}, "a ref is returned unchanged, and a success without a ref has no reply", frameRefs},
		{[]string{"B2B-WS-013"}, "an invalid frame gets an error or no reply, and the connection stays open", invalidFrames},
		{[]string{"B2B-WS-014", "B2B-WS-015"}, "50 frames in one write get 50 replies in order, each after its events", pipelined},
		{[]string{"B2B-WS-015"}, "the frames of a connection take effect in order", frameOrder},
		{[]string{"B2B-WS-017"}, "a bot can have many connections, and each receives all events", manyConnections},
	}
}

func resumedConnection(t *T) {
	s, other := newLiveFixture(t), newLiveFixture(t)
	bob := t.open("bob", s.Bob)
	bob.seek("mark", isMarker(s.mark()))
	from := bob.last()
	at := len(bob.all())
	s.traffic(7)
	t.open("cyd", s.Cyd).disconnect() // its presence event is not replayed
	again := t.open("bob resuming", s.Bob, "cursor", from)
	s.traffic(3)
	mark := s.mark()
	bob.seek("mark", isMarker(mark))
	again.seek("mark", isMarker(mark))
	if got, want := raws(withCursor(again.all())), raws(withCursor(bob.all()[at:])); !slices.Equal(got, want) {
		again.errorf("received %d events, the live connection %d, or their events differ", len(got), len(want))
	}
	elsewhere := t.open("a bot of another org", other.Bob)
	elsewhere.seek("mark", isMarker(other.mark()))
	for c, code := range map[string]string{"x": "VALIDATION_ERROR", unusedID: "VALIDATION_ERROR", strings.Repeat("x", 2000): "VALIDATION_ERROR", elsewhere.last(): "EPOCH_CHANGED"} {
		k := t.dial("bob", "ticket", t.wsTicket(s.Bob), "cursor", c)
		k.closes(4009, code)
		if len(k.all()) > 0 {
			k.errorf("received frames although the position is rejected")
		}
	}
}

func pings(t *T) {
	h := newFixture(t)
	for _, k := range []*Socket{t.open("ann", h.Ann), t.open("an admin", h.Human())} {
		k.send(J{"type": "ping", "ref": "x"})
		k.ping()
		for _, fr := range k.all() {
			if _, ref := fr.JSON["ref"]; ref || fr.kind() != "pong" && !fr.isPresence() {
				k.errorf("the reply to a ping is %s", fr.Raw)
			}
		}
		ctx, cancel := context.WithTimeout(t.ctx, t.patient(soon))
		if err := k.conn.Ping(ctx); err != nil {
			k.errorf("a ping of the WebSocket protocol: %v", err)
		}
		cancel()
	}
}

func frameRefs(t *T) {
	s := newLiveFixture(t)
	ann := t.open("ann", s.Ann)
	id := s.thread(nil)
	for i, ref := range []any{"x", 1, -2.5, true, J{"a": []any{1, "b"}}, []any{"x"}, []any{}, J{}, strings.Repeat("r", 200), "0", "false"} {
		ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "x", "ref": ref})
		ann.reply(ref).Equal("type", "ack")
		bad := []any{fmt.Sprintf("bad-%d", i), ref}
		ann.send(J{"type": "send_thread_message", "thread_id": id, "content": "", "ref": bad})
		ann.reply(bad).failed("VALIDATION_ERROR")
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
		ann.fatalf("the replies to frames with falsy refs are %v, want %v", kinds(got), want)
	}
	for _, fr := range got {
		if _, there := fr.JSON["ref"]; there && fr.kind() == "error" {
			ann.errorf("a falsy ref is returned: %s", fr.Raw)
		}
	}
}

func invalidFrames(t *T) {
	s := newLiveFixture(t)
	ann := t.open("ann", s.Ann)
	id := s.thread(nil)
	bad := []Raw{"", "{", "not json", `{"type":"ping"} x`, "null", "\xff\xfe", `{"type":"send_dm","to":"bob","content":"x","ref":"r"`, Raw(strings.Repeat("[", 20000))}
	ann.upTo(s.mark())
	for i, b := range bad {
		kind := websocket.MessageBinary // invalid UTF-8 is not allowed in a text frame
		ann.sendAs(kind, b)
		fr := ann.next("error")
		r := ann.asResponse(fr).failed("VALIDATION_ERROR").Equal("message", "Invalid message format").Lacks("ref")
		if len(r.t.failures) > 0 {
			r.errorf("this is the reply to invalid frame %d", i)
		}
	}
	for _, ignored := range []Raw{"1", `"text"`, "[]", `[{"type":"ping"}]`, "true", "{}", `{"type":"bogus","ref":"a"}`, `{"type":5,"ref":"a"}`, `{"type":null}`, `{"type":"pong"}`, `{"type":"ack","ref":"a"}`, `{"TYPE":"ping"}`} {
		ann.send(ignored)
	}
	ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "still here"})
	before, _ := ann.seek("ack", func(fr Frame) bool { return fr.kind() == "ack" })
	got := slices.DeleteFunc(before, Frame.isPresence)
	if !slices.Equal(kinds(got), []string{"thread_message"}) {
		ann.errorf("the replies to frames that must be ignored are %v", raws(got))
	}
}

func frameOrder(t *T) {
	s := newLiveFixture(t)
	ann := t.open("ann", s.Ann)
	id := s.thread(nil)
	ann.wire.delayWrites()
	for i := range 20 {
		ann.send(J{"type": "thread_update", "thread_id": id, "topic": fmt.Sprint("topic ", i), "expected_revision": 2*i + 1, "ref": 2*i + 1})
		ann.send(J{"type": "artifact_add", "thread_id": id, "artifact_key": fmt.Sprint("k", i), "content": "x"})
		ann.send(J{"type": "artifact_update", "thread_id": id, "artifact_key": fmt.Sprint("k", i), "content": "y", "ref": []int{i}})
		ann.send(J{"type": "thread_update", "thread_id": id, "context": i, "expected_revision": 2*i + 2, "ref": 2*i + 2})
	}
	if err := ann.wire.sendDelayed(); err != nil {
		ann.fatalf("%v", err)
	}
	for i := range 40 {
		ann.reply(i+1).Equal("type", "ack").Equal("result.revision", i+2)
	}
	for i := range 20 {
		ann.reply([]int{i}).Equal("type", "ack").Equal("result.version", 2)
	}
}

func manyConnections(t *T) {
	s := newLiveFixture(t)
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
		k.expect(mark, "thread_message")
	}
}

// pipelined sends 50 frames in one network write. Every tenth one is invalid.
func pipelined(t *T) {
	s := newLiveFixture(t)
	ann := t.open("ann", s.Ann)
	bob := t.open("bob", s.Bob)
	id := s.thread(nil)
	start := s.mark()
	ann.upTo(start)
	bob.upTo(start)
	from := len(ann.all())
	ann.wire.delayWrites()
	for i := range 50 {
		op := J{"type": "send_thread_message", "thread_id": id, "content": fmt.Sprint("message ", i), "ref": i + 1}
		if i%10 == 9 {
			op["content"] = ""
		}
		ann.send(op)
	}
	if err := ann.wire.sendDelayed(); err != nil {
		ann.fatalf("%v", err)
	}
	ann.reply(50)
	var messages, want, contents, got []string
	for i := range 50 {
		if i%10 == 9 {
			want = append(want, fmt.Sprint("error ", i+1))
		} else {
			messages = append(messages, fmt.Sprint("message ", i))
			want = append(want, fmt.Sprint("ack ", i+1))
		}
	}
	for _, fr := range ann.all()[from:] {
		switch fr.kind() {
		case "thread_message":
			contents = append(contents, fr.str("message.content"))
		case "ack", "error":
			reply := fmt.Sprint(fr.kind(), " ", fr.JSON["ref"])
			got = append(got, reply)
			acks := len(slices.DeleteFunc(slices.Clone(got), func(a string) bool { return !strings.HasPrefix(a, "ack") }))
			if len(contents) < acks {
				t.Errorf("%s came before the event of its message: %v", reply, contents)
			}
		}
	}
	if !slices.Equal(got, want) || !slices.Equal(contents, messages) {
		t.Errorf("50 frames in one write have the replies %v and the events %v, want %v and %v", got, contents, want, messages)
	}
	var other []string
	for _, fr := range bob.upTo(s.mark()) {
		other = append(other, fr.str("message.content"))
	}
	if !slices.Equal(other, messages) {
		t.Errorf("another participant received %v, want %v", other, messages)
	}
}
