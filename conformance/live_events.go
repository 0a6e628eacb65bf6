package conformance

import (
	"slices"
	"strings"
)

const channelShape = "id:s org_id:s type:=direct name:s? created_at:i"

func eventChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-040"}, "connections receive only events that their scopes allow", byScope},
		{[]string{"B2B-EVT-001", "B2B-EVT-002", "B2B-EVT-004"}, "direct messages are delivered to both members and to subscribers of the channel", directEvents},
		{[]string{"B2B-EVT-003"}, "another org receives no events", otherOrgReceivesNothing},
		{[]string{"B2B-EVT-005"}, "all subscribers receive every event once and in the same order", oneOrder},
		{[]string{"B2B-EVT-008"}, "pushed messages have the content that was sent", func(t *T) {
			s := newLiveFixture(t)
			s.addSocket("bob", s.Bob)
			id := s.thread(nil)
			parts := []any{
				J{"type": "text", "content": ""}, J{"type": "json", "content": J{"z": 1, "a": []any{1.5, nil, "x"}}}, J{"type": "image", "url": "/api/files/x", "extra": true},
				J{"type": "file", "url": "relative/file", "name": "f", "mime_type": "text/plain"},
			}
			s.feeds["bob"].upTo(s.mark())
			for _, c := range []struct {
				what, path string
				body       J
			}{{"message", "/api/send", J{"to": "bob"}}, {"thread_message", thr(id, "/messages"), J{}}} {
				t.Do("POST", c.path, s.Ann, with(c.body, J{"content": "see", "parts": parts})).OK()
				f := s.feeds["bob"]
				f.asResponse(f.next(c.what)).Equal("message.parts", parts).Equal("message.content", "see")
				t.Do("POST", c.path, s.Ann, with(c.body, J{"content": "bare"})).OK()
				f.asResponse(f.next(c.what)).Equal("message.parts", []any{J{"type": "text", "content": "bare"}})
			}
		}},
		{[]string{"B2B-EVT-007"}, "rejected and repeated requests create no events", func(t *T) {
			s := newLiveFixture(t)
			s.addSocket("ann", s.Ann)
			s.addSocket("bob", s.Bob)
			id := s.thread(J{"permission_policy": J{"resolve": []string{}}})
			s.step("the thread", map[string]string{"ann": "thread_created thread_participant thread_participant", "bob": "thread_created thread_participant thread_participant"}, func() {})
			once := requestID()
			send := func() *Response {
				return t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": "once", "request_id": once})
			}
			s.step("the first time", map[string]string{"ann": "thread_message", "bob": "thread_message"}, func() { send().OK() })
			s.step("rejected and repeated requests", nil, func() {
				send().OK()
				t.Do("POST", thr(id, "/messages"), s.Cyd, J{"content": "x"}).Refused(403, "JOIN_REQUIRED")
				t.Do("POST", thr(id, "/messages"), s.Ann, J{"content": ""}).Refused(400, "VALIDATION_ERROR")
				t.Do("PATCH", thr(id), s.Ann, J{"topic": "new", "status": "resolved"}).Refused(403, "FORBIDDEN")
				t.Do("PATCH", thr(id), s.Ann, J{"topic": "new"}, Header("If-Match", "9")).Refused(409, "REVISION_CONFLICT")
				t.Do("POST", "/api/send", s.Ann, J{"to": "ann", "content": "x"}).Refused(400, "VALIDATION_ERROR")
				t.Do("POST", thr(id, "/join"), s.Bob, nil).OK()
				t.Do("POST", thr(id, "/participants"), s.Ann, J{"bot_id": "bob"}).OK()
			})
		}},
	}
}

func directEvents(t *T) {
	s := newLiveFixture(t)
	sub := s.addSockets()
	bobs := t.stream("bob", s.Bob, nil)
	var r *Response
	received := s.step("the first direct message", map[string]string{"ann": "channel_created message", "bob": "channel_created message", "oa": "channel_created", "sub": "channel_created"},
		func() { r = t.dm(s.Ann, "bob", "ping") })
	id := r.Str("channel_id")
	both := s.sameFrames("the first direct message", received, "ann", "bob")
	s.sameFrames("channel_created", receivedFrames{"ann": both[:1], "oa": received["oa"], "sub": received["sub"]}, "ann", "oa", "sub")
	f := s.feeds["ann"]
	f.is(both[0], J{"type": "channel_created", "members": []string{s.Ann.ID, s.Bob.ID}}).Equal("channel.id", id).Equal("channel.org_id", s.ID).Shape("channel", channelShape)
	f.is(both[1], J{"type": "message", "channel_id": id, "sender_name": "ann", "message": r.Value("message")}).Lacks("message.sender_name")

	sub.subscribe(J{"channel_id": id})
	received = s.step("a reply", map[string]string{"ann": "message", "bob": "message", "sub": "message"}, func() { t.dm(s.Bob, "ann", "pong") })
	s.sameFrames("a reply", received, "ann", "bob", "sub")
	f.is(received["ann"][0], J{"sender_name": "bob"})
	s.step("a message to an unknown bot", nil, func() { t.Do("POST", "/api/send", s.Ann, J{"to": "nobody", "content": "x"}).Refused(404, "NOT_FOUND") })
	mark := s.mark()
	streamed := bobs.upTo(mark)
	s.feeds["bob"].upTo(mark)
	overSocket := events(s.feeds["bob"].all())
	overSocket = overSocket[:len(overSocket)-1] // the marker
	if !slices.Equal(raws(streamed), raws(overSocket)) {
		t.Errorf("a stream received %v, a socket %v", raws(streamed), raws(overSocket))
	}
}

