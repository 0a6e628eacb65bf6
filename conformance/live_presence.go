package conformance

import (
	"fmt"
	"slices"
	"strings"
)

func presenceChecks() []Check {
	return []Check{
		{[]string{"B2B-PRES-001", "B2B-PRES-002", "B2B-PRES-004"}, "a bot is online from its first connection until its last one ends", connections},
		{[]string{"B2B-PRES-002", "B2B-PRES-009"}, "bots that connect at once learn of each other, and of the last state of one that comes and goes", presenceStorm},
		{[]string{"B2B-PRES-010"}, "presence comes before a later new name or deletion of the bot", presenceOrder},
		{[]string{"B2B-PRES-003"}, "owner sockets and streams do not make a bot online", offlineOwners},
		{[]string{"B2B-PRES-005"}, "deleting a bot gives one bot_offline", deletedBotOffline},
		{[]string{"B2B-PRES-006"}, "profiles, members and participants show whether a bot is online", onlineFields},
	}
}

func offlineOwners(t *T) {
	s := newLiveFixture(t)
	ann := t.open("ann", s.Ann)
	owner, stream := t.open("bob's owner", s.Bob.Login()), t.stream("bob", s.Bob, nil)
	s.online(s.Bob, false)
	bob := t.open("bob", s.Bob)
	ann.announces(ann.next("bot_online"), s.Bob)
	bob.disconnect()
	ann.announces(ann.next("bot_offline"), s.Bob) // although the owner is still connected
	s.online(s.Bob, false)
	owner.disconnect()
	stream.disconnect()
	ann.upTo(s.mark())
	if n := countKind(ann.all(), "bot_online") + countKind(ann.all(), "bot_offline"); n != 2 {
		ann.errorf("received %d presence events, want 2", n)
	}
}

func deletedBotOffline(t *T) {
	s := newLiveFixture(t)
	ann, gone := t.open("ann", s.Ann), t.open("bob", s.Bob)
	ann.next("bot_online")
	t.Do("DELETE", "/api/me", s.Bob, nil).OK()
	gone.closes(4002)
	s.Bot("settles")
	ann.next("bot_registered")
	ann.upTo(s.mark())
	if n := countKind(ann.all(), "bot_offline"); n != 1 {
		ann.errorf("received %d bot_offline events, want 1", n)
	}
}

func onlineFields(t *T) {
	s := newLiveFixture(t)
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
			r.errorf("the list of online bots is wrong, want bob in it: %v", is)
		}
	}
	shows(false)
	bob := t.open("bob", s.Bob)
	shows(true)
	before := t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Num("last_seen_at")
	t.tick()
	bob.disconnect()
	t.eventually(soon, "bob is not offline", func() bool { return !t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Bool("online") })
	shows(false)
	if after := t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK(); after.Num("last_seen_at") <= before {
		after.errorf("last_seen_at did not change when the last connection ended")
	}
}

// announces asserts that a frame is a presence event of a bot.
func (f *Feed) announces(fr Frame, b *Bot) {
	f.asResponse(fr).Equal("bot", J{"id": b.ID, "name": b.Name}).Lacks("cursor")
}

// online asserts the value of online in the profile of a bot.
func (s *liveFixture) online(b *Bot, want bool) {
	s.t.Get("/api/bots/"+b.ID, s.Admin).OK().Equal("online", want)
}

func connections(t *T) {
	s, other := newLiveFixture(t), newFixture(t)
	stranger := t.open("another org", other.Ann)
	ann, oa, stream := t.open("ann", s.Ann), t.open("an admin", s.Human()), t.stream("cyd", s.Cyd, nil)
	from := s.mark()
	for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
		f.upTo(from)
	}
	announced := func(kind string) {
		for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
			f.announces(f.next(kind), s.Bob)
		}
	}
	first := t.open("bob", s.Bob)
	announced("bot_online")
	s.online(s.Bob, true)
	second, third := t.open("bob again", s.Bob), t.open("bob by a scoped token", s.Bob.Scoped("read"))
	first.disconnect()
	third.disconnect()
	t.say(s.Ann, s.thread(nil), "x")
	second.next("thread_message")
	s.online(s.Bob, true)
	second.disconnect()
	announced("bot_offline")
	s.online(s.Bob, false)
	t.Concurrently(8, func(int) { t.open("bob, one of eight", s.Bob).disconnect() })
	again := t.open("bob at last", s.Bob)
	mark := s.mark()
	for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
		f.seek("mark", isMarker(mark))
	}
	s.online(s.Bob, true)
	again.disconnect()
	t.eventually(soon, "bob is not offline", func() bool { return !t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Bool("online") })
	for _, f := range []*Feed{ann.Feed, oa.Feed, stream.Feed} {
		f.alternates(s.Bob, false)
	}
	for _, k := range []*Socket{first, second, third, again} {
		for _, fr := range k.all() {
			if fr.isPresence() && fr.str("bot.id") == s.Bob.ID {
				k.errorf("received its own presence event: %s", fr.Raw)
			}
		}
	}
	for _, fr := range stranger.all() {
		if fr.str("bot.id") == s.Bob.ID {
			stranger.errorf("received a presence event of another org: %s", fr.Raw)
		}
	}
	later := t.stream("cyd, later", s.Cyd, []string{"cursor", stream.last()})
	later.upTo(s.mark())
	if slices.ContainsFunc(later.all(), func(fr Frame) bool { return fr.str("bot.id") == s.Bob.ID }) {
		later.errorf("a past presence event was replayed")
	}
}

