package conformance

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// hookChecks returns the checks of webhooks. The suite runs the receivers, so the server must allow
// its address (B2B_WEBHOOK_ALLOW=127.0.0.1, or that of the flag --receiver).
func hookChecks() []Check {
	return []Check{
		{[]string{"B2B-HOOK-002", "B2B-HOOK-003", "B2B-HOOK-004", "B2B-HOOK-005"}, "a webhook delivers a signed copy of the event", signedDelivery},
		{[]string{"B2B-HOOK-001", "B2B-HOOK-012"}, "webhooks deliver the specified events in the order of the event log", hookEvents},
		{[]string{"B2B-HOOK-001"}, "webhooks of active admin bots receive bot_join_request", hookJoinRequests},
		{[]string{"B2B-HOOK-001", "B2B-HOOK-016", "B2B-EVT-027"}, "a new webhook receives its first event within a second, events for admins included", newHook},
		{[]string{"B2B-HOOK-003", "B2B-HOOK-010", "B2B-HOOK-011", "B2B-HOOK-012", "B2B-HOOK-013", "B2B-HOOK-020"}, "a failed delivery is retried with the same id", retriedDelivery},
		{[]string{"B2B-HOOK-015"}, "a receiver that does not respond delays no other webhook, also after its bot was deleted", silentReceiver},
		{[]string{"B2B-LIM-046"}, "a response counts when its head arrives, even if its body does not end", longResponses},
		{[]string{"B2B-HOOK-011", "B2B-HOOK-013", "B2B-HOOK-020", "B2B-HOOK-025", "B2B-HOOK-026"}, "a delivery that failed four times is a dead letter and can be redelivered", deadLetters},
		{[]string{"B2B-HOOK-021", "B2B-RCPT-003"}, "ten failures degrade a webhook until its bot connects", degradedHook},
		{[]string{"B2B-HOOK-030"}, "webhook URLs with an internal address in any notation are rejected", func(t *T) {
			o := t.Org()
			for _, hook := range []string{
				"https://user:pass@8.8.8.8/", "https://user@8.8.8.8/", "https://hooks.example@10.0.0.1/", "https://bücher.example/", "https://①②⑦.⓪.⓪.⑨/", "https://2130706441/",
				"https://0x7f000009/", "https://017700000011/", "https://127.9/", "https://127.9.9.9./", "https://100.64.0.1/", "https://192.0.2.1/", "https://198.18.0.1/",
				"https://203.0.113.9/", "https://224.0.0.1/", "https://255.255.255.255/", "https://[::]/", "https://[64:ff9b::10.0.0.1]/", "https://[2002:a00:1::]/", "https://[2001::1]/",
				"https://[fe80::1%25eth0]/", "https://[febf::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/", "http://8.8.8.8/",
			} {
				o.Register(J{"org_secret": o.Secret, "name": "hooked", "webhook_url": hook}).Refused(400, "VALIDATION_ERROR")
			}
			o.Register(J{"org_secret": o.Secret, "name": "hooked", "webhook_url": "https://[2606:4700::1111]:8443/hook?x=%20"}).Status(200)
		}},
	}
}

func signedDelivery(t *T) {
	o, h := t.Org(), t.hooks()
	for _, secret := range []string{"hush ünïcode", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""} {
		before := len(h.got())
		bot := h.bot(o, fmt.Sprintf("bot%d", before), secret)
		dm(t, o.Admin, bot, "one", "two")
		ids := map[string]bool{}
		for _, d := range h.wait(before + 2)[before:] {
			ids[d.id()] = true
			if !bytes.HasPrefix(d.body, []byte(`{"webhook_version":"1","type":"message",`)) || d.event["sender_name"] != "admin" || d.event["cursor"] == nil {
				t.Errorf("the body is %s", d.body)
			}
			if got := d.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("the content type is %q", got)
			}
			seconds, err := strconv.ParseInt(d.header.Get("webhook-timestamp"), 10, 64)
			if err != nil || d.at.Sub(time.Unix(seconds, 0)).Abs() > time.Minute {
				t.Errorf("webhook-timestamp is %q", d.header.Get("webhook-timestamp"))
			}
			want := map[string]string{"X-Hub-Timestamp": "", "X-Hub-Signature-256": "", "Authorization": "", "webhook-signature": ""}
			if secret != "" {
				ms := d.header.Get("X-Hub-Timestamp")
				if n, err := strconv.ParseInt(ms, 10, 64); err != nil || n/1000 != seconds {
					t.Errorf("X-Hub-Timestamp is %q, webhook-timestamp %d", ms, seconds)
				}
				want = map[string]string{
					"X-Hub-Signature-256": hubSignature(secret, ms, d.body), "Authorization": "Bearer " + secret,
					"webhook-signature": standardSignature(secret, d.id(), d.header.Get("webhook-timestamp"), d.body),
				}
			}
			for name, value := range want {
				if got := d.header.Get(name); got != value {
					t.Errorf("with the secret %q, %s is %q, want %q", secret, name, got, value)
				}
			}
		}
		if len(ids) != 2 || ids[""] {
			t.Errorf("two deliveries have the ids %v", ids)
		}
	}
}

