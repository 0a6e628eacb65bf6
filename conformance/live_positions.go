package conformance

import (
	"slices"
	"strings"
)

// cursorCodes are the error codes for a position.
var cursorCodes = []string{"VALIDATION_ERROR", "CURSOR_EXPIRED", "CURSOR_AHEAD", "EPOCH_CHANGED"}

func positionChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-020", "B2B-EVT-021", "B2B-EVT-022", "B2B-EVT-024"}, "resuming from any position returns the events that a live connection received", resumeEverywhere},
		{[]string{"B2B-EVT-006", "B2B-EVT-021"}, "resuming returns the events of a thread only from joining to leaving", resumeAcrossMembership},
		{[]string{"B2B-EVT-023"}, "an invalid position gets the specified error code", badPositions},
		{[]string{"B2B-EVT-025"}, "an event is in the log before the response of its request", func(t *T) {
			s := newLiveFixture(t)
			id := s.thread(nil)
			bob := t.open("bob", s.Bob)
			bob.upTo(s.mark())
			from := bob.last()
			for range 20 { // read the log immediately after the response
				m := t.say(s.Ann, id, "x").Str("id")
				k := t.stream("bob", s.Bob, []string{"cursor", from})
				fr := k.next("thread_message")
				if fr.str("message.id") != m {
					k.errorf("the request for message %s has a response, but the log continues with %s", m, fr.Raw)
				}
				from = fr.cursor()
				k.disconnect()
			}
		}},
	}
}

// traffic makes changes of all kinds for which Bob receives events.
func (s *liveFixture) traffic(n int) {
	t := s.t
	id := s.thread(J{"visibility": "private"})
	for i := range n {
		t.say([]*Bot{s.Ann, s.Bob}[i%2], id, "grüße  <&> \u2028")
		switch i % 5 {
		case 0:
			t.dm(s.Ann, "bob", "x")
		case 1:
			t.patch(s.Bob, id, J{"topic": "t", "status": "blocked"})
			t.patch(s.Bob, id, J{"status": "active"})
		case 2:
			t.Do("POST", thr(id, "/artifacts"), s.Ann, J{"artifact_key": requestID(), "type": "json", "content": `{"n": 9007199254740993}`}).OK()
		case 3:
			s.mark()
		default:
			t.dm(s.Bob, "cyd", "x") // Ann receives no event
		}
	}
}

func resumeEverywhere(t *T) {
	s := newLiveFixture(t)
	live := t.open("bob", s.Bob)
	anns := t.open("ann", s.Ann)
	start := s.mark()
	anns.upTo(start)
	live.upTo(start)
	from := len(live.all())
	s.traffic(10)
	middle := s.mark()
	live.seek("mark", isMarker(middle))
	anns.seek("mark", isMarker(middle))
	sinceStart := func() []Frame { // the events of the live connection since the start, markers included
		return slices.DeleteFunc(live.all()[from:], func(fr Frame) bool { return fr.cursor() == "" })
	}
	history := sinceStart()
	at := []int{0, 1, len(history) / 2, len(history) - 2, len(history) - 1}
	var again []*Feed
	for i, n := range at {
		c := history[n].cursor()
		if len(c) > 128 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			t.Errorf("the cursor %q has more than 128 characters or characters that need escaping", c)
		}
		again = append(again, t.open("bob resuming", s.Bob, "cursor", c).Feed)
		if i%2 == 0 {
			again = append(again, t.stream("bob resuming", s.Bob, []string{"cursor", c}).Feed)
		} else {
			again = append(again, t.stream("bob resuming", s.Bob, nil, Header("Last-Event-ID", c)).Feed)
		}
	}
	foreign := t.stream("bob resuming from ann's position", s.Bob, []string{"cursor", anns.last()})
	fresh := t.dial("bob from now", "ticket", t.wsTicket(s.Bob)) // live from the response to the upgrade on
	s.traffic(5)
	end := s.mark()
	live.seek("mark", isMarker(end))
	all := sinceStart()
	for i, f := range again {
		f.seek("mark", isMarker(end))
		got := slices.DeleteFunc(f.all(), func(fr Frame) bool { return fr.cursor() == "" })
		if want := all[at[i/2]+1:]; !slices.Equal(raws(got), raws(want)) {
			f.errorf("from position %d of %d on it received %d events, the live connection %d, or their events differ", at[i/2], len(all), len(got), len(want))
		}
		for _, fr := range f.all() {
			if fr.isPresence() {
				f.errorf("a presence event was replayed: %s", fr.Raw)
			}
		}
	}
	since := all[slices.IndexFunc(all, isMarker(middle))+1:]
	for _, f := range []*Feed{foreign.Feed, fresh.Feed} {
		if got := f.upTo(end); !slices.Equal(raws(got), raws(since[:len(since)-len(fromMarker(since, end))])) {
			f.errorf("received %v, want the events since the middle: %v", kinds(got), kinds(since))
		}
	}
}

