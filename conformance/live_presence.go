package conformance

import "slices"

func presenceChecks() []Check {
	return []Check{
		{[]string{"B2B-PRES-001", "B2B-PRES-002", "B2B-PRES-004"}, "a bot is online from its first connection to the end of its last", connections},
		{[]string{"B2B-PRES-003"}, "owners' sockets and streams do not make a bot online", func(t *T) {
			s := newStage(t)
			ann := t.open("ann", s.Ann)
			owner, stream := t.open("bob's owner", s.Bob.Login()), t.stream("bob", s.Bob, nil)
			s.online(s.Bob, false)
			bob := t.open("bob", s.Bob)
			ann.presents(ann.next("bot_online"), s.Bob)
			bob.hang()
			ann.presents(ann.next("bot_offline"), s.Bob) // although the owner is still there
			s.online(s.Bob, false)
			owner.hang()
			stream.hang()
			ann.upTo(s.mark())
			if n := countKind(ann.all(), "bot_online") + countKind(ann.all(), "bot_offline"); n != 2 {
				ann.errorf("was told of %d changes of presence, want 2", n)
			}
		}},
		{[]string{"B2B-PRES-005"}, "the end of a bot is told once", func(t *T) {
			s := newStage(t)
			ann, gone := t.open("ann", s.Ann), t.open("bob", s.Bob)
			ann.next("bot_online")
			t.Do("DELETE", "/api/me", s.Bob, nil).OK()
			gone.closes(4002)
			s.Bot("settles")
			ann.next("bot_registered")
			ann.upTo(s.mark())
			if n := countKind(ann.all(), "bot_offline"); n != 1 {
				ann.errorf("was told %d times that bob is offline, want once", n)
			}
		}},
		{[]string{"B2B-PRES-006"}, "profiles, members and participants show who is online", func(t *T) {
			s := newStage(t)
			id := s.thread(nil)
			channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
			shows := func(is bool) {
				s.online(s.Bob, is)
				for path, at := range map[string]string{thr(id): "participants", "/api/channels/" + channel: "members", "/api/bots/ann/channels": "0.members", "/api/peers": "", "/api/bots": ""} {
					r := t.Get(path, s.Ann).OK()
					found := false
					for _, e := range r.List(at) {
						if o, _ := e.(map[string]any); o["name"] == "bob" {
							found = true
							if o["online"] != is {
								r.errorf("online of bob is %v, want %v", o["online"], is)
							}
						}
					}
					if !found {
						r.errorf("bob is not in %q", at)
					}
				}
				r := t.Get("/api/bots?status=online", s.Ann).OK()
				if slices.Contains(r.Pluck("", "name"), "bob") != is {
					r.errorf("bob is online: %v", is)
				}
			}
			shows(false)
			bob := t.open("bob", s.Bob)
			shows(true)
			before := t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Num("last_seen_at")
			t.tick()
			bob.hang()
			t.eventually(patience, "bob does not become offline", func() bool { return !t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Bool("online") })
			shows(false)
			if after := t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK(); after.Num("last_seen_at") <= before {
				after.errorf("last_seen_at did not move when the last connection ended")
			}
		}},
	}
}

// is2 asserts an event of presence.
func (f *Feed) presents(fr Frame, b *Bot) {
	f.look(fr).Equal("bot", J{"id": b.ID, "name": b.Name}).Lacks("cursor")
}

// online asserts what the bot's profile says.
func (s *stage) online(b *Bot, want bool) {
	s.t.Get("/api/bots/"+b.ID, s.Admin).OK().Equal("online", want)
}

func connections(t *T) {
	s, other := newStage(t), newHall(t)
	stranger := t.open("another org", other.Ann)
	ann, oa, stream := t.open("ann", s.Ann), t.open("an admin", s.Human()), t.stream("cyd", s.Cyd, nil)
	from := s.mark()
	for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
		f.upTo(from)
	}
	told := func(kind string) {
		for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
			f.presents(f.next(kind), s.Bob)
		}
	}
	first := t.open("bob", s.Bob)
	told("bot_online")
	s.online(s.Bob, true)
	second, third := t.open("bob again", s.Bob), t.open("bob by a scoped token", s.Bob.Scoped("read"))
	first.hang()
	third.hang()
	t.say(s.Ann, s.thread(nil), "x")
	second.next("thread_message")
	s.online(s.Bob, true)
	second.hang()
	told("bot_offline")
	s.online(s.Bob, false)
	t.Concurrently(8, func(int) { t.open("bob, one of eight", s.Bob).hang() })
	again := t.open("bob at last", s.Bob)
	mark := s.mark()
	for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
		f.seek("mark", isMark(mark))
	}
	s.online(s.Bob, true)
	again.hang()
	t.eventually(patience, "bob does not become offline", func() bool { return !t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Bool("online") })
	for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
		ofBob := func() []string {
			return kinds(slices.DeleteFunc(slices.Clone(f.frames), func(fr Frame) bool { return !fr.presence() || fr.str("bot.id") != s.Bob.ID }))
		}
		f.await(func() bool { k := ofBob(); return len(k) > 0 && k[len(k)-1] == "bot_offline" && len(k)%2 == 0 })
		f.mu.Lock()
		k := ofBob()
		f.mu.Unlock()
		for i, kind := range k {
			if kind != []string{"bot_online", "bot_offline"}[i%2] {
				f.errorf("was told %v of bob, want coming and going in turns", k)
				break
			}
		}
	}
	for _, k := range []*Socket{first, second, third, again} {
		for _, fr := range k.all() {
			if fr.presence() && fr.str("bot.id") == s.Bob.ID {
				k.errorf("was told of its own presence: %s", fr.Raw)
			}
		}
	}
	for _, fr := range stranger.all() {
		if fr.str("bot.id") == s.Bob.ID {
			stranger.errorf("was told of a bot of another org: %s", fr.Raw)
		}
	}
	later := t.stream("cyd, later", s.Cyd, []string{"cursor", stream.last()})
	later.upTo(s.mark())
	if slices.ContainsFunc(later.all(), func(fr Frame) bool { return fr.str("bot.id") == s.Bob.ID }) {
		later.errorf("presence of the past is told")
	}
}
