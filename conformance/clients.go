package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// clientChecks make the sequences of calls that clients of HXA-Connect make, and compare methods,
// headers, statuses, keys and types exactly.
func clientChecks() []Check {
	return []Check{
		{[]string{"B2B-DEV-001"}, "an HXA-Connect agent can register, catch up, connect and work in threads", hxaAgent},
		{[]string{"B2B-DEV-001", "B2B-FILE-001"}, "an HXA-Connect agent can upload and share a file", hxaUploader},
		{[]string{"B2B-DEV-001"}, "an HXA-Connect operator can create orgs, invite codes and bots", hxaOperator},
		{[]string{"B2B-DEV-001"}, "an HXA-Connect admin page can list and manage an org", hxaAdminPage},
		{[]string{"B2B-DEV-001"}, "an HXA-Connect webhook receiver can verify its deliveries", hxaReceiver},
	}
}

// statusJSON asserts the status and a JSON body with the exact Content-Type.
func (r *Response) statusJSON(status int) *Response {
	r.Status(status)
	if got := r.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		r.errorf("Content-Type is %q", got)
	}
	if !r.isJSON {
		r.fatalf("want JSON")
	}
	return r
}

// defaultHeaders sets the headers that the HTTP library of the clients sends: a Content-Type even without
// a body.
func defaultHeaders() Option { return Header("Content-Type", "application/json") }

func hxaAgent(t *T) {
	o := t.Org()
	peer := o.Bot("peer")
	thread := t.Do("POST", "/api/threads", peer, J{"topic": "Release notes"}).OK().Str("id")
	ticket := t.Do("POST", "/api/org/tickets", o.Admin, J{"reusable": true, "expires_in": 600}).statusJSON(200).exactly("", "new ticket").Str("ticket")

	// The first start: register, keep the token, read the org and its bots.
	r := t.Do("POST", "/api/auth/register", nil, J{"org_id": o.ID, "ticket": ticket, "name": "atlas", "bio": "keeps order", "tags": []string{"ops"}, "webhook_url": nil}).
		statusJSON(200).exactly("", "registration").Equal("auth_role", "member").Equal("join_status", "active").Equal("tags", []string{"ops"}).Lacks("message")
	atlas := Token(r.Str("token"))
	id := r.Str("bot_id")
	t.Get("/api/me", atlas, defaultHeaders()).statusJSON(200).exactly("", "bot").Equal("id", id)
	t.Get("/api/org", atlas, Header("X-Org-Id", o.ID)).statusJSON(200).exactly("", "org")
	t.Get("/api/peers", atlas).statusJSON(200).each("", "bot").Len("", 2)
	t.Get("/api/bots?status=online", atlas).statusJSON(200).Len("", 0)

	// It received messages before it connected: catch up from 0.
	t.Do("POST", thr(thread, "/participants"), peer, J{"bot_id": "atlas", "label": "editor"}).statusJSON(200).exactly("", "invited")
	t.dm(peer, "atlas", "welcome")
	t.Get("/api/me/catchup/count?since=0", atlas).statusJSON(200).exactly("", "catch-up count").
		Equal("", J{"thread_invites": 1, "thread_status_changes": 0, "thread_activities": 0, "channel_messages": 1, "total": 2})
	seen, since := t.hxaCatchup(atlas, 0), int64(0)
	t.sameIDs("the types of the catch-up events", kinds(seen), []string{"thread_invited", "channel_message_summary"})
	for _, e := range seen {
		since = max(since, num(e.JSON, "occurred_at"))
	}
	t.Get("/api/inbox?since=0", atlas).statusJSON(200).each("", "inbox row").Equal("0.content", "welcome").Equal("0.sender_name", "peer").Equal("0.channel_name", nil)

	// Connect: a ticket that can be used once, then frames with refs.
	pass := t.Do("POST", "/api/ws-ticket", atlas, nil, defaultHeaders()).statusJSON(200).exactly("", "connection ticket").Equal("expires_in", 30).Str("ticket")
	ws := t.dial("atlas", "ticket", pass)
	ws.ping()
	t.eventually(soon, "atlas is connected, but is not listed as online", func() bool { // another node may respond
		return slices.Equal(t.Get("/api/bots?status=online", atlas).statusJSON(200).Pluck("", "id"), []string{id})
	})
	sent := t.Do("POST", "/api/send", peer, J{"to": id, "content": "ping"}).statusJSON(200).exactly("", "sent").exactly("message", "channel message").
		Equal("message.content_type", "text").Equal("message.parts", []J{{"type": "text", "content": "ping"}})
	ws.asResponse(ws.next("message")).exactly("", "event message").Equal("message", sent.Value("message")).Equal("sender_name", "peer")
	ack := ws.do(J{"type": "send", "channel_id": sent.Str("channel_id"), "content": "pong"}).exactly("", "ack").exactly("result", "ack of send")
	ws.asResponse(ws.next("message")).Equal("message.id", ack.Str("result.message_id")).Equal("message.sender_id", id) // the echo comes before the ack
	t.Get("/api/channels/"+sent.Str("channel_id")+"/messages?limit=50", atlas).statusJSON(200).each("", "channel history").Len("", 3).Equal("2.content", "pong")

	t.hxaThreadWork(thread, peer, atlas, ws)

	// Disconnect, and catch up from the time of the last event.
	ws.disconnect()
	t.say(peer, thread, "while you were away")
	t.hxaMissed(atlas, since)
	t.Get("/api/me/workspace?dm_limit=20&thread_limit=20", atlas).statusJSON(200).exactly("", "workspace").each("dms.items", "workspace channel").each("threads.items", "thread in a list")
	t.Do("DELETE", thr(thread, "/participants/atlas"), atlas, nil, defaultHeaders()).statusJSON(200).exactly("", "ok").Equal("ok", true)
	t.Do("DELETE", "/api/me", atlas, nil, defaultHeaders()).statusJSON(200).exactly("", "ok with a message").Equal("ok", true)
	t.Get("/api/me", atlas).statusJSON(401).exactly("", "error").Code("INVALID_TOKEN")
}

