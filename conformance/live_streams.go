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
		{[]string{"B2B-EVT-030", "B2B-EVT-031"}, "an event stream has the format of server-sent events", streamFormat},
		{[]string{"B2B-EVT-032"}, "Last-Event-ID takes precedence over the cursor", streamResume},
		{[]string{"B2B-EVT-038", "B2B-HTTP-012"}, "HEAD of the event stream has the status and headers of GET", streamHead},
		{[]string{"B2B-EVT-033"}, "a stream can be filtered by types, threads and channels", filters},
		{[]string{"B2B-LIM-010", "B2B-WS-017"}, "the number of streams of a bot is limited, but at least 24", manyStreams},
		{[]string{"B2B-EVT-034"}, "a stream requires a bot with the scope read, or a session", streamCallers},
		{[]string{"B2B-EVT-035"}, "the stream of an org admin has the threads and channels in its query", streamOfAdmin},
		{[]string{"B2B-EVT-037"}, "a stream ends when its credential ends", streamEnds},
		{[]string{"B2B-EVT-036"}, "a stream sends a comment every 15 seconds", func(t *T) {
			s := newLiveFixture(t)
			f := t.stream("bob", s.Bob, []string{"types", "message"})
			for range 2 { // one wait is shorter than the time for two comments
				if f.await(func() bool { return f.heartbeats > 1 }) {
					return
				}
			}
			f.errorf("received no comment within %s", 2*t.patient(soon))
		}},
	}
}

func streamFormat(t *T) {
	s := newLiveFixture(t)
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
	ann := t.open("ann", s.Ann) // its presence event has no position
	s.traffic(4)
	k.seek("mark", isMarker(s.mark()))
	for _, fr := range k.all() {
		if fr.kind() == "" || fr.Event != fr.kind() || fr.ID != fr.cursor() || strings.Contains(fr.Raw, "\n") {
			k.errorf("an event does not have its cursor as id, its type as event and one line of data: id %q, event %q, data %s", fr.ID, fr.Event, fr.Raw)
		}
	}
	if !slices.ContainsFunc(k.all(), Frame.isPresence) {
		k.errorf("%s connected, but there is no presence event", ann.name)
	}
}

func streamResume(t *T) {
	s := newLiveFixture(t)
	bob := t.open("bob", s.Bob)
	var cursors []string
	for range 3 {
		bob.seek("mark", isMarker(s.mark()))
		cursors = append(cursors, bob.last())
	}
	f := t.stream("bob", s.Bob, []string{"cursor", cursors[0]}, Header("Last-Event-ID", cursors[1]))
	if first := f.next("bot_renamed"); first.cursor() != cursors[2] {
		f.errorf("continues with %s, want the event after Last-Event-ID", first.Raw)
	}
	f = t.stream("bob", s.Bob, []string{"cursor", cursors[0]}, func(h http.Header) { h["Last-Event-Id"] = []string{""} })
	if first := f.next("bot_renamed"); first.cursor() != cursors[1] {
		f.errorf("continues with %s, want the event after the cursor: an empty Last-Event-ID counts as absent", first.Raw)
	}
}

func streamHead(t *T) {
	s := newLiveFixture(t)
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
}

func streamCallers(t *T) {
	s := newLiveFixture(t)
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
}

func streamOfAdmin(t *T) {
	s := newLiveFixture(t)
	a, b := s.thread(nil), s.thread(nil)
	channel := t.dm(s.Ann, "bob", "x").Str("channel_id")
	plain := t.stream("an admin", s.Human(), nil)
	naming := t.stream("an admin that names a thread and a channel", s.Human(), []string{"thread_ids", a, "channel_ids", channel})
	from := t.open("ann", s.Ann)
	from.upTo(s.mark())
	from.disconnect()
	t.say(s.Ann, a, "x")
	t.say(s.Ann, b, "x")
	t.dm(s.Ann, "bob", "x")
	s.thread(nil)
	mark := s.mark()
	late := t.stream("an admin that names a thread and a channel, later", s.Human(), []string{"thread_ids", a, "channel_ids", channel, "cursor", from.last()})
	all := plain.upTo(mark)
	if k := kinds(all); !slices.Equal(k[len(k)-1:], []string{"thread_created"}) || slices.Contains(k, "thread_message") || slices.Contains(k, "message") {
		plain.errorf("received %v", k)
	}
	for _, f := range []*Stream{naming, late} {
		got := slices.DeleteFunc(f.upTo(mark), func(fr Frame) bool { return fr.kind() == "bot_renamed" })
		if !slices.Equal(kinds(got), []string{"thread_message", "message"}) || got[0].str("thread_id") != a {
			f.errorf("received %v", kinds(got))
		}
	}
}

