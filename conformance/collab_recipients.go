package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// recipientChecks returns the checks of what the response to a send says of its recipients.
func recipientChecks() []Check {
	return []Check{
		{[]string{"B2B-RCPT-001", "B2B-RCPT-002"}, "the response to a send says who it is addressed to, and why", addressedBots},
		{[]string{"B2B-RCPT-001"}, "acks say who a message is addressed to, events and lists do not", recipientsInAcks},
		{[]string{"B2B-RCPT-003"}, "recipients are live with a connection or a stream, and offline without", liveRecipients},
		{[]string{"B2B-RCPT-003"}, "recipients with a webhook are reached by it", hookedRecipient},
		{[]string{"B2B-RCPT-003"}, "recipients with a worker that claims are reached by it", claimingRecipient},
		{[]string{"B2B-RCPT-004"}, "who is named and not reached is listed with the reason", namedNotReached},
		{[]string{"B2B-RCPT-004"}, "a direct message to a bot that is not active does not reach it", inactiveReceiver},
		{[]string{"B2B-RCPT-004", "B2B-RCPT-008"}, "names of another org are unknown", foreignName},
		{[]string{"B2B-RCPT-005"}, "the lists of recipients are bounded, and counted", boundedRecipients},
		{[]string{"B2B-RCPT-006"}, "a repeated send has the recipients of the first", repeatedRecipients},
	}
}

// recipients asserts who a message is addressed to, each as its name and the reason, and who it does
// not reach, in the same form.
func (r *Response) recipients(at string, addressed, missed []string) *Response {
	r.exactly(at, "recipients")
	got := func(list, reason string) []string {
		out := []string{}
		for i := range r.List(at + "." + list) {
			entry := fmt.Sprint(at, ".", list, ".", i)
			if list == "addressed" {
				r.exactly(entry, "recipient")
			} else {
				r.exactly(entry, "not reached")
			}
			out = append(out, r.Str(entry+".name")+" "+r.Str(entry+"."+reason))
		}
		return out
	}
	if all := got("addressed", "why"); !slices.Equal(all, addressed) {
		r.errorf("it is addressed to %q, want %q", all, addressed)
	}
	if all := got("not_reached", "reason"); !slices.Equal(all, missed) {
		r.errorf("it does not reach %q, want %q", all, missed)
	}
	return r.Equal(at+".count", len(addressed)).Equal(at+".more_not_reached", false)
}

// withoutRecipients returns the message of the response to a send, as others than its sender get it.
func withoutRecipients(r *Response) J {
	o, ok := r.JSON.(map[string]any)
	if !ok {
		r.fatalf("want an object")
	}
	out := with(J(o), nil)
	delete(out, "recipients")
	return out
}

func addressedBots(t *T) {
	h := newFixture(t)
	dan := h.Bot("dan")
	id := h.thread(J{"participants": []string{"bob", "cyd", "dan"}})
	none := []string{}
	t.dm(h.Ann, "bob", "hi").recipients("recipients", []string{"bob direct"}, none).Equal("recipients.addressed.0.id", h.Bob.ID)
	t.dm(h.Bob, h.Ann.ID, "@cyd is no mention here").recipients("recipients", []string{"ann direct"}, none)
	first := t.say(h.Bob, id, "nobody in particular").recipients("recipients", none, none)
	t.say(h.Ann, id, "@cyd, @BOB and myself, @ann").recipients("recipients", []string{"cyd mention", "bob mention"}, none)
	t.say(h.Ann, id, "@all, and above all @dan").recipients("recipients", []string{"dan mention", "bob all", "cyd all"}, none)
	reply := func(by Caller, content string) *Response {
		return t.Do("POST", thr(id, "/messages"), by, J{"content": content, "reply_to": first.Str("id")}).OK()
	}
	reply(h.Ann, "yes").recipients("recipients", []string{"bob reply"}, none)
	reply(h.Ann, "yes @cyd").recipients("recipients", []string{"cyd mention", "bob reply"}, none)
	reply(h.Ann, "yes @bob").recipients("recipients", []string{"bob mention"}, none)
	reply(h.Ann, "yes @all").recipients("recipients", []string{"bob reply", "cyd all", "dan all"}, none)
	reply(h.Bob, "as I said").recipients("recipients", none, none)
	reply(dan.Scoped("thread"), "yes").recipients("recipients", []string{"bob reply"}, none)
}

