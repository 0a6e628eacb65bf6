package conformance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

func slowChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-028", "B2B-WS-029"}, "a slow reader is closed with 4008, delays no other, and gets a pong before its missed events", slowReader},
	}
}

func loadChecks() []Check {
	return []Check{
		{[]string{"B2B-WS-006", "B2B-WS-005"}, "a revoked token does not receive the rest of a long replay", revocationEndsReplay},
		{[]string{"B2B-EVT-039", "B2B-EVT-021"}, "large events are delivered live and when resuming", largeEvents},
		{[]string{"B2B-EVT-026", "B2B-EVT-021", "B2B-EVT-005"}, "subscribers that reconnect at random receive every event once", randomReconnects},
	}
}

// revocationEndsReplay resumes two connections of a bot that do not read: the first events fill the
// network, so that more than 500 are left. Then it revokes the token of one of them.
func revocationEndsReplay(t *T) {
	s := newLiveFixture(t)
	live := t.stream("bob", s.Bob, []string{"types", "bot_renamed"})
	live.upTo(s.mark())
	from := live.last()
	id := s.thread(nil)
	for i := range 12 {
		t.Do("POST", thr(id, "/artifacts"), s.Ann, J{"artifact_key": fmt.Sprint("key", i), "content": strings.Repeat("x", 900_000)}).OK()
	}
	guests := []string{"bob"}
	for i := range 30 {
		guests = append(guests, s.Bot(fmt.Sprint("guest", i)).Name)
	}
	for range 40 { // each adds an event for each participant
		s.thread(J{"participants": guests})
	}
	last := s.mark()
	made := t.Do("POST", "/api/me/tokens", s.Bob, J{"scopes": []string{"read"}}).OK()
	resume := func(name string, c Caller) *Socket {
		k := t.dialQuiet(name, "ticket", t.wsTicket(c), "cursor", from)
		if err := k.wire.setReceiveBuffer(64 << 10); err != nil {
			t.Fatalf("%v", err)
		}
		return k
	}
	ends, stays := resume("a token of bob", Token(made.Str("token"))), resume("bob resuming", s.Bob)
	t.Do("DELETE", "/api/me/tokens/"+made.Str("id"), s.Bob, nil).OK()
	live.seek("mark", isMarker(s.mark())) // so that the revocation was delivered
	ends.listen()
	ends.closes(4002, "Token revoked")
	if slices.ContainsFunc(ends.all(), isMarker(last)) {
		ends.errorf("received all older events after the token was revoked")
	}
	stays.listen()
	stays.seek("mark", isMarker(last))
}

// largeEvents reads events of 900 KB live, and again by resuming after the first.
func largeEvents(t *T) {
	h := newFixture(t)
	id := h.thread(nil)
	const n = 9
	artifact := func(fr Frame) bool { return fr.kind() == "thread_artifact" }
	live := t.stream("live", h.Ann, nil)
	for i := range n {
		t.Do("POST", thr(id, "/artifacts"), h.Bob, J{"artifact_key": fmt.Sprint("key", i), "content": strings.Repeat("x", 900_000)}).OK()
	}
	var cursors []string
	for range n {
		_, fr := live.seek("large event", artifact)
		cursors = append(cursors, fr.cursor())
	}
	again := t.stream("again", h.Ann, []string{"cursor", cursors[0]})
	for _, want := range cursors[1:] {
		if _, fr := again.seek("large event again", artifact); fr.cursor() != want {
			t.Errorf("resuming returned the event %s, want %s", fr.cursor(), want)
		}
	}
}

// reconnector is a subscriber that reconnects at random.
type reconnector struct {
	name string
	who  *Bot
	got  []Frame
	from string // the cursor of the last event
}

// run reads events until end matches, and reconnects after a few events each time.
func (n *reconnector) run(t *T, end func(Frame) bool) {
	for connection := 0; ; connection++ {
		var f *Feed
		name := fmt.Sprintf("%s, connection %d", n.name, connection)
		switch rand.IntN(3) {
		case 0:
			f = t.dial(name, "ticket", t.wsTicket(n.who), "cursor", n.from).Feed
		case 1:
			f = t.stream(name, n.who, nil, Header("Last-Event-ID", n.from)).Feed
		default:
			f = t.stream(name, n.who, []string{"cursor", n.from}).Feed
		}
		for range 1 + rand.IntN(30) {
			_, fr := f.seek("further event", func(fr Frame) bool { return fr.cursor() != "" })
			n.got, n.from = append(n.got, fr), fr.cursor()
			if end(fr) {
				f.disconnect()
				return
			}
		}
		f.disconnect()
	}
}