func hookEvents(t *T) {
	o, ours, theirs := t.Org(), t.hooks(), t.hooks()
	a, b := ours.bot(o, "a", ""), theirs.bot(o, "b", "")
	thread := t.Do("POST", "/api/threads", a, J{"topic": "x", "participants": []string{b.ID}}).OK().Str("id")
	path := "/api/threads/" + thread
	t.Do("POST", path+"/messages", a, J{"content": "by a"}).OK()
	t.Do("POST", path+"/artifacts", a, J{"artifact_key": "k", "type": "text", "content": "c"}).OK()
	t.Do("PATCH", path, a, J{"status": "blocked"}).OK()
	t.Do("PATCH", "/api/me/name", a, J{"name": "renamed"}).OK()
	dm(t, a, b, "to b")
	dm(t, b, a, "to a")
	kinds := func(h *hooks, n int) (kinds []string) {
		for _, d := range h.wait(n) {
			kinds = append(kinds, d.kind())
		}
		return kinds
	}
	both := "thread_created thread_participant thread_participant"
	for h, want := range map[*hooks]string{
		ours:   both + " thread_status_changed thread_updated message",
		theirs: both + " thread_message thread_artifact thread_status_changed thread_updated message",
	} {
		if got := strings.Join(kinds(h, len(strings.Fields(want))), " "); strings.ReplaceAll(got, "thread_updated thread_status_changed", "thread_status_changed thread_updated") != want {
			t.Errorf("received %s, want %s", got, want)
		}
	}
	theirs.respondWith(nil)
	texts := []string{}
	for i := range 30 {
		texts = append(texts, fmt.Sprint("n", i))
	}
	before := len(theirs.got())
	dm(t, a, b, texts...)
	var got []string
	for _, d := range theirs.wait(before + 30)[before:] {
		got = append(got, d.content())
	}
	if !slices.Equal(got, texts) {
		t.Errorf("received %v, which is not the order of the messages", got)
	}
}

func hookJoinRequests(t *T) {
	o, admin, member := t.Org(), t.hooks(), t.hooks()
	a, m := admin.bot(o, "boss", ""), member.bot(o, "member", "")
	a.Promote()
	o.PendingBot("newcomer")
	dm(t, o.Admin, a, "last")
	dm(t, o.Admin, m, "last")
	if got := admin.wait(2); got[0].kind() != "bot_join_request" || got[1].kind() != "message" {
		t.Errorf("the admin received %s, %s", got[0].body, got[1].body)
	}
	if got := member.wait(1); got[0].kind() != "message" {
		t.Errorf("a member received %s", got[0].body)
	}
}

// newHook compares with the time of a delivery to a receiver that has had one before, since the
// suite and the server can share a slow machine.
func newHook(t *T) {
	var took, later []time.Duration
	for range 5 {
		o, h := t.Org(), t.hooks()
		h.bot(o, "boss", "").Promote()
		begun := time.Now()
		o.PendingBot("newcomer")
		d := h.wait(1)[0]
		if d.kind() != "bot_join_request" {
			t.Errorf("an admin received %s", d.body)
		}
		took = append(took, d.at.Sub(begun))
		begun = time.Now()
		o.PendingBot("second")
		later = append(later, h.wait(2)[1].at.Sub(begun))
	}
	slices.Sort(took)
	slices.Sort(later)
	if took[len(took)/2] > later[len(later)/2]+t.patient(time.Second) {
		t.Errorf("the first attempts arrived after %v, the second ones after %v", took, later)
	}
}