// alternates waits for the last presence event of a bot, and asserts that the feed received
// bot_online and bot_offline in turn. The bot was offline before.
func (f *Feed) alternates(b *Bot, online bool) {
	ofBot := func() []string {
		return kinds(slices.DeleteFunc(slices.Clone(f.frames), func(fr Frame) bool { return !fr.isPresence() || fr.str("bot.id") != b.ID }))
	}
	f.await(func() bool {
		k := ofBot()
		return len(k) > 0 && (len(k)%2 == 1) == online
	})
	f.mu.Lock()
	k := ofBot()
	f.mu.Unlock()
	if (len(k)%2 == 1) != online {
		f.errorf("received %v for %s, want the last state: online %v", k, b.ID, online)
	}
	for i, kind := range k {
		if kind != []string{"bot_online", "bot_offline"}[i%2] {
			f.errorf("received %v for a bot, want bot_online and bot_offline in turn", k)
			break
		}
	}
}

func presenceStorm(t *T) {
	const half = 12
	s := newLiveFixture(t)
	bots := make([]*Bot, 2*half)
	for i := range bots {
		bots[i] = s.Bot(fmt.Sprintf("storm-%d", i))
	}
	oa, stream := t.open("an admin", s.Human()), t.stream("cyd", s.Cyd, nil)
	sockets := make([]*Socket, len(bots))
	t.Concurrently(half, func(i int) { sockets[i] = t.open(fmt.Sprint("bot ", i), bots[i]) })
	s.mark() // what came before is delivered before it
	t.Concurrently(half, func(i int) { sockets[half+i] = t.open(fmt.Sprint("bot ", half+i), bots[half+i]) })
	for _, f := range []*Feed{oa.Feed, stream.Feed} {
		for _, b := range bots {
			f.alternates(b, true)
		}
	}
	for _, k := range sockets[:half] {
		for _, b := range bots[half:] {
			k.alternates(b, true)
		}
	}
	flaps := bots[0]
	sockets[0].disconnect()
	for range 10 {
		t.open("a bot that comes and goes", flaps).disconnect()
	}
	t.eventually(soon, "the bot is not offline", func() bool { return !t.Get("/api/bots/"+flaps.ID, s.Ann).OK().Bool("online") })
	for _, f := range []*Feed{oa.Feed, stream.Feed} {
		f.alternates(flaps, false)
	}
	t.open("the bot, to stay", flaps)
	for _, f := range []*Feed{oa.Feed, stream.Feed} {
		f.alternates(flaps, true)
	}
}

func presenceOrder(t *T) {
	s := newLiveFixture(t)
	ann, stream := t.open("ann", s.Ann), t.stream("cyd", s.Cyd, nil)
	others := []*Bot{s.Bot("first"), s.Bot("second"), s.Bot("third")}
	for _, b := range others { // so that a server that collects presence events does
		t.open("another", b)
	}
	was := s.Bob.Name
	bob := t.open("bob", s.Bob)
	t.Do("PATCH", "/api/me/name", s.Bob, J{"name": "robert"}).OK()
	bob.disconnect()
	t.eventually(soon, "bob is not offline", func() bool { return !t.Get("/api/bots/"+s.Bob.ID, s.Ann).OK().Bool("online") })
	t.Do("DELETE", "/api/me", s.Bob, nil).OK()
	mark := s.mark()
	for _, f := range []*Feed{ann.Feed, stream.Feed} {
		before, _ := f.seek("mark", isMarker(mark))
		before = slices.DeleteFunc(before, func(fr Frame) bool { return fr.str("bot.id") != s.Bob.ID && fr.str("bot_id") != s.Bob.ID })
		var got []string
		for _, fr := range before {
			got = append(got, strings.TrimSpace(fr.kind()+" "+fr.str("bot.name")))
		}
		if want := []string{"bot_online " + was, "bot_renamed", "bot_offline robert", "bot_offline robert"}; !slices.Equal(got, want) {
			f.errorf("received %q, want %q", got, want)
		}
	}
}
