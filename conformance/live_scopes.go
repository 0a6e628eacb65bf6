package conformance

import "slices"

// byScope makes changes and asserts which events connections with different scopes receive, live
// and from an earlier position.
func byScope(t *T) {
	s := newLiveFixture(t)
	start := t.stream("ann before", s.Ann, nil)
	s.mark()
	from := start.next("bot_renamed").cursor()
	all := []string{"bot_join_request", "bot_registered", "channel_created", "message", "thread_created", "thread_join_request", "thread_message", "thread_participant"}
	want := map[string][]string{
		"full": all, "read": all, "thread": {"thread_join_request"}, "admin": {"bot_join_request"}, "message": {}, "profile": {},
	}
	tokens, live := map[string]Token{}, map[string]*Socket{}
	open := func(name string, c Caller) { live[name] = t.open("the admin with "+name, c) }
	for scope := range want {
		tokens[scope] = s.Admin.Scoped(scope)
		open(scope, tokens[scope])
	}
	for _, scope := range []string{"read", "message"} { // the scopes also apply to sessions
		want["owner "+scope] = want[scope]
		open("owner "+scope, t.Login(J{"type": "bot", "token": string(tokens[scope])}))
	}
	id := t.Do("POST", "/api/threads", s.Ann, J{"topic": "x", "join_policy": "approval", "participants": []string{s.Admin.ID}}).OK().Str("id")
	t.say(s.Ann, id, "hello")
	t.dm(s.Ann, s.Admin.Name, "hello")
	t.Do("POST", "/api/threads/"+id+"/join", s.Bob, nil).Status(202)
	s.PendingBot("late")
	mark := s.mark()
	judge := func(how, name string, k *Socket) {
		var got []string
		if len(want[name]) == len(all) {
			got = kinds(k.upTo(mark))
		} else {
			for _, kind := range want[name] {
				k.next(kind)
			}
			k.send(J{"type": "subscribe"}) // fails, after the events before it
			k.next("error")
			got = kinds(events(k.all()))
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want[name]) {
			k.errorf("%s: received %v, want %v", how, got, want[name])
		}
	}
	for _, name := range []string{"full", "read", "owner read", "thread", "admin", "message", "profile", "owner message"} {
		judge("live", name, live[name])
	}
	for scope, token := range tokens {
		judge("from a cursor", scope, t.open("again with "+scope, token, "cursor", from))
	}
	got := kinds(t.stream("the admin with read", tokens["read"], []string{"cursor", from}).upTo(mark))
	got = slices.DeleteFunc(got, func(kind string) bool { return kind == "" }) // heartbeats
	if slices.Sort(got); !slices.Equal(slices.Compact(got), all) {
		t.Errorf("the stream received %v, want %v", got, all)
	}
}
