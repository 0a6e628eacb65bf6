package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// missed returns all catch-up events of a bot since a time, and the position after them.
func (t *T) missed(b *Bot, since int64, limit int) (entries []Frame, stream string) {
	path := query("/api/me/catchup", "since", strconv.FormatInt(since, 10), "limit", strconv.Itoa(limit))
	for cursor, n := "", 0; ; n++ {
		at := path
		if cursor != "" {
			at += "&cursor=" + escape(cursor)
		}
		r := t.Get(at, b).OK()
		page := r.List("events")
		for i, e := range page {
			r.Shape(fmt.Sprint("events.", i), "event_id:s occurred_at:i type:s")
			o, _ := e.(map[string]any)
			entries = append(entries, Frame{Raw: show(e), JSON: o})
		}
		if len(page) > limit {
			r.errorf("%d entries on a page of %d", len(page), limit)
		}
		if !r.Bool("has_more") {
			r.Lacks("cursor")
			return entries, r.Str("stream_cursor")
		}
		r.Lacks("stream_cursor")
		if cursor = r.Str("cursor"); n > 500 || len(page) < limit {
			r.fatalf("page %d has %d events of %d, although has_more is true", n, len(page), limit)
		}
	}
}

func catchupChecks() []Check {
	return []Check{
		{[]string{"B2B-CATCH-001", "B2B-CATCH-008"}, "catch-up requires a time and a bot with the scope read", func(t *T) {
			h := newFixture(t)
			for _, path := range []string{"/api/me/catchup", "/api/me/catchup/count"} {
				for _, q := range []string{"", "?since=", "?since=abc", "?limit=5"} {
					t.Get(path+q, h.Ann).Refused(400, "VALIDATION_ERROR")
				}
				t.Get(path+"?since=0", h.Human()).Refused(403, "FORBIDDEN")
				t.Get(path+"?since=0", h.Ann.Scoped("thread")).Refused(403, "INSUFFICIENT_SCOPE")
				t.Get(path+"?since=0", h.Ann.Scoped("read")).OK()
				t.Get(path+"?since=0", h.Ann.Login()).OK()
				t.Get(path+"?since=0", nil).Refused(401, "AUTH_REQUIRED")
			}
			t.Get("/api/me/catchup?since=0&cursor=garbage", h.Ann).Refused(400, "VALIDATION_ERROR")
			t.Get("/api/me/catchup?since=0", h.Ann).OK().Len("events", 0).Equal("has_more", false).Lacks("cursor").Shape("", "stream_cursor:s")
			t.Get("/api/me/catchup/count?since=0", h.Ann).OK().
				Equal("", J{"thread_invites": 0, "thread_status_changes": 0, "thread_activities": 0, "channel_messages": 0, "total": 0})
		}},
		{[]string{"B2B-CATCH-002", "B2B-CATCH-003", "B2B-CATCH-006"}, "catch-up lists missed events with exact counts", catchupEntries},
		{[]string{"B2B-CATCH-003", "B2B-CATCH-006"}, "catch-up counts only events after the requested time", catchupSince},
		{[]string{"B2B-CATCH-004"}, "the pages of catch-up list every event once, oldest first", func(t *T) {
			s := newLiveFixture(t)
			for range 7 {
				id := s.thread(nil)
				t.say(s.Ann, id, "x")
			}
			whole, _ := t.missed(s.Bob, 0, 200)
			if len(whole) != 14 {
				t.Errorf("%d entries, want 14", len(whole))
			}
			for _, limit := range []int{1, 3, 14} {
				paged, _ := t.missed(s.Bob, 0, limit)
				if !slices.Equal(raws(paged), raws(whole)) {
					t.Errorf("pages of %d have %d events, one page has %d, or their events differ", limit, len(paged), len(whole))
				}
			}
			if !slices.IsSortedFunc(whole, func(a, b Frame) int { return int(num(a.JSON, "occurred_at") - num(b.JSON, "occurred_at")) }) {
				t.Errorf("the entries are not ordered by time")
			}
			seen := map[string]bool{}
			for _, e := range whole {
				if seen[e.str("event_id")] {
					t.Errorf("the event_id %s appears twice", e.str("event_id"))
				}
				seen[e.str("event_id")] = true
			}
			t.Get("/api/me/catchup?since=0&limit=0", s.Bob).OK().Len("events", 14)
			t.Get("/api/me/catchup?since=0&limit=-1", s.Bob).OK().Len("events", 1)
			t.Get("/api/me/catchup?since=0&limit=3abc", s.Bob).OK().Len("events", 3)
		}},
		{[]string{"B2B-CATCH-005", "B2B-CATCH-003"}, "catch-up and the stream after it have every message once, also during writes", catchupAndStream},
	}
}

