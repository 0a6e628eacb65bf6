package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

func streamChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-030", "B2B-EVT-031"}, "a stream has the form of server-sent events", func(t *T) {
			s := newStage(t)
			id := s.thread(nil)
			k := t.stream("bob", s.Bob, nil)
			if ct := k.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
				k.errorf("Content-Type is %q", ct)
			}
			if cc := k.Header.Get("Cache-Control"); !strings.Contains(cc, "no-") {
				k.errorf("Cache-Control is %q, want no-store or no-cache", cc)
			}
			t.say(s.Ann, id, "two\nlines\r\nand more")
			t.dm(s.Ann, "bob", "x")
			ann := t.open("ann", s.Ann) // whose coming is told without a position
			s.traffic(4)
			k.seek("mark", isMark(s.mark()))
			for _, fr := range k.all() {
				if fr.kind() == "" || fr.Event != fr.kind() || fr.ID != fr.cursor() || strings.Contains(fr.Raw, "\n") {
					k.errorf("an event does not have its cursor as id, its type as event and one line of data: id %q, event %q, data %s", fr.ID, fr.Event, fr.Raw)
				}
			}
			if !slices.ContainsFunc(k.all(), Frame.presence) {
				k.errorf("%s came and was not told", ann.name)
			}
		}},
		{[]string{"B2B-EVT-032"}, "Last-Event-ID wins over the cursor", func(t *T) {
			s := newStage(t)
			bob := t.open("bob", s.Bob)
			var cursors []string
			for range 3 {
				bob.seek("mark", isMark(s.mark()))
				cursors = append(cursors, bob.last())
			}
			f := t.stream("bob", s.Bob, []string{"cursor", cursors[0]}, Header("Last-Event-ID", cursors[1]))
			if first := f.next("bot_renamed"); first.cursor() != cursors[2] {
				f.errorf("goes on with %s, want what follows Last-Event-ID", first.Raw)
			}
			f = t.stream("bob", s.Bob, []string{"cursor", cursors[0]}, func(h http.Header) { h["Last-Event-Id"] = []string{""} })
			if first := f.next("bot_renamed"); first.cursor() != cursors[1] {
				f.errorf("goes on with %s, want what follows the cursor: an empty Last-Event-ID counts as absent", first.Raw)
			}
		}},
		{[]string{"B2B-EVT-038", "B2B-HTTP-012"}, "HEAD of a stream answers as GET would begin", func(t *T) {
			s := newStage(t)
			bob := t.open("bob", s.Bob)
			bob.upTo(s.mark())
			head := func(path string, c Caller, opts ...Option) *Response { return t.Do("HEAD", path, c, nil, opts...) }
			for _, path := range []string{"/api/events", query("/api/events", "cursor", bob.last())} {
				r := head(path, s.Bob).Status(200).Empty()
				if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
					r.errorf("Content-Type is %q", kind)
				}
			}
			head(query("/api/events", "cursor", "garbage"), s.Bob).Status(400).Empty()
			head("/api/events", s.Bob, Header("Last-Event-ID", "garbage")).Status(400).Empty()
			head(query("/api/events", "types", "nonsense"), s.Bob).Status(400).Empty()
			head("/api/events", nil).Status(401).Empty()
			head("/api/events", t.Super()).Status(403).Empty()
		}},
		{[]string{"B2B-EVT-033"}, "a stream can be narrowed", filters},
		{[]string{"B2B-LIM-010", "B2B-WS-017"}, "a bot may have many streams, and not any number", manyStreams},
		{[]string{"B2B-EVT-034"}, "who may open a stream", func(t *T) {
			s := newStage(t)
			t.Get("/api/events", nil).Refused(401, "AUTH_REQUIRED")
			t.Get("/api/events", Token("bot_unknown")).Refused(401, "INVALID_TOKEN")
			t.Get("/api/events", t.Super()).Refused(403, "FORBIDDEN")
			for _, scope := range []string{"thread", "message", "profile", "admin"} {
				t.Get("/api/events", s.Ann.Scoped(scope)).Refused(403, "INSUFFICIENT_SCOPE")
			}
			t.Get("/api/events", s.PendingBot("late")).Refused(403, "BOT_NOT_ACTIVE")
			for i, c := range []Caller{s.Ann, s.Ann.Scoped("read"), s.Ann.Login(), s.Human()} {
				t.stream(fmt.Sprint("caller ", i), c, nil).upTo(s.mark())
			}
		}},
		{[]string{"B2B-EVT-035"}, "an admin's stream has the threads and channels that it names", func(t *T) {
			s := newStage(t)
			a, b := s.thread(nil), s.thread(nil)
			channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
			plain := t.stream("an admin", s.Human(), nil)
			naming := t.stream("a naming admin", s.Human(), []string{"thread_ids", a, "channel_ids", channel})
			from := t.open("ann", s.Ann)
			from.upTo(s.mark())
			from.hang()
			t.say(s.Ann, a, "x")
			t.say(s.Ann, b, "x")
			t.dm(s.Ann, "bob", "x")
			s.thread(nil)
			mark := s.mark()
			late := t.stream("a naming admin later", s.Human(), []string{"thread_ids", a, "channel_ids", channel, "cursor", from.last()})
			all := plain.upTo(mark)
			if k := kinds(all); !slices.Equal(k[len(k)-1:], []string{"thread_created"}) || slices.Contains(k, "thread_message") || slices.Contains(k, "message") {
				plain.errorf("was told %v", k)
			}
			for _, f := range []*Stream{naming, late} {
				got := slices.DeleteFunc(f.upTo(mark), func(fr Frame) bool { return fr.kind() == "bot_renamed" })
				if !slices.Equal(kinds(got), []string{"thread_message", "message"}) || got[0].str("thread_id") != a {
					f.errorf("was told %v", kinds(got))
				}
			}
		}},
		{[]string{"B2B-EVT-037"}, "a stream ends with its credential", func(t *T) {
			h, gone := newHall(t), newHall(t)
			r := t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"read"}}).OK()
			owner, human := h.Ann.Login(), h.Login()
			over := map[string]*Stream{
				"revoked": t.stream("a revoked token", Token(r.Str("token")), nil), "out": t.stream("an owner who leaves", owner, nil), "human": t.stream("an admin who leaves", human, nil),
				"rejected": t.stream("bob", h.Bob, nil), "deleted": t.stream("cyd", h.Cyd, nil), "destroyed": t.stream("a bot of a destroyed org", gone.Ann, nil),
			}
			stay := t.stream("ann", h.Ann, nil)
			t.Do("DELETE", "/api/me/tokens/"+r.Str("id"), h.Ann, nil).OK()
			t.Do("POST", "/api/auth/logout", owner, nil).OK()
			t.Do("POST", "/api/auth/logout", human, nil).OK()
			// Each change of access asks anew what bob may: the answer must not come before
			// the events of the rejection do, however close it follows.
			for range 5 {
				made := t.Do("POST", "/api/me/tokens", h.Bob, J{"scopes": []string{"read"}}).OK().Str("id")
				t.Do("DELETE", "/api/me/tokens/"+made, h.Bob, nil).OK()
			}
			h.Bob.SetStatus("rejected")
			t.Do("DELETE", "/api/me", h.Cyd, nil).OK()
			t.Do("DELETE", "/api/orgs/"+gone.ID, t.Super(), nil).Status(204)
			for _, f := range over {
				f.ends()
			}
			told := slices.DeleteFunc(kinds(events(over["rejected"].all())), func(kind string) bool { return kind == "" }) // why it ends
			if len(told) == 0 || told[len(told)-1] != "bot_status_changed" {
				over["rejected"].errorf("was told %v before the end, want bot_status_changed last", told)
			}
			h.Bot("new")
			stay.next("bot_registered")
			h.SetStatus("suspended")
			stay.ends()
			h.SetStatus("active")
			t.stream("ann again", h.Ann, nil)
		}},
		{[]string{"B2B-EVT-036"}, "a stream shows every 15 seconds that it lives", func(t *T) {
			s := newStage(t)
			f := t.stream("bob", s.Bob, []string{"types", "message"})
			for range 2 { // a wait is shorter than the time in which two beats must come
				if f.await(func() bool { return f.beats > 1 }) {
					return
				}
			}
			f.errorf("no comment came within %s", 2*patience)
		}},
	}
}

