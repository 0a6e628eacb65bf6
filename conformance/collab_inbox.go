package conformance

import (
	"fmt"
	"slices"
	"strings"
)

func inboxChecks() []Check {
	return []Check{
		{[]string{"B2B-INBOX-001", "B2B-INBOX-002"}, "the inbox lists the direct messages from others since a time", func(t *T) {
			h := newFixture(t)
			first := t.dm(h.Bob, "ann", "one")
			t.tick()
			t.dm(h.Ann, "bob", "own")
			t.say(h.Bob, h.thread(nil), "in a thread")
			t.dm(h.Bob, "cyd", "not for ann")
			second := t.dm(h.Cyd, "ann", "two")
			inbox := func(since any) *Response {
				return t.Get(query("/api/inbox", "since", fmt.Sprint(since)), h.Ann.Scoped("read")).OK()
			}
			all := inbox(0).Len("", 2).Equal("0.content", "one").Equal("1.content", "two")
			all.Shape("0", "id:s channel_id:s sender_id:s sender_name:=bob content:s content_type:s parts:a created_at:i").Equal("0.channel_name", nil)
			all.Equal("0.parts", []J{{"type": "text", "content": "one"}}).Equal("1.sender_name", "cyd").Equal("1.sender_id", h.Cyd.ID)
			inbox(first.Value("message.created_at")).Len("", 1).Equal("0.id", second.Str("message.id"))
			inbox(second.Value("message.created_at")).Len("", 0)
			for _, path := range []string{"/api/inbox", "/api/inbox?since=", "/api/inbox?since=abc"} {
				t.Get(path, h.Ann).Refused(400, "VALIDATION_ERROR")
			}
		}},
		{[]string{"B2B-INBOX-002"}, "the inbox returns the oldest 100 messages at most", func(t *T) {
			h := newFixture(t)
			t.many(105, func(i int) { t.dm(h.Bob, "ann", fmt.Sprint("m", i)) })
			list := rows(t.Get("/api/inbox?since=0", h.Ann).OK().Len("", 100), "", "created_at")
			ch := t.Get("/api/bots/ann/channels", h.Ann).OK().Str("0.id")
			sent := rows(t.Get("/api/channels/"+ch+"/messages?limit=200", h.Ann).OK().Len("", 105), "", "created_at")
			if !slices.IsSortedFunc(list, func(a, b row) int { return int(a.at - b.at) }) || list[0].at != sent[0].at || list[99].at != sent[99].at {
				t.Errorf("the inbox does not have the oldest 100 messages, oldest first")
			}
		}},
		{[]string{"B2B-WORKSPACE-001", "B2B-WORKSPACE-002"}, "the workspace has the profile, the channels and the threads", workspace},
		{[]string{"B2B-WORKSPACE-003"}, "previews are cut to 200 UTF-16 code units", func(t *T) {
			h := newFixture(t)
			for _, c := range []struct{ sent, shown string }{
				{strings.Repeat("a", 200), strings.Repeat("a", 200)}, {strings.Repeat("a", 201), strings.Repeat("a", 200) + "…"}, {strings.Repeat("é", 201), strings.Repeat("é", 200) + "…"},
				{strings.Repeat("😀", 100), strings.Repeat("😀", 100)}, {strings.Repeat("😀", 101), strings.Repeat("😀", 100) + "…"},
				{"a" + strings.Repeat("😀", 100), "a" + strings.Repeat("😀", 99) + "…"}, {"short", "short"},
			} {
				t.dm(h.Ann, "bob", c.sent)
				for _, b := range []*Bot{h.Ann, h.Bob} {
					t.Get("/api/me/workspace", b).OK().Equal("dms.items.0.last_message_preview.content", c.shown)
				}
				t.tick()
			}
		}},
		{[]string{"B2B-WORKSPACE-004"}, "the two lists of the workspace have independent pages", workspacePages},
		{[]string{"B2B-WORKSPACE-005"}, "a deleted counterpart is shown as unknown", func(t *T) {
			h := newFixture(t)
			t.dm(h.Bob, "ann", "farewell")
			t.Do("DELETE", "/api/bots/"+h.Bob.ID, h.Admin, nil).OK()
			r := t.Get("/api/me/workspace", h.Ann).OK().Len("dms.items", 1)
			for k, v := range map[string]any{"id": "unknown", "name": "unknown", "online": false, "bio": nil, "role": nil} {
				r.Equal("dms.items.0.counterpart_bot."+k, v)
			}
			r.Equal("dms.items.0.last_message_preview.content", "farewell").Equal("dms.items.0.last_message_preview.sender_name", "unknown")
		}},
	}
}