func streamEnds(t *T) {
	h, gone := newFixture(t), newFixture(t)
	r := t.Do("POST", "/api/me/tokens", h.Ann, J{"scopes": []string{"read"}}).OK()
	owner, human := h.Ann.Login(), h.Login()
	over := map[string]*Stream{
		"revoked": t.stream("a revoked token", Token(r.Str("token")), nil), "out": t.stream("an owner that logs out", owner, nil), "human": t.stream("an admin that logs out", human, nil),
		"rejected": t.stream("bob", h.Bob, nil), "deleted": t.stream("cyd", h.Cyd, nil), "destroyed": t.stream("a bot of a destroyed org", gone.Ann, nil),
	}
	stay := t.stream("ann", h.Ann, nil)
	t.Do("DELETE", "/api/me/tokens/"+r.Str("id"), h.Ann, nil).OK()
	t.Do("POST", "/api/auth/logout", owner, nil).OK()
	t.Do("POST", "/api/auth/logout", human, nil).OK()
	// Each change of access makes the server check the access of bob again. That must not
	// end the stream before the events of the rejection are delivered.
	for range 5 {
		made := t.Do("POST", "/api/me/tokens", h.Bob, J{"scopes": []string{"read"}}).OK().Str("id")
		t.Do("DELETE", "/api/me/tokens/"+made, h.Bob, nil).OK()
	}
	h.Bob.SetStatus("rejected")
	t.Do("DELETE", "/api/me", h.Cyd, nil).OK()
	t.Do("DELETE", "/api/orgs/"+gone.ID, t.Super(), nil).Status(204)
	for name, code := range map[string]string{
		"revoked": "INVALID_TOKEN", "out": "AUTH_REQUIRED", "human": "AUTH_REQUIRED",
		"rejected": "FORBIDDEN", "deleted": "FORBIDDEN", "destroyed": "FORBIDDEN",
	} {
		over[name].endsWith(code)
	}
	received := slices.DeleteFunc(kinds(events(over["rejected"].all())), func(kind string) bool { return kind == "" }) // frames that say why the stream ends
	if len(received) == 0 || received[len(received)-1] != "bot_status_changed" {
		over["rejected"].errorf("received %v before the end, want bot_status_changed last", received)
	}
	h.Bot("new")
	stay.next("bot_registered")
	h.SetStatus("suspended")
	stay.endsWith("FORBIDDEN")
	h.SetStatus("active")
	t.stream("ann again", h.Ann, nil)
}

func filters(t *T) {
	s := newLiveFixture(t)
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
		{[]string{"thread_ids", unusedID}, "bot_registered"},
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
		live[i].expect(mark, fields(c.want)...)
		t.stream(fmt.Sprint("bob, later, with ", c.query), s.Bob, append([]string{"cursor", at}, c.query...)).expect(mark, fields(c.want)...)
	}
	hundred := strings.Repeat(unusedID+",", 99) + unusedID
	t.stream("bob with a hundred threads", s.Bob, []string{"thread_ids", hundred}).upTo(s.mark())
	t.Get(query("/api/events", "thread_ids", hundred+","+a), s.Bob).Refused(400, "VALIDATION_ERROR")
	t.Get(query("/api/events", "channel_ids", hundred+","+a), s.Bob).Refused(400, "VALIDATION_ERROR")
	t.Get(query("/api/events", "types", strings.Repeat("message,", 50)+"message"), s.Bob).Refused(400, "VALIDATION_ERROR")
}

// mostStreams ends the search for the limit.
const mostStreams = 1000

// inARow is the number of consecutive rejections that show that every node has reached its limit.
const inARow = 32

func manyStreams(t *T) {
	s := newLiveFixture(t)
	var open []*Stream
	for range 23 { // with the connection below, this is the number that a server must allow
		open = append(open, t.stream("ann", s.Ann, nil))
	}
	socket := t.open("ann", s.Ann)
	// With several nodes, each may have its own limit. All are full when all reject.
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
		t.Errorf("a bot has %d streams without reaching a limit", len(open))
		return
	}
	t.Get("/api/events", s.Ann).Refused(429, "TOO_MANY_STREAMS").Shape("", "retry_after:i")
	t.dial("ann, one too many", "ticket", t.wsTicket(s.Ann)).closes(4010, "TOO_MANY_STREAMS")
	t.stream("bob", s.Bob, nil) // each bot has its own limit
	mark := s.mark()
	for _, k := range open {
		k.upTo(mark)
	}
	socket.upTo(mark)
	socket.disconnect()
	for wait := 0; ; wait++ { // after it ends, one more stream or connection is allowed
		k, refused := t.tryStream("ann again", s.Ann, nil)
		if k != nil {
			k.upTo(s.mark())
			break
		}
		if wait == 50 {
			t.Errorf("no further stream is allowed after a connection ended: %s", refused)
			return
		}
		t.Sleep(100 * time.Millisecond)
	}
}