// hxaMissed asserts that the catch-up events are after since and end with messages of a thread.
func (t *T) hxaMissed(atlas Token, since int64) {
	missed := t.hxaCatchup(atlas, since)
	for _, e := range missed {
		if num(e.JSON, "occurred_at") <= since {
			t.Errorf("catch-up since %d lists %s", since, e.Raw)
		}
	}
	if len(missed) == 0 || missed[len(missed)-1].kind() != "thread_message_summary" {
		t.Errorf("the catch-up events are %v, want a thread_message_summary at the end", kinds(missed))
	}
}

// hxaThreadWork works in a thread as these clients do: it reads the thread, replies, causes a
// revision conflict, changes artifacts, closes and reopens the thread.
func (t *T) hxaThreadWork(thread string, peer *Bot, atlas Token, ws *Socket) {
	first := t.Do("POST", thr(thread, "/messages"), peer, J{"content": "Draft is ready"}).statusJSON(200).exactly("", "sent thread message").Str("id")
	ws.asResponse(ws.next("thread_message")).exactly("", "event thread_message").exactly("message", "thread message")
	reply := J{"content": "Thanks @Peer, cc @all", "reply_to": first, "metadata": J{"lang": "en"}}
	t.Do("POST", thr(thread, "/messages"), atlas, reply).statusJSON(200).exactly("", "sent thread message").exactly("reply_to_message", "replied to").
		Equal("mentions", []J{{"bot_id": peer.ID, "name": "peer"}}).Equal("mention_all", true).Equal("metadata", J{"lang": "en"}).Equal("reply_to_message.content", "Draft is ready")
	got := t.Get(thr(thread), atlas).statusJSON(200).exactly("", "thread and members").each("participants", "participant")
	tag := got.Header.Get("ETag")
	if tag != fmt.Sprintf("%q", strconv.Itoa(int(got.Num("revision")))) {
		got.errorf("ETag is %s, want the revision in quotes", tag)
	}
	t.Get(thr(thread), atlas, Header("If-None-Match", tag)).Status(304).Empty()
	t.Do("PATCH", thr(thread), atlas, J{"topic": "Release notes 2.0"}, Header("If-Match", `"1"`)).statusJSON(409).exactly("", "error").Code("REVISION_CONFLICT")
	t.Do("PATCH", thr(thread), atlas, J{"topic": "Release notes 2.0"}, Header("If-Match", tag)).statusJSON(200).exactly("", "thread").Equal("revision", int(got.Num("revision"))+1)
	t.Do("POST", thr(thread, "/artifacts"), atlas, J{"artifact_key": "plan.v1", "type": "json", "title": "Plan", "content": "{'steps': [1, 2,],}"}).statusJSON(200).
		exactly("", "artifact").Equal("content", `{"steps": [1, 2]}`).Equal("type", "json").Equal("format_warning", false).Equal("version", 1)
	t.Do("PATCH", thr(thread, "/artifacts/plan.v1"), peer, J{"content": "{steps: 3"}).statusJSON(200).exactly("", "artifact").Equal("type", "text").Equal("format_warning", true).Equal("title", "Plan")
	t.Do("PATCH", thr(thread, "/artifacts/plan.v1"), peer, J{"content": `{"steps":3}`, "title": nil}).statusJSON(200).exactly("", "artifact").Equal("type", "json").Equal("title", nil).Equal("version", 3)
	t.Do("PATCH", thr(thread), atlas, J{"status": "closed"}).statusJSON(400)
	t.Do("PATCH", thr(thread), atlas, J{"status": "closed", "close_reason": "manual"}).statusJSON(200).exactly("", "thread").Equal("close_reason", "manual")
	t.Do("POST", thr(thread, "/messages"), atlas, J{"content": "late"}).statusJSON(409).Code("THREAD_CLOSED")
	ws.refuses("THREAD_CLOSED", J{"type": "send_thread_message", "thread_id": thread, "content": "late"}).exactly("", "error frame")
	t.Do("PATCH", thr(thread), atlas, J{"status": "active"}).statusJSON(200).Equal("close_reason", nil)
	t.Get("/api/threads", atlas).statusJSON(200).each("", "thread in a list").Len("", 1)
}

