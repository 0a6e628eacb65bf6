package conformance

import (
	"slices"
	"strings"
)

func channelChecks() []Check {
	return []Check{
		{[]string{"B2B-CH-001", "B2B-CH-002", "B2B-CH-009", "B2B-CH-013"}, "two bots have exactly one direct channel", channelOfTwo},
		{[]string{"B2B-CH-003"}, "channels cannot be listed, created, posted to or deleted", func(t *T) {
			h := newFixture(t)
			id := t.dm(h.Ann, "bob", "hello").Str("channel_id")
			t.Get("/api/channels", h.Ann).Refused(404, "NOT_FOUND")
			t.Do("POST", "/api/channels", h.Ann, J{"members": []string{"bob"}}).Refused(404, "NOT_FOUND")
			t.Do("POST", "/api/channels/"+id+"/messages", h.Ann, J{"content": "x"}).Refused(404, "NOT_FOUND")
			t.Do("DELETE", "/api/channels/"+id, h.Ann, nil).Refused(404, "NOT_FOUND")
		}},
		{[]string{"B2B-CH-005"}, "an owner session cannot send direct messages", func(t *T) {
			h := newFixture(t)
			owner := h.Ann.Login()
			t.Do("POST", "/api/send", owner, J{"to": "bob", "content": "x"}).Refused(403, "DM_SEND_BLOCKED")
			t.Do("POST", "/api/send", owner, J{}).Refused(403, "DM_SEND_BLOCKED")
			t.Do("POST", "/api/send", owner, J{"to": "nobody", "content": "x"}).Refused(403, "DM_SEND_BLOCKED")
			t.dm(h.Ann, "bob", "x")
		}},
		{[]string{"B2B-CH-006", "B2B-CH-007"}, "a direct message names its recipient by id or by name", channelTargets},
		{[]string{"B2B-CH-008", "B2B-THR-087"}, "a bot cannot send direct messages to itself", func(t *T) {
			h := newFixture(t)
			for _, to := range []string{h.Ann.ID, "ann"} {
				r := t.Do("POST", "/api/send", h.Ann, J{"to": to, "content": "x"}).Refused(400, "VALIDATION_ERROR")
				r.errorContains("Cannot send to yourself")
			}
		}},
		{[]string{"B2B-CH-010"}, "a direct message is validated in the specified order", directMessageOrder},
		{[]string{"B2B-CH-011"}, "a direct message can be sent to a pending bot", func(t *T) {
			h := newFixture(t)
			h.PendingBot("pam")
			t.dm(h.Ann, "pam", "welcome").Equal("message.content", "welcome")
		}},
		{[]string{"B2B-CH-012"}, "direct messages are audited", func(t *T) {
			h := newFixture(t)
			r := t.dm(h.Ann, "bob", "x")
			h.auditedAs("message.send", r.Str("message.id"), h.Ann.ID, J{"channel_id": r.Str("channel_id")})
			if e := h.audited("message.send", r.Str("message.id")); e["target_type"] != "channel_message" {
				t.Errorf("audit message.send: target_type is %v, want channel_message", e["target_type"])
			}
		}},
		{[]string{"B2B-CH-014", "B2B-CH-015", "B2B-CH-016"}, "a channel can be read by its members and by org-admin sessions", channelReaders},
		{[]string{"B2B-CH-017"}, "channel messages of a deleted bot keep its id", func(t *T) {
			h := newFixture(t)
			ch := t.dm(h.Bob, "ann", "last words").Str("channel_id")
			path := "/api/channels/" + ch + "/messages"
			t.Get(path, h.Ann).OK().Len("", 1).Equal("0.sender_id", h.Bob.ID).Equal("0.sender_name", "bob")
			t.Do("DELETE", "/api/bots/"+h.Bob.ID, h.Admin, nil).OK()
			t.Get(path, h.Ann).OK().Len("", 1).Equal("0.sender_id", h.Bob.ID).Equal("0.sender_name", "unknown").Equal("0.content", "last words")
		}},
		{[]string{"B2B-CH-018", "B2B-CH-019"}, "a bot lists its channels, newest activity first", channelList},
	}
}