func filters(t *T) {
	s := newStage(t)
	a, b := s.thread(nil), s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	other := t.dm(s.Cyd, "bob", "x").Str("channel_id")
	from := t.open("bob", s.Bob)
	from.upTo(s.mark())
	at := from.last()
	cases := []struct {
		query []string
		want  string
	}{
		{nil, "thread_message thread_updated thread_message message message bot_registered"},
		{[]string{"types", ""}, "thread_message thread_updated thread_message message message bot_registered"},
		{[]string{"types", "thread_message,bot_renamed"}, "thread_message thread_message"},
		{[]string{"types", " message , bot_renamed,"}, "message message"},
		{[]string{"thread_ids", a}, "thread_message thread_updated bot_registered"},
		{[]string{"thread_ids", a + "," + b}, "thread_message thread_updated thread_message bot_registered"},
		{[]string{"channel_ids", channel}, "message bot_registered"},
		{[]string{"channel_ids", other, "thread_ids", b}, "thread_message message bot_registered"},
		{[]string{"thread_ids", nobodyID}, "bot_registered"},
		{[]string{"types", "message,thread_updated,bot_renamed", "thread_ids", a, "channel_ids", channel}, "thread_updated message"},
	}
	var live []*Stream
	for _, c := range cases {
		live = append(live, t.stream(fmt.Sprint("bob with ", c.query), s.Bob, c.query))
	}
	t.say(s.Ann, a, "x")
	t.patch(s.Ann, a, J{"context": "x"})
	t.say(s.Ann, b, "x")
	t.dm(s.Ann, "bob", "x")
	t.dm(s.Cyd, "bob", "x")
	s.Bot("new")
	mark := s.mark()
	for i, c := range cases {
		live[i].told(mark, fields(c.want)...)
		t.stream(fmt.Sprint("bob, later, with ", c.query), s.Bob, append([]string{"cursor", at}, c.query...)).told(mark, fields(c.want)...)
	}
	hundred := strings.Repeat(nobodyID+",", 99) + nobodyID
	t.stream("bob with a hundred threads", s.Bob, []string{"thread_ids", hundred}).upTo(s.mark())
	t.Get(query("/api/events", "thread_ids", hundred+","+a), s.Bob).Refused(400, "VALIDATION_ERROR")
	t.Get(query("/api/events", "channel_ids", hundred+","+a), s.Bob).Refused(400, "VALIDATION_ERROR")
	t.Get(query("/api/events", "types", strings.Repeat("message,", 50)+"message"), s.Bob).Refused(400, "VALIDATION_ERROR")
}