// catchupFixture reads the catch-up events since a time before the org existed.
type catchupFixture struct {
	*liveFixture
	before int64 // ms
}

// find returns the catch-up event of the kind that concerns the thread or channel.
func (s *catchupFixture) find(b *Bot, kind, scope string) *Response {
	entries, _ := s.t.missed(b, s.before, 50)
	for _, e := range entries {
		if e.kind() == kind && (e.str("thread_id") == scope || e.str("channel_id") == scope) {
			return &Response{t: s.t, request: "catch-up of " + b.Name, Body: []byte(e.Raw), JSON: e.JSON, isJSON: true}
		}
	}
	s.t.Fatalf("the catch-up of %s has no %s of %s: %v", b.Name, kind, scope, raws(entries))
	return nil
}

// counts asserts how many catch-up events of each kind the bot has.
func (s *catchupFixture) counts(b *Bot, invites, statuses, activities, channels int) {
	s.t.Get(query("/api/me/catchup/count", "since", fmt.Sprint(s.before)), b).OK().
		Equal("", J{"thread_invites": invites, "thread_status_changes": statuses, "thread_activities": activities, "channel_messages": channels, "total": invites + statuses + activities + channels})
}

func catchupEntries(t *T) {
	s := &catchupFixture{newLiveFixture(t), time.Now().UnixMilli() - 3_600_000} // clocks can differ; the org is younger than an hour
	id := s.thread(nil)
	s.counts(s.Ann, 0, 0, 0, 0)
	s.counts(s.Bob, 1, 0, 0, 0)
	s.find(s.Bob, "thread_invited", id).Equal("topic", "work").Equal("inviter", s.Ann.ID)
	for range 3 {
		t.say(s.Ann, id, "x")
	}
	last := t.say(s.Ann, id, "x")
	t.say(s.Bob, id, "own messages are not missed")
	s.find(s.Bob, "thread_message_summary", id).Equal("topic", "work").Equal("count", 4).Equal("last_at", last.Value("created_at"))
	s.find(s.Ann, "thread_message_summary", id).Equal("count", 1)
	s.counts(s.Bob, 1, 0, 1, 0)
	t.Do("POST", thr(id, "/artifacts"), s.Ann, J{"artifact_key": "one", "content": "x"}).OK()
	t.Do("PATCH", thr(id, "/artifacts/one"), s.Ann, J{"content": "y"}).OK()
	s.find(s.Bob, "thread_artifact_added", id).Equal("artifact_key", "one").Equal("version", 2).Equal("count", 2)
	t.Do("POST", thr(id, "/artifacts"), s.Bob, J{"artifact_key": "own", "content": "x"}).OK()
	s.find(s.Bob, "thread_artifact_added", id).Equal("artifact_key", "one").Equal("count", 2)
	s.counts(s.Bob, 1, 0, 2, 0)
	t.patch(s.Ann, id, J{"status": "blocked", "topic": "renamed"})
	t.Do("PATCH", othr(id), s.Admin, J{"status": "active"}).OK()
	s.find(s.Ann, "thread_status_changed", id).Equal("from", "active").Equal("to", "blocked").Equal("by", s.Ann.ID).Equal("topic", "renamed")
	s.counts(s.Bob, 1, 2, 2, 0)
	var channel string
	for range 2 {
		channel = t.dm(s.Ann, "bob", "x").Str("channel_id")
	}
	t.dm(s.Bob, "ann", "x")
	s.find(s.Bob, "channel_message_summary", channel).Equal("count", 2)
	s.find(s.Ann, "channel_message_summary", channel).Equal("count", 1)
	s.counts(s.Bob, 1, 2, 2, 1)
	catchupOfParticipant(t, s, id)
}