func workspace(t *T) {
	h := newFixture(t)
	dan := h.Bot("dan", J{"bio": "writes", "role": "author"})
	r := t.Get("/api/me/workspace", dan).OK().Len("dms.items", 0).Len("threads.items", 0).Equal("dms.has_more", false).Equal("threads.has_more", false)
	r.Equal("bot.id", dan.ID).Equal("bot.name", "dan").Equal("bot.bio", "writes").Lacks("dms.next_cursor", "threads.next_cursor")
	first := t.dm(dan, "ann", "hello")
	t.tick()
	last := t.dm(h.Ann, "bob", "newer")
	old := h.thread(nil)
	t.tick()
	fresh := h.thread(nil)
	t.tick()
	t.say(h.Ann, old, "new activity")
	r = t.Get("/api/me/workspace", h.Ann.Scoped("read")).OK().Len("dms.items", 2)
	t.Shape("dm", r.List("dms.items")[1], "channel:o counterpart_bot:o last_message_preview:o? last_activity_at:i")
	r.Shape("dms.items.1.channel", "id:s org_id:s type:=direct created_at:i").Equal("dms.items.1.channel.name", nil).Equal("dms.items.1.channel.id", first.Str("channel_id"))
	r.Equal("dms.items.0.channel.id", last.Str("channel_id"))
	for k, v := range map[string]any{"id": dan.ID, "name": "dan", "online": false, "bio": "writes", "role": "author"} {
		r.Equal("dms.items.1.counterpart_bot."+k, v)
	}
	r.Equal("dms.items.0.counterpart_bot.bio", nil).Equal("dms.items.0.counterpart_bot.role", nil)
	for k, v := range map[string]any{"content": "hello", "sender_id": dan.ID, "sender_name": "dan", "created_at": first.Value("message.created_at")} {
		r.Equal("dms.items.1.last_message_preview."+k, v)
	}
	r.Equal("dms.items.1.last_activity_at", first.Value("message.created_at"))
	t.sameIDs("threads", r.Pluck("threads.items", "id"), []string{old, fresh})
	r.Shape("threads.items.0", threadShape+" participant_count:i").Equal("threads.items.0.participant_count", 2)
	t.Get("/api/me/workspace", h.Cyd).OK().Len("dms.items", 0).Len("threads.items", 0)
}

func workspacePages(t *T) {
	h := newFixture(t)
	const n = 23
	for i := range n {
		h.Bot(fmt.Sprint("peer", i))
		t.dm(h.Ann, fmt.Sprint("peer", i), "hi")
		h.thread(nil)
		t.tick()
	}
	get := func(kv ...string) *Response { return t.Get(query("/api/me/workspace", kv...), h.Ann).OK() }
	get().Len("dms.items", 20).Len("threads.items", 20).Equal("dms.has_more", true).Equal("threads.has_more", true).Has("dms.next_cursor", "threads.next_cursor")
	get("dm_limit", "500", "thread_limit", "-3").Len("dms.items", n).Equal("dms.has_more", false).Lacks("dms.next_cursor").Len("threads.items", 1)
	get("dm_limit", "2abc", "thread_limit", "0").Len("dms.items", 2).Len("threads.items", 20)
	want := get("dm_limit", "100", "thread_limit", "100")
	for _, list := range []struct{ name, param, id string }{{"dms", "dm", "channel"}, {"threads", "thread", ""}} {
		idsOf := func(r *Response) (out []string) {
			for i := range r.List(list.name + ".items") {
				at := fmt.Sprintf("%s.items.%d.", list.name, i)
				if list.id != "" {
					at += list.id + "."
				}
				out = append(out, r.Str(at+"id"))
			}
			return out
		}
		var got []string
		for cursor := ""; ; {
			r := get(list.param+"_limit", "5", list.param+"_cursor", cursor)
			got = append(got, idsOf(r)...)
			if !r.Bool(list.name + ".has_more") {
				break
			}
			if cursor = r.Str(list.name + ".next_cursor"); len(got) > n {
				r.fatalf("the pages of %s do not end", list.name)
			}
			other := map[string]string{"dms": "threads", "threads": "dms"}[list.name]
			r.Len(other+".items", 20)
		}
		t.sameIDs("pages of "+list.name, got, idsOf(want))
		for _, bad := range []string{"!!", "nonsense", "e30"} {
			t.sameIDs("malformed cursor "+bad, idsOf(get(list.param+"_cursor", bad, list.param+"_limit", "100")), idsOf(want))
		}
	}
}
