package conformance

import (
	"fmt"
	"slices"
	"strings"
)

func subscriptionChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-018"}, "org admins can have at most 100 subscriptions", subscriptionLimit},
		{[]string{"B2B-WS-018"}, "bots cannot subscribe", noBotSubscriptions},
		{[]string{"B2B-WS-019"}, "operations of org admins are ignored", noAdminOps},
	}
}

func subscriptionLimit(t *T) {
	s := newLiveFixture(t)
	oa := t.open("an admin", s.Human())
	a, b := s.thread(nil), s.thread(nil)
	oa.subscribe(J{"thread_id": a, "ref": "x"})
	oa.subscribe(J{"thread_id": a})
	for i := range 99 {
		oa.send(J{"type": "subscribe", "thread_id": fmt.Sprintf("%s%03d", unusedID[:33], i)})
	}
	oa.ping()
	mark := s.mark()
	before := oa.upTo(mark)
	if k := kinds(before); slices.Contains(k, "thread_message") || len(oa.framesOf("error")) > 0 || len(oa.framesOf("ack")) > 0 {
		oa.errorf("100 subscriptions got a reply or an event")
	}
	for i, more := range []J{{"thread_id": b}, {"channel_id": b}, {"thread_id": a}} {
		ref := fmt.Sprint("over-", i)
		oa.send(with(more, J{"type": "subscribe", "ref": ref}))
		if !oa.await(func() bool { return countKind(oa.frames, "error") > i }) {
			oa.fatalf("a subscription over the limit of 100 got no error")
		}
	}
	for _, fr := range oa.framesOf("error") {
		r := oa.asResponse(fr).Shape("", "message:s code:s")
		if text := r.Str("message"); !strings.Contains(text, "limit") || !strings.Contains(text, "100") {
			r.errorf("message does not contain limit and 100")
		}
	}
	t.say(s.Ann, b, "not delivered")
	t.say(s.Ann, a, "delivered")
	oa.asResponse(oa.next("thread_message")).Equal("thread_id", a)
	oa.unsubscribe(J{"thread_id": a})
	oa.subscribe(J{"thread_id": b})
	t.say(s.Ann, a, "not delivered")
	t.say(s.Ann, b, "delivered")
	oa.asResponse(oa.next("thread_message")).Equal("thread_id", b)
}

func noBotSubscriptions(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	for _, k := range []*Socket{t.open("cyd", s.Cyd), t.open("an admin bot", s.Admin), t.open("an owner", s.Cyd.Login())} {
		for i, kind := range []string{"subscribe", "unsubscribe"} {
			k.send(J{"type": kind, "thread_id": id})
			if !k.await(func() bool { return countKind(k.frames, "error") > i }) {
				k.fatalf("%s got no error", kind)
			}
		}
		for _, fr := range k.framesOf("error") {
			k.asResponse(fr).failed("FORBIDDEN")
		}
		k.upTo(s.mark())
		t.say(s.Ann, id, "x")
		k.expect(s.mark())
	}
}

func noAdminOps(t *T) {
	s := newLiveFixture(t)
	oa := t.open("an admin", s.Human())
	id := s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	for _, op := range append(threadOperations(), J{"type": "send", "channel_id": channel, "content": "x"}, J{"type": "send_dm", "to": "bob", "content": "x"}, J{"type": "thread_create", "topic": "x"}) {
		oa.send(with(op, J{"ref": "r", "thread_id": id}))
	}
	oa.ping()
	if a := append(oa.framesOf("ack"), oa.framesOf("error")...); len(a) > 0 {
		oa.errorf("received the replies %v", raws(a))
	}
	t.Get(thr(id, "/messages"), s.Ann).OK().Len("", 0)
	t.Get("/api/inbox?since=0", s.Bob).OK().Len("", 1)
}

// framesOf returns the frames of one type received so far.
func (s *Socket) framesOf(kind string) []Frame {
	return slices.DeleteFunc(s.all(), func(fr Frame) bool { return fr.kind() != kind })
}

func countKind(frames []Frame, kind string) (n int) {
	for _, fr := range frames {
		if fr.kind() == kind {
			n++
		}
	}
	return n
}
