package webhook

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestSignature checks the headers of one delivery against known values
// (B2B-HOOK-004, B2B-HOOK-005).
func TestSignature(t *testing.T) {
	t.Parallel()
	body := `{"webhook_version":"1","type":"message","channel_id":"5b0c7f0e-6f0d-4b0e-9a51-0c6b2f3f8a11","message":{"id":"e1f4b1d2-3c55-4c1f-8a7a-7f2f9d0b6c01","channel_id":"5b0c7f0e-6f0d-4b0e-9a51-0c6b2f3f8a11","sender_id":"aaaaaaaa-0000-4000-8000-000000000001","content":"ping","content_type":"text","parts":[{"type":"text","content":"ping"}],"created_at":1767225600000},"sender_name":"atlas"}`
	h := headers(t, "whsec-example", "id", time.UnixMilli(1767225600123), body)
	for name, want := range map[string]string{
		"Authorization": "Bearer whsec-example", "X-Hub-Timestamp": "1767225600123", "Webhook-Id": "id", "Webhook-Timestamp": "1767225600",
		"X-Hub-Signature-256": "sha256=9b44631e3943476716a8d4638b780322cdac9740716941bba01de711183e08b6",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// The example of the Standard Webhooks libraries.
	h = headers(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), `{"test": 2432232314}`)
	if got := h.Get("Webhook-Signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("Standard Webhooks: %s", got)
	}
	h = headers(t, "", "id", time.Unix(1, 0), "")
	if len(h) != 2 || h.Get("Webhook-Id") != "id" {
		t.Errorf("without a secret: %v", h)
	}
	h = headers(t, "a\nb", "id", time.Unix(1, 0), "")
	if h.Get("Authorization") != "" || h.Get("X-Hub-Signature-256") == "" {
		t.Errorf("a secret that is not valid in a header: %v", h)
	}
}