func retriedDelivery(t *T) {
	o, h, elsewhere := t.Org(), t.hooks(), t.hooks()
	bot := h.bot(o, "bot", "hush")
	turns := []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.url)
			w.WriteHeader(307)
		},
	}
	h.respondWith(func(w http.ResponseWriter, r *http.Request) {
		if n := len(h.got()); n == 1 {
			turns[0](w, r)
		} else if n == 3 {
			turns[1](w, r)
		}
	})
	dm(t, o.Admin, bot, "one")
	h.wait(1)
	dm(t, o.Admin, bot, "two")
	got := h.wait(4)
	if got[0].content() != "one" || got[1].content() != "two" || got[2].content() != "one" || got[3].content() != "one" {
		t.Errorf("received the messages %s %s %s %s", got[0].content(), got[1].content(), got[2].content(), got[3].content())
	}
	if got[0].id() != got[2].id() || got[0].id() != got[3].id() || got[0].id() == got[1].id() {
		t.Errorf("the ids are %s %s %s %s", got[0].id(), got[1].id(), got[2].id(), got[3].id())
	}
	if first, second := got[2].at.Sub(got[0].at), got[3].at.Sub(got[2].at); first < 900*time.Millisecond || second < 4900*time.Millisecond {
		t.Errorf("retried after %v and %v, want at least 1 s and 5 s", first, second)
	}
	if got[0].header.Get("X-Hub-Timestamp") == got[2].header.Get("X-Hub-Timestamp") {
		t.Errorf("two attempts have the same X-Hub-Timestamp")
	}
	if n := len(elsewhere.got()); n != 0 {
		t.Errorf("a redirect was followed")
	}
	t.eventually(5*time.Second, "last_success is not set", func() bool { return health(t, bot).Value("last_success") != nil })
	health(t, bot).Equal("healthy", true).Equal("consecutive_failures", 0).Equal("last_failure", nil).Equal("degraded", false)
}

func silentReceiver(t *T) {
	o, other, hanging, late := t.Org(), t.hooks(), t.hooks(), t.hooks()
	fine, stuck := other.bot(o, "fine", ""), hanging.bot(o, "stuck", "")
	var cancelled atomic.Bool // by the server
	hanging.respondWith(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		cancelled.Store(true)
	})
	dm(t, o.Admin, fine, "first")
	other.wait(1)
	dm(t, o.Admin, stuck, "hello")
	hanging.wait(1)
	dm(t, o.Admin, fine, "second")
	other.wait(2)
	if cancelled.Load() {
		t.Errorf("another bot received its event only after the server had cancelled the request that got no response")
	}
	t.Do("DELETE", "/api/bots/"+stuck.ID, o.Admin, nil).OK()
	newcomer := late.bot(o, "newcomer", "")
	dm(t, o.Admin, newcomer, "welcome")
	dm(t, o.Admin, fine, "third")
	late.wait(1)
	other.wait(3)
	t.eventually(15*time.Second, "the server did not cancel a request that got no response", cancelled.Load) // HOOK-010: 10 s
}

func deadLetters(t *T) {
	o, h := t.Org(), t.hooks()
	bot := h.bot(o, "bot", "")
	h.respondStatus(503)
	dm(t, o.Admin, bot, "one", "two")
	h.wait(2)
	t.Sleep(38 * time.Second)
	got := h.wait(8)
	dead := func(query string) *Response { return t.Get("/api/org/webhooks/dead-letters"+query, o.Admin) }
	t.eventually(5*time.Second, "there are not two dead letters", func() bool { return len(dead("").OK().List("items")) == 2 })
	health(t, bot).Equal("healthy", false).Equal("consecutive_failures", 2).Equal("last_success", nil).Shape("", "last_failure:i")
	list := dead("?bot=bot").OK().Equal("has_more", false).Lacks("cursor")
	for i := range 2 {
		list.Shape(fmt.Sprintf("items.%d", i), "delivery_id:s bot_id:s event_type:s attempts:i status:i reason:s failed_at:i").
			Equal(fmt.Sprintf("items.%d.attempts", i), 4).Equal(fmt.Sprintf("items.%d.status", i), 503).Equal(fmt.Sprintf("items.%d.bot_id", i), bot.ID)
	}
	first := dead("?limit=1").OK().Len("items", 1).Equal("has_more", true)
	rest := dead("?limit=1&cursor="+first.Str("cursor")).OK().Len("items", 1).Equal("has_more", false)
	if ids := list.Pluck("items", "delivery_id"); !slices.Equal(ids, []string{first.Str("items.0.delivery_id"), rest.Str("items.0.delivery_id")}) {
		t.Errorf("the pages have other dead letters than the list")
	}
	if !slices.Contains(list.Pluck("items", "delivery_id"), got[0].id()) {
		t.Errorf("%s is not the id of a dead letter", got[0].id())
	}
	dead("?bot=nobody").Refused(404, "NOT_FOUND")
	dead("?bot="+o.Admin.ID).OK().Len("items", 0)
	t.Get("/api/org/webhooks/dead-letters", bot).Refused(403, "FORBIDDEN")
	other := t.Org()
	t.Get("/api/org/webhooks/dead-letters", other.Admin).OK().Len("items", 0)

	redeliver := func(c Caller, body J) *Response { return t.Do("POST", "/api/org/webhooks/redeliver", c, body) }
	one := list.Str("items.1.delivery_id")
	redeliver(o.Admin, J{}).Refused(400, "VALIDATION_ERROR")
	redeliver(o.Admin, J{"bot": "nobody"}).Refused(404, "NOT_FOUND")
	redeliver(o.Admin, J{"bot": bot.ID, "delivery_id": "nonsense"}).Refused(404, "NOT_FOUND")
	redeliver(o.Admin, J{"bot": o.Admin.ID, "delivery_id": one}).Refused(404, "NOT_FOUND")
	redeliver(other.Admin, J{"bot": bot.ID}).Refused(404, "NOT_FOUND")
	redeliver(bot, J{"bot": bot.ID}).Refused(403, "FORBIDDEN")
	h.respondWith(nil)
	redeliver(o.Admin, J{"bot": "bot", "delivery_id": one}).OK().Equal("redelivered", 1)
	if d := h.wait(9)[8]; d.id() != one {
		t.Errorf("redelivered as %s, want %s", d.id(), one)
	}
	redeliver(o.Human(), J{"bot": bot.ID}).OK().Equal("redelivered", 1)
	h.wait(10)
	redeliver(o.Admin, J{"bot": bot.ID}).OK().Equal("redelivered", 0)
	t.eventually(5*time.Second, "the webhook is not healthy", func() bool { return health(t, bot).Bool("healthy") })
	dead("").OK().Len("items", 0)
	audit := o.Audit("webhook.redeliver").Len("", 2).Equal("0.target_id", bot.ID).Equal("1.detail.redelivered", 1)
	audit.Equal("1.detail.delivery_id", one).Equal("0.bot_id", nil)
}

