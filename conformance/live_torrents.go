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
		{[]string{"B2B-WS-028", "B2B-WS-029"}, "a reader that falls behind is told to resume, slows nobody, and gets its pong before all that it missed", slowReader},
	}
}

func torrentChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-039", "B2B-EVT-021"}, "large events are told live and when resuming", largeEvents},
		{[]string{"B2B-EVT-026", "B2B-EVT-021", "B2B-EVT-005"}, "subscribers that break off and resume at random lose and double nothing", breaksOff},
	}
}

// largeEvents reads events of 900 KB live, and again from the first of them.
func largeEvents(t *T) {
	h := newHall(t)
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
			t.Errorf("resuming tells the event of %s, want %s", fr.cursor(), want)
		}
	}
}

// nomad is a subscriber that changes connections at random.
type nomad struct {
	name string
	who  *Bot
	got  []Frame
	from string
}

// roam reads until it meets the end, breaking off after a few events each time.
func (n *nomad) roam(t *T, end func(Frame) bool) {
	for lives := 0; ; lives++ {
		var f *Feed
		name := fmt.Sprintf("%s in life %d", n.name, lives)
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
				f.hang()
				return
			}
		}
		f.hang()
	}
}

func breaksOff(t *T) {
	s := newStage(t)
	threads := []string{s.thread(nil), s.thread(nil), s.thread(J{"visibility": "private"})}
	t.dm(s.Ann, "bob", "opens the channel")
	pin := t.open("bob", s.Bob)
	pin.seek("mark", isMark(s.mark()))
	start := pin.last()
	nomads := []*nomad{{name: "ann", who: s.Ann}, {name: "bob", who: s.Bob}, {name: "bob too", who: s.Bob}, {name: "cyd", who: s.Cyd}, {name: "cyd too", who: s.Cyd}}
	const writers, each = 4, 60
	sent := make([][]string, writers)
	t.Concurrently(len(nomads)+1, func(i int) {
		if i < len(nomads) {
			n := nomads[i]
			n.from = start
			n.roam(t, func(fr Frame) bool {
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
	for _, n := range nomads {
		f := t.stream(n.name+" reading all at once", n.who, []string{"cursor", start})
		f.seek("end", isMark("the-end"))
		history := slices.DeleteFunc(f.all(), func(fr Frame) bool { return fr.cursor() == "" })
		if !slices.Equal(raws(n.got), raws(history)) {
			at := 0
			for at < min(len(n.got), len(history)) && n.got[at].Raw == history[at].Raw {
				at++
			}
			t.Errorf("%s was told %d events, history has %d; they part at %d", n.name, len(n.got), len(history), at)
		}
		in := map[string]bool{}
		for _, fr := range n.got {
			id := fr.str("thread_id")
			switch {
			case fr.kind() == "thread_participant" && fr.str("bot_id") == s.Cyd.ID:
				in[id] = fr.str("action") == "joined"
			case n.who == s.Cyd && id != "" && !in[id]:
				t.Errorf("%s was told %s of a thread that it was not in", n.name, fr.kind())
			}
		}
	}
	for _, n := range nomads[:3] { // who was in all threads all the time
		times := map[string]int{}
		for _, fr := range n.got {
			times[fr.str("message.id")]++
		}
		for _, id := range slices.Concat(sent...) {
			if times[id] != 1 {
				t.Errorf("%s was told message %s %d times", n.name, id, times[id])
			}
		}
	}
}

// timeToRead is for how long at least a server waits for a client to read why its
// connection ends (B2B-WS-028).
const timeToRead = 5 * time.Second

func slowReader(t *T) {
	s := newStage(t)
	id := s.thread(J{"participants": []string{"bob", "cyd"}})
	quick := t.open("cyd", s.Cyd)
	quick.upTo(s.mark())
	from := len(quick.all())
	slow := t.dialQuiet("bob, who does not read", "ticket", t.wsTicket(s.Bob), "cursor", quick.last())
	if err := slow.wire.room(64 << 10); err != nil {
		t.Fatalf("%v", err)
	}
	// More than what the buffers between the two and the server's queue hold, then some more for as long as a server may take to be sure.
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
	quick.seek("mark", isMark(end))
	if behind := time.Since(done); behind > 10*time.Second {
		t.Errorf("a reader beside the slow one was told the end %s after it was answered", behind)
	}
	if err := slow.wire.room(4 << 20); err != nil {
		t.Fatalf("%v", err)
	}
	late := time.Since(began) > timeToRead // then it may be too late to be told
	slow.listen()
	if e := slow.ends(); !late || e.code != 0 {
		slow.closes(4008, "slow consumer, resume from your cursor")
	}
	got := withCursor(slow.all())
	if len(got) == 0 || len(got) >= int(posted.Load()) {
		slow.fatalf("was told %d events before the end", len(got))
	}
	rest := t.dialQuiet("bob, resuming", "ticket", t.wsTicket(s.Bob), "cursor", got[len(got)-1].cursor())
	if err := rest.wire.room(64 << 10); err != nil { // that not all of it is on its way before the ping
		t.Fatalf("%v", err)
	}
	rest.send(J{"type": "ping"})
	if err := rest.wire.room(4 << 20); err != nil {
		t.Fatalf("%v", err)
	}
	rest.listen()
	before, _ := rest.seek("mark", isMark(end))
	if !slices.Contains(kinds(before), "pong") {
		rest.errorf("a ping was not answered before all %d events that were missed", len(before))
	}
	got = append(got, withCursor(rest.all())...)
	if want := withCursor(quick.all()[from:]); !slices.Equal(raws(got), raws(want)) {
		t.Errorf("a reader that was told to resume has %d events, another %d, or other ones", len(got), len(want))
	}
}