func recipientsInAcks(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	ann, bob := t.open("ann", h.Ann), t.open("bob", h.Bob)
	ack := ann.do(J{"type": "send_dm", "to": "cyd", "content": "x"}).recipients("result.recipients", []string{"cyd direct"}, []string{})
	ann.do(J{"type": "send", "channel_id": ack.Str("result.channel_id"), "content": "y"}).recipients("result.recipients", []string{"cyd direct"}, []string{})
	ann.do(J{"type": "send_thread_message", "thread_id": id, "content": "@bob @cyd"}).
		recipients("result.recipients", []string{"bob mention"}, []string{"cyd not_in_thread"}).Equal("result.recipients.addressed.0.reach", []string{"live"})
	bob.asResponse(bob.next("thread_message")).exactly("message", "thread message").Lacks("message.recipients", "recipients")
	t.Get(thr(id, "/messages"), h.Bob).OK().Lacks("0.recipients")
	t.Get("/api/inbox?since=0", h.Cyd).OK().Lacks("0.recipients")

	t.Do("DELETE", "/api/bots/"+h.Cyd.ID, h.Admin, nil).OK()
	ann.do(J{"type": "send", "channel_id": ack.Str("result.channel_id"), "content": "z"}).recipients("result.recipients", []string{}, []string{"unknown deleted"})
}

// reach asserts the ways by which the first recipient of a message is reached.
func (r *Response) reach(ways ...string) *Response {
	if len(ways) > 0 {
		return r.Equal("recipients.addressed.0.reach", ways).Lacks("recipients.addressed.0.offline_since")
	}
	return r.Equal("recipients.addressed.0.reach", []any{}).Has("recipients.addressed.0.offline_since")
}

func liveRecipients(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "1").reach()
	socket := t.open("bob", h.Bob)
	t.dm(h.Ann, "bob", "2").reach("live")
	socket.disconnect()
	t.eventually(5*time.Second, "bob is not offline", func() bool { return len(t.dm(h.Ann, "bob", "3").List("recipients.addressed.0.reach")) == 0 })

	t.tick()
	t.Get("/api/me", h.Bob).OK()
	r := t.dm(h.Ann, "bob", "4").reach()
	if since, now := r.Num("recipients.addressed.0.offline_since"), r.Num("ts"); since > now+1000 || since < now-60_000 {
		r.errorf("bob called just before it was offline since %.0f", since)
	}

	first, second := t.stream("bob", h.Bob, nil), t.stream("bob again", h.Bob, nil)
	t.dm(h.Ann, "bob", "5").reach("live")
	t.Get("/api/bots/"+h.Bob.ID, h.Ann).OK().Equal("online", false)
	first.disconnect()
	t.dm(h.Ann, "bob", "6").reach("live")
	second.disconnect()
	t.eventually(5*time.Second, "bob is not offline", func() bool { return len(t.dm(h.Ann, "bob", "7").List("recipients.addressed.0.reach")) == 0 })

	t.stream("the owner of bob", h.Bob.Login(), nil)
	t.dm(h.Ann, "bob", "8").reach()
}

func hookedRecipient(t *T) {
	h, hooks := newFixture(t), t.hooks()
	bot := hooks.bot(h.Org, "hooked", "")
	t.dm(h.Ann, "hooked", "1").reach("webhook")
	t.open("hooked", bot)
	t.dm(h.Ann, "hooked", "2").reach("live", "webhook")
}

func claimingRecipient(t *T) {
	h := newFixture(t)
	t.dm(h.Ann, "bob", "1").reach()
	wait := t.background(func() { t.claim(h.Bob, J{"wait_seconds": 20, "kinds": []string{"all"}}) })
	t.eventually(soon, "bob has no worker", func() bool {
		return slices.Equal(t.dm(h.Ann, "bob", "2").List("recipients.addressed.0.reach"), []any{"worker"})
	})
	thread := h.thread(nil)
	t.say(h.Ann, thread, "@bob").reach("worker")
	t.dm(h.Ann, "cyd", "3").reach()
	t.say(h.Ann, thread, "@all")
	wait()
	t.dm(h.Ann, "bob", "4").reach("worker")
	t.open("bob", h.Bob)
	t.dm(h.Ann, "bob", "5").reach("live", "worker")
}