// fromMarker returns the frames from a marker on.
func fromMarker(frames []Frame, mark string) []Frame {
	return frames[slices.IndexFunc(frames, isMarker(mark)):]
}

func resumeAcrossMembership(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	live := t.open("cyd", s.Cyd)
	start := s.mark()
	live.upTo(start)
	from := live.last()
	for range 3 {
		t.say(s.Ann, id, "before")
		t.Do("POST", thr(id, "/participants"), s.Ann, J{"bot_id": "cyd"}).OK()
		t.say(s.Ann, id, "between")
		t.patch(s.Ann, id, J{"context": "between"})
		t.Do("DELETE", thr(id, "/participants/cyd"), s.Ann, nil).OK()
		t.say(s.Ann, id, "after")
	}
	end := s.mark()
	want := live.expect(end, slices.Repeat([]string{"thread_participant", "thread_message", "thread_updated", "thread_participant"}, 3)...)
	for _, f := range []*Feed{t.open("cyd resuming", s.Cyd, "cursor", from).Feed, t.stream("cyd resuming", s.Cyd, []string{"cursor", from}).Feed} {
		if got := f.upTo(end); !slices.Equal(raws(got), raws(want)) {
			f.errorf("received %v, the live connection %v", kinds(got), kinds(want))
		}
	}
	inside := want[1].cursor() // a position at which it was in the thread
	for _, f := range []*Feed{t.open("cyd resuming inside", s.Cyd, "cursor", inside).Feed, t.stream("cyd resuming inside", s.Cyd, []string{"cursor", inside}).Feed} {
		if got := f.upTo(end); !slices.Equal(raws(got), raws(want[2:])) {
			f.errorf("received %v, the live connection %v", kinds(got), kinds(want[2:]))
		}
	}
	never := t.stream("flag, which never participated", s.bot, []string{"cursor", from})
	never.expect(end)
}

func badPositions(t *T) {
	s, other := newLiveFixture(t), newLiveFixture(t)
	bob := t.open("bob", s.Bob)
	bob.upTo(s.mark())
	good := bob.last()
	elsewhere := t.open("a bot of another org", other.Bob)
	for range 3 {
		elsewhere.upTo(other.mark())
	}
	garbage := []string{"x", "0", "-1", unusedID, "99999999999999999999", "null", strings.Repeat("x", 2000), "é", "a b", "{}"}
	for _, c := range garbage {
		t.Get(query("/api/events", "cursor", c), s.Bob).Refused(400, "VALIDATION_ERROR")
		t.dial("bob", "ticket", t.wsTicket(s.Bob), "cursor", c).closes(4009, "VALIDATION_ERROR")
	}
	t.Get("/api/events", s.Bob, Header("Last-Event-ID", "garbage")).Refused(400, "VALIDATION_ERROR")
	t.Get(query("/api/events", "cursor", good), s.Bob, Header("Last-Event-ID", "garbage")).Refused(400, "VALIDATION_ERROR")
	for _, c := range []string{"*", `"` + good + `"`, "W/" + good, `W/"` + good + `"`, good + "," + good} {
		t.Get("/api/events", s.Bob, Header("Last-Event-ID", c)).Refused(400, "VALIDATION_ERROR")
	}
	for _, c := range []string{elsewhere.last(), good + "x", "x" + good, good[1:]} {
		r := t.Get(query("/api/events", "cursor", c), s.Bob)
		code, _ := r.Value("code").(string)
		if r.StatusCode() < 400 || !slices.Contains(cursorCodes, code) {
			r.errorf("want one of %v", cursorCodes)
		}
		e := t.dial("bob", "ticket", t.wsTicket(s.Bob), "cursor", c)
		if over := e.ends(); over.code != 4009 || over.reason != code {
			e.errorf("closed with %d %q, want 4009 %q", over.code, over.reason, code)
		}
		if len(e.all()) > 0 {
			e.errorf("received frames although the position is rejected")
		}
	}
	t.Get(query("/api/events", "cursor", elsewhere.last()), s.Bob).Refused(409, "EPOCH_CHANGED")
	fine := []*Feed{t.open("bob without a position", s.Bob, "cursor", "").Feed, t.stream("bob without a position", s.Bob, []string{"cursor", ""}).Feed}
	mark := s.mark()
	for _, f := range fine {
		f.expect(mark)
	}
}