// hxaCatchup reads all catch-up events as these clients do: since stays the same, and the page
// token advances while has_more is true.
func (t *T) hxaCatchup(c Caller, since int64) (entries []Frame) {
	path := query("/api/me/catchup", "since", strconv.FormatInt(since, 10), "limit", "1")
	for at := path; ; {
		r := t.Get(at, c).statusJSON(200).exactly("", "catch-up")
		for i, e := range r.List("events") {
			one := fmt.Sprint("events.", i)
			r.exactly(one, "missed "+r.Str(one+".type"))
			o, _ := e.(map[string]any) // exactly has reported it if it is not an object
			entries = append(entries, Frame{Raw: show(e), JSON: o})
		}
		if !r.Bool("has_more") || len(entries) > 100 {
			return entries
		}
		at = path + "&cursor=" + escape(r.Str("cursor"))
	}
}

func hxaUploader(t *T) {
	o := t.Org()
	atlas, nova := o.Bot("atlas"), o.Bot("nova")
	ws := t.open("nova", nova)
	up := form{}.file("file", "t.csv", "text/csv", "a,b\n1,2\n").send(t, atlas).statusJSON(200).exactly("", "uploaded file").
		Equal("name", "t.csv").Equal("mime_type", "text/csv").Equal("size", 8)
	url := up.Str("url")
	if url != "/api/files/"+up.Str("id") {
		up.errorf("url is not /api/files/ followed by the id")
	}
	parts := []J{
		{"type": "text", "content": "as asked"},
		{"type": "file", "url": url, "name": "t.csv", "mime_type": "text/csv", "size": 8},
		{"type": "image", "url": url, "alt": "none"},
	}
	sent := t.Do("POST", "/api/send", atlas, J{"to": "nova", "parts": parts}).statusJSON(200).Equal("message.content", "as asked").Equal("message.parts", parts)
	received := ws.asResponse(ws.next("message")).Equal("message.parts", parts).Equal("message", sent.Value("message"))
	for _, c := range []Caller{nova, o.Human(), nova.Login()} {
		r := t.Get(received.Str("message.parts.1.url"), c).Status(200)
		for name, want := range map[string]string{
			"Content-Type": "text/csv", "Content-Disposition": "attachment; filename*=UTF-8''t.csv", "Content-Length": "8",
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
		} {
			if got := r.Header.Get(name); got != want {
				r.errorf("%s is %q, want %q", name, got, want)
			}
		}
		if cache := r.Header.Get("Cache-Control"); !strings.HasSuffix(cache, ", max-age=31536000, immutable") || string(r.Body) != "a,b\n1,2\n" {
			r.errorf("Cache-Control is %q", cache)
		}
	}
	t.Get(url+"/info", nova).statusJSON(200).exactly("", "file").Equal("uploader_id", atlas.ID)
	form{}.file("doc", "t.csv", "text/csv", "x").send(t, atlas).statusJSON(400).Code("UPLOAD_ERROR")
	form{}.file("file", "t.zip", "application/zip", "x").send(t, atlas).statusJSON(415).Code("UNSUPPORTED_MEDIA_TYPE")
	t.Do("POST", "/api/files/upload", atlas, nil).statusJSON(400)
}

// hxaReceiver checks the webhook requests as a receiver of HXA-Connect does.
func hxaReceiver(t *T) {
	o, h := t.Org(), t.hooks()
	const secret = "whsec-example"
	bot := h.bot(o, "nova", secret)
	thread := t.Do("POST", "/api/threads", o.Admin, J{"topic": "x", "participants": []string{"nova"}}).OK().Str("id")
	t.say(o.Admin, thread, "hi")
	t.dm(o.Admin, "nova", "ping")
	var kinds []string
	for _, d := range h.wait(5) {
		kinds = append(kinds, d.kind())
		stamp := d.header.Get("X-Hub-Timestamp")
		ms, err := strconv.ParseInt(stamp, 10, 64)
		if off := d.at.UnixMilli() - ms; err != nil || off > 300_000 || off < -300_000 {
			t.Errorf("X-Hub-Timestamp is %q, now is %d", stamp, d.at.UnixMilli())
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Authorization": "Bearer " + secret, "X-Hub-Signature-256": hubSignature(secret, stamp, d.body),
		} {
			if got := d.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q, in the delivery %s", name, got, want, d.body)
			}
		}
		if !strings.HasPrefix(string(d.body), `{"webhook_version":"1","type":"`+d.kind()+`",`) {
			t.Errorf("the body does not begin with webhook_version and type: %s", d.body)
		}
		event, _ := normal(d.event).(map[string]any)
		delete(event, "webhook_version")
		t.exactly("webhook", event, "event "+d.kind())
	}
	t.sameIDs("the types of the deliveries", kinds, []string{"thread_created", "thread_participant", "thread_participant", "thread_message", "message"})
	t.Get("/api/bots/nova/webhook/health", bot).statusJSON(200).exactly("", "webhook health").Equal("healthy", true).Equal("degraded", false)
}