// mostStreams is where looking for the limit ends.
const mostStreams = 1000

// inARow is how many refusals, one after the other, tell that every node is full.
const inARow = 32

func manyStreams(t *T) {
	s := newStage(t)
	var open []*Stream
	for range 23 { // with the connection below these are as many as must be allowed
		open = append(open, t.stream("ann", s.Ann, nil))
	}
	socket := t.open("ann", s.Ann)
	// A server of several nodes may bound them at each: it is full when all refuse.
	refusals := 0
	for len(open) < mostStreams && refusals < inARow {
		k, _ := t.tryStream("ann", s.Ann, nil)
		if k == nil {
			refusals++
			continue
		}
		refusals = 0
		open = append(open, k)
	}
	if refusals < inARow {
		t.Errorf("a bot holds %d streams", len(open))
		return
	}
	t.Get("/api/events", s.Ann).Refused(429, "TOO_MANY_STREAMS").Shape("", "retry_after:i")
	t.dial("ann, one too many", "ticket", t.wsTicket(s.Ann)).closes(4010, "TOO_MANY_STREAMS")
	t.stream("bob", s.Bob, nil) // the limit is each bot's own
	mark := s.mark()
	for _, k := range open {
		k.upTo(mark)
	}
	socket.upTo(mark)
	socket.hang()
	for wait := 0; ; wait++ { // its end is seen, and one place is free for either kind
		k, refused := t.tryStream("ann again", s.Ann, nil)
		if k != nil {
			k.upTo(s.mark())
			break
		}
		if wait == 50 {
			t.Errorf("no place becomes free: %s", refused)
			return
		}
		t.Sleep(100 * time.Millisecond)
	}
}