func directMessageOrder(t *T) {
	h := newFixture(t)
	long := strings.Repeat("a", 65537)
	for _, c := range []struct {
		body   J
		status int
		code   string
	}{
		{J{"to": "nobody", "content": "x", "content_type": strings.Repeat("t", 129)}, 400, "VALIDATION_ERROR"},
		{J{"to": "nobody", "content": "x", "parts": []J{{"type": "video"}}}, 400, "VALIDATION_ERROR"},
		{J{"to": "nobody"}, 400, "VALIDATION_ERROR"},
		{J{"to": "nobody", "content": long}, 404, "NOT_FOUND"},
		{J{"to": "ann", "content": long}, 400, "VALIDATION_ERROR"},
		{J{"to": "bob", "content": long}, 400, "VALIDATION_ERROR"},
	} {
		t.Do("POST", "/api/send", h.Ann, c.body).Refused(c.status, c.code)
	}
}

// errorContains asserts that the error text contains a fragment, which existing clients match.
func (r *Response) errorContains(fragment string) *Response {
	if text, _ := r.find("error"); !strings.Contains(show(text), fragment) {
		r.errorf("error does not contain %q", fragment)
	}
	return r
}

func channelOfTwo(t *T) {
	h := newFixture(t)
	first := t.dm(h.Ann, h.Bob.ID, "ping")
	first.Shape("", "channel_id:s message:o ts:i").Equal("ts", first.Value("message.created_at"))
	first.Shape("message", "id:s channel_id:s sender_id:s content:s content_type:s parts:a created_at:i !sender_name")
	ch := first.Str("channel_id")
	first.Equal("message.channel_id", ch).Equal("message.sender_id", h.Ann.ID).Equal("message.content", "ping").Equal("message.content_type", "text")
	t.dm(h.Bob, "ann", "pong").Equal("channel_id", ch)
	t.dm(h.Ann, "bob", "again").Equal("channel_id", ch)
	if t.dm(h.Ann, "cyd", "hi").Str("channel_id") == ch {
		t.Errorf("another pair of bots has the same channel")
	}
	for _, c := range []*Bot{h.Ann, h.Bob} {
		r := t.Get("/api/channels/"+ch, c).OK().Equal("id", ch).Equal("org_id", h.ID).Equal("type", "direct").Equal("name", nil).Len("members", 2)
		r.Shape("", "created_at:i")
		for _, b := range []*Bot{h.Ann, h.Bob} {
			t.Shape("channel member", r.Find("members", "id", b.ID), "name:="+b.Name+" online:b")
		}
	}
	t.Concurrently(6, func(i int) { t.dm([]*Bot{h.Bob, h.Cyd}[i%2], []string{"cyd", "bob"}[i%2], "race") })
	if l := t.Get("/api/bots/bob/channels", h.Bob).OK().List(""); len(l) != 2 {
		t.Errorf("after concurrent first messages bob has %d channels, want 2", len(l))
	}
}

func channelTargets(t *T) {
	h, other := newFixture(t), newFixture(t)
	stranger := other.Bot("stranger")
	h.Register(J{"org_secret": h.Secret, "name": h.Cyd.ID}).Refused(400, "VALIDATION_ERROR") // BOT-040
	ch := t.dm(h.Ann, h.Cyd.ID, "to the id").Str("channel_id")
	t.Get("/api/channels/"+ch, h.Cyd).OK().Find("members", "id", h.Cyd.ID)
	for _, to := range []any{"nobody", unusedID, "Bob", "BOB", "stranger", stranger.ID} {
		t.Do("POST", "/api/send", h.Ann, J{"to": to, "content": "x"}).Refused(404, "NOT_FOUND")
	}
	for _, to := range []any{"", nil, 5, true, []string{"bob"}, J{"id": h.Bob.ID}} {
		t.Do("POST", "/api/send", h.Ann, J{"to": to, "content": "x"}).Refused(400, "VALIDATION_ERROR")
	}
	t.Do("POST", "/api/send", h.Ann, J{"content": "x"}).Refused(400, "VALIDATION_ERROR")
	t.dm(h.Ann, "bob", "x")
	t.dm(h.Ann, h.Bob.ID, "x")
}