// headers returns the headers of a signer.
func headers(t *testing.T, secret, id string, now time.Time, body string) http.Header {
	t.Helper()
	s, h := newSigner(secret), http.Header{}
	s.setHeaders(h)
	text := s.appendTo(nil, id, now, []byte(body))
	own, err := textproto.NewReader(bufio.NewReader(strings.NewReader(string(text) + "\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(h, http.Header(own))
	return h
}

func TestDeliveryID(t *testing.T) {
	t.Parallel()
	p := eventlog.Position{Epoch: "e", Seq: 1, Check: 7}
	first := deliveryID("bot", p.String())
	if first != deliveryID("bot", p.String()) || first != "0f049789-e1b8-8792-8249-427bbdd048e5" {
		t.Errorf("the id is %q, which differs from that of earlier versions", first)
	}
	others := []string{deliveryID("bob", p.String())}
	for _, q := range []eventlog.Position{{Epoch: "f", Seq: 1, Check: 7}, {Epoch: "e", Seq: 2, Check: 7}, {Epoch: "e", Seq: 1, Check: 8}} {
		others = append(others, deliveryID("bot", q.String()))
	}
	if slices.Contains(others, first) {
		t.Errorf("%s names two deliveries", first)
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL+"/hooks/inbox?x=1", "hush")
		fx.node("n")
		fx.say("ann", "bob", 1)
		g := fx.receives(r, 1)[0]
		if !strings.HasPrefix(string(g.body), `{"webhook_version":"1","type":"message","channel_id":"channel-bob","message":{`) || !json.Valid(g.body) {
			t.Errorf("the body is %s", g.body)
		}
		var body struct{ Cursor string }
		if err := json.Unmarshal(g.body, &body); err != nil {
			t.Fatal(err)
		}
		if _, err := eventlog.ParsePosition(body.Cursor); err != nil || g.id != deliveryID("bob", body.Cursor) {
			t.Errorf("the cursor %q does not name the event of delivery %s: %v", body.Cursor, g.id, err)
		}
		want := headers(t, "hush", g.id, fx.clock.Now(), string(g.body))
		for name := range want {
			if g.header.Get(name) != want.Get(name) {
				t.Errorf("%s: %q, want %q", name, g.header.Get(name), want.Get(name))
			}
		}
		if g.header.Get("Content-Type") != "application/json" || g.header.Get("User-Agent") != "b2b-webhook/test" {
			t.Errorf("headers %v", g.header)
		}
	})
}

// TestRecipients checks which webhooks get which events (B2B-HOOK-001).
func TestRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		receivers := map[string]*receiver{}
		for _, id := range []string{"bob", "eve", "sue"} {
			receivers[id] = fx.receiver()
			fx.bot(id, receivers[id].URL, "")
		}
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			bob := "bob"
			err := tx.CreateThread(ctx, &store.Thread{ID: "t", OrgID: "org", InitiatorID: &bob, Status: "active", Visibility: "public", JoinPolicy: "open"},
				[]store.Participant{{ThreadID: "t", BotID: "bob", JoinedAt: 1}, {ThreadID: "t", BotID: "eve", JoinedAt: 1}})
			if err != nil {
				return err
			}
			return tx.SetBotRole(ctx, "sue", store.AuthAdmin)
		})
		fx.node("n")
		thread, bob := "t", "bob"
		inThread := store.Event{Audience: store.AudienceThread, ThreadID: &thread, ActorID: &bob}
		for _, e := range []*b2bv1.Event{
			{Event: &b2bv1.Event_ThreadCreated{ThreadCreated: &b2bv1.ThreadCreatedEvent{Thread: &b2bv1.Thread{Id: "t"}}}},
			{Event: &b2bv1.Event_ThreadUpdated{ThreadUpdated: &b2bv1.ThreadUpdatedEvent{Thread: &b2bv1.Thread{Id: "t"}}}},
			{Event: &b2bv1.Event_ThreadStatusChanged{ThreadStatusChanged: &b2bv1.ThreadStatusChangedEvent{ThreadId: "t"}}},
			{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{ThreadId: "t", BotId: "eve"}}},
			{Event: &b2bv1.Event_ThreadJoinRequest{ThreadJoinRequest: &b2bv1.ThreadJoinRequestEvent{ThreadId: "t"}}},
			{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: "t", Message: &b2bv1.ThreadMessage{SenderId: &bob}}}},
			{Event: &b2bv1.Event_ThreadArtifact{ThreadArtifact: &b2bv1.ThreadArtifactEvent{ThreadId: "t", Artifact: &b2bv1.Artifact{ContributorId: &bob}}}},
		} {
			fx.emit(inThread, e)
		}
		fx.emit(store.Event{Audience: store.AudienceOrg}, &b2bv1.Event{Event: &b2bv1.Event_BotRenamed{BotRenamed: &b2bv1.BotRenamedEvent{BotId: "bob"}}})
		fx.emit(store.Event{Audience: store.AudienceBot, BotID: &bob}, &b2bv1.Event{Event: &b2bv1.Event_ThreadJoinResolved{ThreadJoinResolved: &b2bv1.ThreadJoinResolvedEvent{ThreadId: "t"}}})
		fx.emit(store.Event{Audience: store.AudienceAdmins}, &b2bv1.Event{Event: &b2bv1.Event_BotJoinRequest{BotJoinRequest: &b2bv1.BotJoinRequestEvent{OrgId: "org"}}})
		fx.say("bob", "bob", 1) // its own
		for id := range receivers {
			fx.say("ann", id, 1) // the last of all
		}
		all := "thread_created thread_updated thread_status_changed thread_participant thread_join_request"
		for id, want := range map[string]string{
			"bob": all + " message", "eve": all + " thread_message thread_artifact message", "sue": "bot_join_request message",
		} {
			var types []string
			for _, g := range fx.receives(receivers[id], len(strings.Fields(want))) {
				var e struct{ Type string }
				if err := json.Unmarshal(g.body, &e); err != nil {
					t.Fatal(err)
				}
				types = append(types, e.Type)
			}
			if got := strings.Join(types, " "); got != want {
				t.Errorf("%s receives %s, want %s", id, got, want)
			}
		}
	})
}

