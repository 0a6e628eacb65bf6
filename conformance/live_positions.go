package conformance

import (
	"slices"
	"strings"
)

// cursorCodes are the codes by which a position can be refused.
var cursorCodes = []string{"VALIDATION_ERROR", "CURSOR_EXPIRED", "CURSOR_AHEAD", "EPOCH_CHANGED"}

func positionChecks() []Check {
	return []Check{
		{[]string{"B2B-EVT-020", "B2B-EVT-021", "B2B-EVT-022", "B2B-EVT-024"}, "resuming from any position gives exactly what live gave", resumeEverywhere},
		{[]string{"B2B-EVT-006", "B2B-EVT-021"}, "who was away is told what it would have been told, between joining and leaving", resumeAcrossMembership},
		{[]string{"B2B-EVT-023"}, "a position that is none is refused by name", badPositions},
		{[]string{"B2B-EVT-025"}, "what was answered is in the log, and what was refused is not", func(t *T) {
			s := newStage(t)
			id := s.thread(nil)
			bob := t.open("bob", s.Bob)
			bob.upTo(s.mark())
			from := bob.last()
			for range 20 { // a reader that comes right behind the answer
				m := t.say(s.Ann, id, "x").Str("id")
				k := t.stream("bob", s.Bob, []string{"cursor", from})
				fr := k.next("thread_message")
				if fr.str("message.id") != m {
					k.errorf("the answer of message %s was given, but the log continues with %s", m, fr.Raw)
				}
				from = fr.cursor()
				k.hang()
			}
		}},
	}
}

// traffic does a bit of everything that Bob is told of.
func (s *stage) traffic(n int) {
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
			t.dm(s.Bob, "cyd", "x") // Ann is not told
		}
	}
}

func resumeEverywhere(t *T) {
	s := newStage(t)
	live := t.open("bob", s.Bob)
	anns := t.open("ann", s.Ann)
	start := s.mark()
	anns.upTo(start)
	live.upTo(start)
	from := len(live.all())
	s.traffic(10)
	middle := s.mark()
	live.seek("mark", isMark(middle))
	anns.seek("mark", isMark(middle))
	told := func() []Frame { // everything that the live connection was told since the start, marks too
		return slices.DeleteFunc(live.all()[from:], func(fr Frame) bool { return fr.cursor() == "" })
	}
	history := told()
	at := []int{0, 1, len(history) / 2, len(history) - 2, len(history) - 1}
	var again []*Feed
	for i, n := range at {
		c := history[n].cursor()
		if len(c) > 128 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			t.Errorf("the cursor %q is not of 128 harmless characters at most", c)
		}
		again = append(again, t.open("bob resuming", s.Bob, "cursor", c).Feed)
		if i%2 == 0 {
			again = append(again, t.stream("bob resuming", s.Bob, []string{"cursor", c}).Feed)
		} else {
			again = append(again, t.stream("bob resuming", s.Bob, nil, Header("Last-Event-ID", c)).Feed)
		}
	}
	foreign := t.stream("bob resuming from ann's position", s.Bob, []string{"cursor", anns.last()})
	fresh := t.dial("bob from now", "ticket", t.wsTicket(s.Bob)) // live as soon as the upgrade is answered
	s.traffic(5)
	end := s.mark()
	live.seek("mark", isMark(end))
	all := told()
	for i, f := range again {
		f.seek("mark", isMark(end))
		got := slices.DeleteFunc(f.all(), func(fr Frame) bool { return fr.cursor() == "" })
		if want := all[at[i/2]+1:]; !slices.Equal(raws(got), raws(want)) {
			f.errorf("from position %d of %d on it was told %d events, live %d, or other ones", at[i/2], len(all), len(got), len(want))
		}
		for _, fr := range f.all() {
			if fr.presence() {
				f.errorf("presence is replayed: %s", fr.Raw)
			}
		}
	}
	since := all[slices.IndexFunc(all, isMark(middle))+1:]
	for _, f := range []*Feed{foreign.Feed, fresh.Feed} {
		if got := f.upTo(end); !slices.Equal(raws(got), raws(since[:len(since)-len(marksAfter(since, end))])) {
			f.errorf("was told %v, want what came since the middle: %v", kinds(got), kinds(since))
		}
	}
}

// marksAfter is the frames from the mark on.
func marksAfter(frames []Frame, mark string) []Frame {
	return frames[slices.IndexFunc(frames, isMark(mark)):]
}

func resumeAcrossMembership(t *T) {
	s := newStage(t)
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
	want := live.told(end, slices.Repeat([]string{"thread_participant", "thread_message", "thread_updated", "thread_participant"}, 3)...)
	for _, f := range []*Feed{t.open("cyd resuming", s.Cyd, "cursor", from).Feed, t.stream("cyd resuming", s.Cyd, []string{"cursor", from}).Feed} {
		if got := f.upTo(end); !slices.Equal(raws(got), raws(want)) {
			f.errorf("was told %v, live %v", kinds(got), kinds(want))
		}
	}
	inside := want[1].cursor() // a position from a time when it was in the thread
	for _, f := range []*Feed{t.open("cyd resuming inside", s.Cyd, "cursor", inside).Feed, t.stream("cyd resuming inside", s.Cyd, []string{"cursor", inside}).Feed} {
		if got := f.upTo(end); !slices.Equal(raws(got), raws(want[2:])) {
			f.errorf("was told %v, live %v", kinds(got), kinds(want[2:]))
		}
	}
	never := t.stream("flag, who was never in it", s.bot, []string{"cursor", from})
	never.told(end)
}

func badPositions(t *T) {
	s, other := newStage(t), newStage(t)
	bob := t.open("bob", s.Bob)
	bob.upTo(s.mark())
	good := bob.last()
	elsewhere := t.open("a bot of another org", other.Bob)
	for range 3 {
		elsewhere.upTo(other.mark())
	}
	garbage := []string{"x", "0", "-1", nobodyID, "99999999999999999999", "null", strings.Repeat("x", 2000), "é", "a b", "{}"}
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
			e.errorf("was told something from a position that is refused")
		}
	}
	t.Get(query("/api/events", "cursor", elsewhere.last()), s.Bob).Refused(409, "EPOCH_CHANGED")
	fine := []*Feed{t.open("bob without a position", s.Bob, "cursor", "").Feed, t.stream("bob without a position", s.Bob, []string{"cursor", ""}).Feed}
	mark := s.mark()
	for _, f := range fine {
		f.told(mark)
	}
}