func randomReconnects(t *T) {
	s := newLiveFixture(t)
	threads := []string{s.thread(nil), s.thread(nil), s.thread(J{"visibility": "private"})}
	t.dm(s.Ann, "bob", "opens the channel")
	pin := t.open("bob", s.Bob)
	pin.seek("mark", isMarker(s.mark()))
	start := pin.last()
	reconnectors := []*reconnector{{name: "ann", who: s.Ann}, {name: "bob", who: s.Bob}, {name: "bob too", who: s.Bob}, {name: "cyd", who: s.Cyd}, {name: "cyd too", who: s.Cyd}}
	const writers, each = 4, 60
	sent := make([][]string, writers)
	t.Concurrently(len(reconnectors)+1, func(i int) {
		if i < len(reconnectors) {
			n := reconnectors[i]
			n.from = start
			n.run(t, func(fr Frame) bool {
				return fr.kind() == "bot_renamed" && strings.HasPrefix(fr.str("new_name"), "the-end")
			})
			return
		}
		t.Concurrently(writers, func(w int) {
			for j := range each {
				id, from := threads[(w+j)%len(threads)], []*Bot{s.Ann, s.Bob}[(w+j)%2]
				switch {
				case w == 0 && j%10 == 4:
					t.Do("POST", thr(id, "/participants"), s.Ann, J{"bot_id": "cyd"}).OK()
				case w == 0 && j%10 == 9:
					for _, id := range threads {
						t.Do("DELETE", thr(id, "/participants/cyd"), s.Ann, nil)
					}
				case j%7 == 6:
					t.dm(s.Ann, "bob", "x")
				default:
					sent[w] = append(sent[w], t.say(from, id, "x").Str("id"))
				}
			}
		})
		t.Do("PATCH", "/api/me/name", s.bot, J{"name": "the-end"}).OK()
	})
	for _, n := range reconnectors {
		n.receivedHistory(t, start)
		if n.who == s.Cyd {
			n.receivedOnlyOwnThreads(t)
		}
	}
	for _, n := range reconnectors[:3] { // those that participated in all threads all the time
		times := map[string]int{}
		for _, fr := range n.got {
			times[fr.str("message.id")]++
		}
		for _, id := range slices.Concat(sent...) {
			if times[id] != 1 {
				t.Errorf("%s received message %s %d times", n.name, id, times[id])
			}
		}
	}
}

// receivedHistory asserts that n received, over all its connections, what a stream from the same
// position receives at once.
func (n *reconnector) receivedHistory(t *T, start string) {
	f := t.stream(n.name+" reading all at once", n.who, []string{"cursor", start})
	f.seek("end", isMarker("the-end"))
	history := slices.DeleteFunc(f.all(), func(fr Frame) bool { return fr.cursor() == "" })
	if !slices.Equal(raws(n.got), raws(history)) {
		at := 0
		for at < min(len(n.got), len(history)) && n.got[at].Raw == history[at].Raw {
			at++
		}
		t.Errorf("%s received %d events, the history has %d; the first difference is at %d", n.name, len(n.got), len(history), at)
	}
}

// receivedOnlyOwnThreads asserts that n received no event of a thread while it was not a participant.
func (n *reconnector) receivedOnlyOwnThreads(t *T) {
	in := map[string]bool{}
	for _, fr := range n.got {
		id := fr.str("thread_id")
		switch {
		case fr.kind() == "thread_participant" && fr.str("bot_id") == n.who.ID:
			in[id] = fr.str("action") == "joined"
		case id != "" && !in[id]:
			t.Errorf("%s received %s of a thread in which it did not participate", n.name, fr.kind())
		}
	}
}

// timeToRead is the minimum time for which a server waits until a client reads its close frame
// (B2B-WS-028).
const timeToRead = 5 * time.Second

func slowReader(t *T) {
	s := newLiveFixture(t)
	id := s.thread(J{"participants": []string{"bob", "cyd"}})
	quick := t.open("cyd", s.Cyd)
	quick.upTo(s.mark())
	from := len(quick.all())
	slow := t.dialQuiet("bob, without reading", "ticket", t.wsTicket(s.Bob), "cursor", quick.last())
	if err := slow.wire.setReceiveBuffer(64 << 10); err != nil {
		t.Fatalf("%v", err)
	}
	// Exceed the network buffers and the queue of the server, then continue for as long as the
	// server may take to detect it.
	text := strings.Repeat("€", 9000)
	began := time.Now()
	var posted atomic.Int32
	t.Concurrently(4, func(int) {
		for i := 0; i < 110 || time.Since(began) < 3*time.Second; i++ {
			if i >= 110 {
				t.Sleep(40 * time.Millisecond)
			}
			t.say(s.Ann, id, text)
			posted.Add(1)
		}
	})
	done := time.Now()
	end := s.mark()
	quick.seek("mark", isMarker(end))
	if behind := time.Since(done); behind > t.patient(10*time.Second) {
		t.Errorf("another reader received the last event %s after the response", behind)
	}
	if err := slow.wire.setReceiveBuffer(4 << 20); err != nil {
		t.Fatalf("%v", err)
	}
	late := time.Since(began) > timeToRead // then the close frame may not arrive
	slow.listen()
	if e := slow.ends(); !late || e.code != 0 {
		slow.closes(4008, "slow consumer, resume from your cursor")
	}
	got := withCursor(slow.all())
	if len(got) == 0 || len(got) >= int(posted.Load()) {
		slow.fatalf("received %d events before the end", len(got))
	}
	rest := t.dialQuiet("bob, resuming", "ticket", t.wsTicket(s.Bob), "cursor", got[len(got)-1].cursor())
	if err := rest.wire.setReceiveBuffer(64 << 10); err != nil { // so that not all events are sent before the ping
		t.Fatalf("%v", err)
	}
	rest.send(J{"type": "ping"})
	if err := rest.wire.setReceiveBuffer(4 << 20); err != nil {
		t.Fatalf("%v", err)
	}
	rest.listen()
	before, _ := rest.seek("mark", isMarker(end))
	if !slices.Contains(kinds(before), "pong") {
		rest.errorf("the pong came after all %d missed events", len(before))
	}
	got = append(got, withCursor(rest.all())...)
	if want := withCursor(quick.all()[from:]); !slices.Equal(raws(got), raws(want)) {
		t.Errorf("the reader that resumed has %d events, another %d, or their events differ", len(got), len(want))
	}
}