// TestSchedule checks that attempts are made at the times of B2B-HOOK-011, and no others.
func TestSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "hush")
		r.respond(status(500))
		var refused atomic.Int64
		d, _ := fx.node("n", func(s *setup) {
			s.Attempted = func(o Outcome, _ time.Duration) {
				if refused.Add(1); o != Refused {
					t.Errorf("the outcome of an attempt is %s", o)
				}
			}
		})
		fx.say("ann", "bob", 1)
		for i, delay := range delays {
			fx.receives(r, i+1)
			// The reader has handled the response when it waits for the next attempt.
			fx.await("the event is set aside", 0, func() bool { return fx.clock.waits(fx.clock.Now().Add(min(delay, saveAfter))) })
			fx.clock.advance(saveAfter)
			fx.await("it is saved", 0, func() bool { return len(fx.waiting("bob")) == 1 && fx.waiting("bob")[0].Attempts == int64(i+1) })
			fx.clock.advance(delay - saveAfter - time.Millisecond)
			synctest.Wait()
			if n := len(r.got()); n != i+1 {
				t.Fatalf("%d attempts %v after the last", n, delay-time.Millisecond)
			}
			if s := d.Stats(); s.Serving != 1 || s.Waiting != 1 || s.DeadLetters != 0 {
				t.Errorf("the numbers before the last attempt are %+v", s)
			}
			if h := fx.health("bob"); h.ConsecutiveFailures != 0 {
				t.Errorf("%+v before the last attempt", h)
			}
			fx.clock.advance(time.Millisecond)
		}
		fx.receives(r, 4)
		fx.await("a dead letter", 100*time.Millisecond, func() bool { return len(fx.dead("bob")) == 1 })
		if s := d.Stats(); s.Waiting != 0 || s.DeadLetters != 1 || refused.Load() != 4 {
			t.Errorf("%d attempts were reported, and the numbers are %+v", refused.Load(), s)
		}
		letter, h := fx.dead("bob")[0], fx.health("bob")
		if d := letter; d.ID != r.got()[0].id || d.Attempts != 4 || d.Status == nil || *d.Status != 500 || d.Reason != "responded 500" || d.EventType != "message" {
			t.Errorf("the dead letter is %+v", letter)
		}
		if h.ConsecutiveFailures != 1 || h.LastFailure == nil || h.LastSuccess != nil || h.Degraded {
			t.Errorf("the health is %+v", h)
		}
		fx.clock.advance(time.Hour)
		synctest.Wait()
		if n := len(r.got()); n != 4 {
			t.Errorf("%d attempts in all", n)
		}
		fx.wantSameIDs(r.got(), []string{"1"})
		var stamps []string
		for _, g := range r.got() {
			stamps = append(stamps, g.header.Get("X-Hub-Timestamp"))
		}
		slices.Sort(stamps)
		if len(slices.Compact(stamps)) != 4 {
			t.Errorf("two attempts have the same timestamp: %v", stamps)
		}
	})
}

// waits reports whether a timer is set for this time.
func (c *clock) waits(at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.timers {
		if t.at.Equal(at) {
			return true
		}
	}
	return false
}

// TestOrder: an event that fails does not delay later ones, and is retried under its id.
func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		fail := true
		r.respond(func(rw http.ResponseWriter, _ *http.Request) {
			if n := len(r.got()); fail && n == 3 {
				fail = false
				rw.WriteHeader(503)
			}
		})
		fx.node("n")
		want := fx.say("ann", "bob", 6)
		if got := texts(fx.receives(r, 6)); !slices.Equal(got, want) {
			t.Errorf("first attempts: %v", got)
		}
		fx.await("the third again", 50*time.Millisecond, func() bool { return len(r.got()) == 7 })
		all := r.got()
		if all[6].text != "3" || all[6].id != all[2].id {
			t.Errorf("the seventh is %s %s", all[6].text, all[6].id)
		}
		fx.await("health", 50*time.Millisecond, func() bool { return fx.health("bob").LastSuccess != nil && len(fx.waiting("bob")) == 0 })
		if h := fx.health("bob"); h.LastFailure != nil || h.ConsecutiveFailures != 0 {
			t.Errorf("an event that was delivered counts as failed: %+v", h)
		}
	})
}

// BenchmarkSign measures the signatures of one delivery. Compare B/op and allocs/op.
func BenchmarkSign(b *testing.B) {
	s, text, body := newSigner("a secret"), []byte(nil), make([]byte, 700)
	b.ReportAllocs()
	for b.Loop() {
		text = s.appendTo(text[:0], "id", time.UnixMilli(1767225600123), body)
	}
}