func degradedHook(t *T) {
	o, h := t.Org(), t.hooks()
	bot := h.bot(o, "bot", "")
	h.respondStatus(500)
	for i := range 10 {
		dm(t, o.Admin, bot, fmt.Sprint(i))
	}
	h.wait(10)
	t.Sleep(37 * time.Second)
	t.eventually(20*time.Second, "the webhook is not degraded", func() bool { return health(t, bot).Bool("degraded") })
	before := len(h.got())
	h.respondWith(nil)
	t.dm(o.Admin, bot.ID, "missed").reach()
	t.eventually(5*time.Second, "there is no dead letter", func() bool {
		return t.Get("/api/org/webhooks/dead-letters?bot=bot", o.Admin).OK().Num("items.0.attempts") == 0
	})
	if n := len(h.got()); n != before {
		t.Errorf("a degraded webhook received a delivery")
	}
	t.open("bot", bot)
	health(t, bot).Equal("degraded", false).Equal("healthy", true)
	t.dm(o.Admin, bot.ID, "again").reach("live", "webhook")
	if d := h.wait(before + 1)[before]; d.content() != "again" {
		t.Errorf("received %s", d.body)
	}
}

// dm sends direct messages.
func dm(t *T, from, to *Bot, texts ...string) {
	for _, text := range texts {
		t.Do("POST", "/api/send", from, J{"to": to.ID, "content": text}).OK()
	}
}

// health returns the health of the webhook of a bot.
func health(t *T, b *Bot) *Response { return t.Get("/api/bots/"+b.Name+"/webhook/health", b).OK() }

// longResponses has receivers with endless response bodies: one slow, one fast. Both events of each
// must be delivered without delay. A receiver that sends no response head is the control.
func longResponses(t *T) {
	body := func(piece []byte, pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(piece); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(pause)
			}
		}
	}
	o := t.Org()
	slow, fast, mute := t.hooks(), t.hooks(), t.hooks()
	slow.respondWith(body([]byte("x"), 50*time.Millisecond))
	fast.respondWith(body(make([]byte, 64<<10), 0))
	mute.respondWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	late := mute.bot(o, "mute", "")
	dm(t, o.Admin, late, "one")
	for name, h := range map[string]*hooks{"slow": slow, "fast": fast} {
		bot := h.bot(o, name, "")
		dm(t, o.Admin, bot, "one", "two")
		got := h.wait(2)
		if took := got[1].at.Sub(got[0].at); took > 6*time.Second { // expected 1 s; 10 s if the server read the body
			t.Errorf("%s: received the next event after %v", name, took)
		}
		if got[0].content() != "one" || got[1].content() != "two" {
			t.Errorf("%s: received the messages %s, %s", name, got[0].content(), got[1].content())
		}
		t.eventually(5*time.Second, "last_success is not set", func() bool { return health(t, bot).Value("last_success") != nil })
		health(t, bot).Equal("healthy", true).Equal("consecutive_failures", 0)
	}
	t.eventually(20*time.Second, "a delivery without a response is not retried", func() bool { return len(mute.got()) > 1 })
	health(t, late).Equal("last_success", nil)
}