// catchupOfParticipant asserts the catch-up events of a bot that is invited, removed, joins and leaves.
func catchupOfParticipant(t *T, s *catchupFixture, id string) {
	t.Do("POST", thr(id, "/participants"), s.Ann, J{"bot_id": "cyd"}).OK()
	s.find(s.Cyd, "thread_invited", id).Equal("topic", "renamed").Equal("inviter", s.Ann.ID)
	s.counts(s.Cyd, 1, 0, 0, 0) // no events from before the invite
	t.Do("DELETE", thr(id, "/participants/cyd"), s.Bob, nil).OK()
	t.say(s.Ann, id, "cyd is gone")
	s.find(s.Cyd, "thread_participant_removed", id).Equal("removed_by", s.Bob.ID).Equal("topic", "renamed")
	s.counts(s.Cyd, 1, 0, 1, 0)
	t.Do("POST", thr(id, "/join"), s.Cyd, nil).OK()
	s.counts(s.Cyd, 1, 0, 1, 0) // a bot does not miss its own join
	t.Do("DELETE", thr(id, "/participants/cyd"), s.Cyd, nil).OK()
	s.counts(s.Cyd, 1, 0, 2, 0)
	t.Do("POST", othr(id, "/participants"), s.Human(), J{"bot_id": s.Cyd.ID}).OK()
	s.counts(s.Cyd, 2, 0, 2, 0)
	asks := s.thread(J{"join_policy": "approval"})
	request := t.Do("POST", thr(asks, "/join"), s.Cyd, nil).Status(202).Str("request_id")
	t.Do("POST", thr(asks, "/join-requests/", request, "/approve"), s.Bob, nil).OK()
	s.find(s.Cyd, "thread_invited", asks).Equal("inviter", s.Bob.ID)
	s.counts(s.Cyd, 3, 0, 2, 0)
	t.patch(s.Ann, asks, J{"topic": "changes of settings are not listed", "visibility": "members"})
	s.counts(s.Cyd, 3, 0, 2, 0)
}

func catchupSince(t *T) {
	s := newLiveFixture(t)
	id := s.thread(nil)
	var at []int64
	for range 6 {
		t.dm(s.Ann, "bob", "x")
		t.tick()
		t.say(s.Ann, id, "x")
		entries, _ := t.missed(s.Bob, 0, 50)
		at = append(at, num(entries[len(entries)-1].JSON, "occurred_at"))
		t.tick()
	}
	for i, since := range at {
		want := len(at) - 1 - i // events strictly after since
		entries, _ := t.missed(s.Bob, since, 50)
		got := map[string]int64{}
		for _, e := range entries {
			got[e.kind()] = num(e.JSON, "count")
		}
		if got["thread_message_summary"] != int64(want) || got["thread_invited"] != 0 || got["channel_message_summary"] != int64(want) {
			t.Errorf("since message %d: %v, want %d messages", i, raws(entries), want)
		}
		t.Get(query("/api/me/catchup/count", "since", fmt.Sprint(since)), s.Bob).OK().Equal("thread_activities", min(want, 1)).Equal("thread_invites", 0)
	}
	later := at[len(at)-1] + 3_600_000
	t.Get(query("/api/me/catchup", "since", fmt.Sprint(later)), s.Bob).OK().Len("events", 0).Shape("", "stream_cursor:s")
}

// catchupAndStream reads catch-up during concurrent writes, continues with a stream, and asserts
// that every message is counted once.
func catchupAndStream(t *T) {
	s := newLiveFixture(t)
	const threads, each = 6, 25
	ids := make([]string, threads)
	for i := range ids {
		ids[i] = s.thread(nil)
	}
	for round := range 3 {
		var entries []Frame
		var cursor string
		t.Concurrently(threads+1, func(i int) {
			if i < threads {
				for range each {
					t.say(s.Ann, ids[i], "x")
				}
				return
			}
			entries, cursor = t.missed(s.Bob, 0, 1)
		})
		f := t.stream("bob after catch-up", s.Bob, []string{"cursor", cursor, "types", "thread_message,bot_renamed"})
		rest := f.upTo(s.mark())
		counted := map[string]int64{}
		for _, e := range entries {
			if e.kind() == "thread_message_summary" {
				counted[e.str("thread_id")] += num(e.JSON, "count")
			}
		}
		for _, fr := range rest {
			counted[fr.str("thread_id")]++
		}
		for i, id := range ids {
			if want := int64(each * (round + 1)); counted[id] != want {
				t.Errorf("round %d, thread %d: catch-up and stream together have %d messages, want %d", round, i, counted[id], want)
			}
		}
	}
}