func namedNotReached(t *T) {
	h := newFixture(t)
	eve, joe := h.Bot("eve"), h.Bot("Joe")
	id := h.thread(J{"participants": []string{"bob", "eve", "Joe", "cyd"}})
	theirs, gone := t.say(joe, id, "mine").Str("id"), t.say(eve, id, "mine").Str("id")
	for _, name := range []string{"Joe", "cyd"} {
		t.Do("DELETE", thr(id, "/participants/"+name), h.Ann, nil).OK()
	}
	t.Do("DELETE", "/api/bots/"+eve.ID, h.Admin, nil).OK()
	h.Bot("out")
	h.PendingBot("new")

	r := t.say(h.Ann, id, "@bob, @out, @OUT; @Cyd @Joe (@joe) @ghost. @new @eve x@ghost2 @"+strings.Repeat("n", 129))
	r.recipients("recipients", []string{"bob mention"}, []string{"out not_in_thread", "cyd left", "Joe left", "ghost unknown", "new pending", "eve deleted"})
	r.Equal("recipients.not_reached.1.id", h.Cyd.ID).Equal("recipients.not_reached.1.why", "mention").Lacks("recipients.not_reached.3.id", "recipients.not_reached.5.id")

	reply := func(to string) *Response {
		return t.Do("POST", thr(id, "/messages"), h.Ann, J{"content": "yes", "reply_to": to}).OK()
	}
	reply(theirs).recipients("recipients", []string{}, []string{"Joe left"}).Equal("recipients.not_reached.0.why", "reply")
	reply(gone).recipients("recipients", []string{}, []string{"unknown deleted"})

	h.addParticipant(id, joe, nil)
	reply(theirs).recipients("recipients", []string{"Joe reply"}, []string{})
	t.say(h.Ann, id, "@joe").recipients("recipients", []string{"Joe mention"}, []string{})
	joe.SetStatus("rejected")
	t.say(h.Ann, id, "@joe").recipients("recipients", []string{}, []string{"Joe rejected"}).Equal("recipients.not_reached.0.id", joe.ID)
	reply(theirs).recipients("recipients", []string{}, []string{"Joe rejected"})
	t.say(h.Ann, id, "@all").recipients("recipients", []string{"bob all"}, []string{"Joe rejected"})
	joe.SetStatus("active")
	t.say(h.Ann, id, "@all").recipients("recipients", []string{"bob all", "Joe all"}, []string{})
}

func inactiveReceiver(t *T) {
	h := newFixture(t)
	late := h.PendingBot("late")
	t.dm(h.Ann, "late", "1").recipients("recipients", []string{}, []string{"late pending"}).Equal("recipients.not_reached.0.why", "direct")
	late.SetStatus("active")
	t.dm(h.Ann, "late", "2").recipients("recipients", []string{"late direct"}, []string{})
	t.Get("/api/inbox?since=0", late).OK().Len("", 2)
	late.SetStatus("rejected")
	t.dm(h.Ann, "late", "3").recipients("recipients", []string{}, []string{"late rejected"})
}

func foreignName(t *T) {
	h, other := newFixture(t), t.Org()
	other.Bot("stranger")
	id := h.thread(nil)
	send := func() *Response { return t.say(h.Ann, id, "@stranger") }
	send().recipients("recipients", []string{}, []string{"stranger unknown"}).Lacks("recipients.not_reached.0.id")
	h.Bot("stranger")
	send().recipients("recipients", []string{}, []string{"stranger not_in_thread"}).Has("recipients.not_reached.0.id")
}

func boundedRecipients(t *T) {
	h := newFixture(t)
	names := make([]string, 60)
	for i := range names {
		names[i] = fmt.Sprintf("m%02d", i)
	}
	t.many(len(names), func(i int) { h.Bot(names[i]) })
	id := h.thread(J{"participants": names})
	all := t.say(h.Ann, id, "@all @m59").Equal("recipients.count", 60).Len("recipients.addressed", 50).Len("recipients.not_reached", 0)
	all.Equal("recipients.addressed.0.name", "m59").Equal("recipients.addressed.0.why", "mention").Equal("recipients.addressed.49.why", "all")

	named := t.say(h.Ann, id, "@"+strings.Join(names[:25], " @")).Equal("recipients.count", 20).Len("recipients.addressed", 20).Len("recipients.not_reached", 5)
	named.Equal("recipients.not_reached.0.name", "m20").Equal("recipients.not_reached.4.reason", "too_many_mentions").Equal("recipients.more_not_reached", false)
	t.say(h.Ann, id, "@"+strings.Join(names[:25], " @")+" @all").Equal("recipients.count", 60).Len("recipients.not_reached", 0)

	ghosts := make([]string, 21)
	for i := range ghosts {
		ghosts[i] = fmt.Sprintf("ghost%d", i)
	}
	t.say(h.Ann, id, "@"+strings.Join(ghosts[:20], " @")).Len("recipients.not_reached", 20).Equal("recipients.more_not_reached", false)
	t.say(h.Ann, id, "@"+strings.Join(ghosts, " @")).Len("recipients.not_reached", 20).Equal("recipients.more_not_reached", true)
}

func repeatedRecipients(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	direct, named := J{"to": "bob", "content": "x", "request_id": "direct"}, J{"content": "@bob @cyd", "request_id": "named"}
	first, second := t.Do("POST", "/api/send", h.Ann, direct).OK().reach(), t.Do("POST", thr(id, "/messages"), h.Ann, named).OK().reach()
	t.open("bob", h.Bob)
	h.addParticipant(id, h.Cyd, nil)
	t.Do("POST", "/api/send", h.Ann, direct).OK().Equal("", first.Value(""))
	t.Do("POST", thr(id, "/messages"), h.Ann, named).OK().Equal("", second.Value(""))
	t.dm(h.Ann, "bob", "x").reach("live")
	t.say(h.Ann, id, "@bob @cyd").recipients("recipients", []string{"bob mention", "cyd mention"}, []string{})
}