func channelReaders(t *T) {
	h, other := newFixture(t), newFixture(t)
	ch := t.dm(h.Ann, "bob", "secret").Str("channel_id")
	for _, rest := range []string{"", "/messages"} {
		path := "/api/channels/" + ch + rest
		for _, c := range []Caller{h.Ann, h.Bob, h.Ann.Scoped("read"), h.Human()} {
			t.Get(path, c).Status(200)
		}
		for _, c := range []Caller{h.Cyd, h.Admin, t.Super()} {
			t.Get(path, c).Refused(403, "FORBIDDEN")
		}
		t.Get("/api/channels/"+unusedID+rest, h.Ann).Refused(404, "NOT_FOUND")
		t.Get("/api/channels/"+unusedID+rest, h.Human()).Refused(404, "NOT_FOUND")
		for _, c := range []Caller{other.Ann, other.Admin, other.Human()} {
			r := t.Get(path, c).Lacks("id", "members")
			if code, _ := r.find("code"); !(r.StatusCode() == 403 && code == "FORBIDDEN") && !(r.StatusCode() == 404 && code == "NOT_FOUND") {
				r.errorf("want 403 FORBIDDEN, or 404 NOT_FOUND")
			}
			if strings.Contains(string(r.Body), "secret") {
				r.errorf("another org can read the message")
			}
		}
	}
}

func channelList(t *T) {
	h := newFixture(t)
	t.Get("/api/bots/ann/channels", h.Ann).OK().Len("", 0)
	first := t.dm(h.Ann, "bob", "one")
	t.tick()
	second := t.dm(h.Cyd, "ann", "two")
	t.tick()
	list := t.Get("/api/bots/"+h.Ann.ID+"/channels", h.Ann).OK()
	t.sameIDs("channels of ann", list.Pluck("", "id"), []string{second.Str("channel_id"), first.Str("channel_id")})
	list.Shape("0", "id:s type:=direct created_at:i last_activity_at:i members:a").Equal("0.name", nil).Len("0.members", 2)
	list.Equal("0.last_activity_at", second.Value("message.created_at"))
	t.Shape("member", list.Find("0.members", "id", h.Cyd.ID), "name:=cyd online:b")
	t.tick()
	third := t.dm(h.Bob, "ann", "three")
	list = t.Get("/api/bots/ann/channels", h.Ann).OK().Equal("0.id", first.Str("channel_id"))
	list.Equal("0.last_activity_at", third.Value("message.created_at"))

	human := t.Get("/api/bots/ann/channels", h.Human()).OK()
	if !slices.Equal(human.Pluck("", "id"), list.Pluck("", "id")) {
		human.errorf("an org admin gets other channels than the bot")
	}
	for _, c := range []Caller{h.Bob, h.Admin} {
		t.Get("/api/bots/ann/channels", c).Refused(403, "FORBIDDEN")
		t.Get("/api/bots/"+h.Ann.ID+"/channels", c).Refused(403, "FORBIDDEN")
	}
	t.Get("/api/bots/ann/channels", t.Super()).Refused(403, "FORBIDDEN")
	other := newFixture(t)
	for _, ref := range []string{"nobody", unusedID, other.Ann.ID} {
		t.Get("/api/bots/"+ref+"/channels", h.Ann).Refused(404, "NOT_FOUND")
		t.Get("/api/bots/"+ref+"/channels", h.Human()).Refused(404, "NOT_FOUND")
	}
}