func otherOrgReceivesNothing(t *T) {
	s, o := newLiveFixture(t), t.Org()
	elsewhere := &marker{t: t, bot: o.Bot("flag"), name: "flag"}
	outsiders := []*Feed{t.open("a bot of another org", o.Admin).Feed, t.open("an admin of another org", o.Human()).Feed, t.stream("a bot of another org", o.Admin, nil).Feed}
	id := s.thread(nil)
	watcher := t.open("a subscriber of another org", o.Human())
	watcher.subscribe(J{"thread_id": id})
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	watcher.subscribe(J{"channel_id": channel})
	outsiders = append(outsiders, watcher.Feed, t.stream("an admin of another org that names the thread and channel", o.Human(), []string{"thread_ids", id, "channel_ids", channel}).Feed)
	begin := elsewhere.mark()
	for _, f := range outsiders {
		f.upTo(begin)
	}
	ann := t.open("ann", s.Ann)
	t.say(s.Bob, id, "x")
	t.dm(s.Ann, "bob", "x")
	t.patch(s.Ann, id, J{"status": "blocked"})
	s.PendingBot("late")
	s.thread(nil)
	ann.seek("mark", isMarker(s.mark()))
	mark := elsewhere.mark()
	for _, f := range outsiders {
		f.expect(mark)
	}
}

// oneOrder makes concurrent changes and asserts that all kinds of subscribers receive the same
// events in the same order.
func oneOrder(t *T) {
	s := newLiveFixture(t)
	ids := []string{s.thread(nil), s.thread(nil), s.thread(nil)}
	t.dm(s.Ann, "bob", "opens the channel")
	sub := t.open("sub", s.Human())
	for _, id := range ids {
		sub.subscribe(J{"thread_id": id})
	}
	readers := []*Feed{t.open("ann", s.Ann).Feed, t.open("ann again", s.Ann).Feed, t.open("bob", s.Bob).Feed, t.open("ann's owner", s.Ann.Login()).Feed, t.stream("bob", s.Bob, nil).Feed, sub.Feed}
	start := s.mark()
	for _, f := range readers {
		f.upTo(start)
	}
	sent := make([]string, 48)
	t.many(len(sent), func(i int) {
		from := []*Bot{s.Ann, s.Bob}[i%2]
		if i%4 == 3 {
			t.patch(from, ids[i%3], J{"context": i})
		}
		sent[i] = t.say(from, ids[i%3], "x").Str("id")
	})
	mark := s.mark()
	first := readers[0].upTo(mark)
	for _, f := range readers[1:] {
		if got := f.upTo(mark); !slices.Equal(raws(got), raws(first)) {
			f.errorf("received %d events that differ from those of %s (%d), or in another order", len(got), readers[0].name, len(first))
		}
	}
	seen := map[string]int{}
	cursors := map[string]bool{}
	for _, fr := range first {
		seen[fr.str("message.id")]++
		cursors[fr.cursor()] = true
	}
	for _, id := range sent {
		if seen[id] != 1 {
			t.Errorf("message %s was received %d times", id, seen[id])
		}
	}
	if want := len(sent) * 5 / 4; len(first) != want || len(cursors) != want {
		t.Errorf("%d events with %d cursors, want %d", len(first), len(cursors), want)
	}
	for _, id := range ids {
		history := t.Get(thr(id, "/messages"), s.Ann).OK().Pluck("", "id")
		var received []string
		for _, fr := range first {
			if fr.kind() == "thread_message" && fr.str("thread_id") == id {
				received = append(received, fr.str("message.id"))
			}
		}
		if strings.Join(history, " ") != strings.Join(received, " ") {
			t.Errorf("the messages of a thread are %v, but the events have %v", history, received)
		}
	}
}
