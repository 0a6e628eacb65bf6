package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestDegraded: ten failed events in a row degrade a webhook. It then gets no first attempts until
// the bot connects or a retry succeeds.
func TestDegraded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		r.respond(status(500))
		fx.node("n")
		want := fx.say("ann", "bob", 10)
		fx.await("degraded", 500*time.Millisecond, func() bool { return fx.health("bob").Degraded })
		if n := len(r.got()); n != 40 {
			t.Errorf("%d attempts for ten events", n)
		}
		if h := fx.health("bob"); h.ConsecutiveFailures != 10 || len(fx.dead("bob")) != 10 {
			t.Errorf("%+v, %d dead", h, len(fx.dead("bob")))
		}
		r.respond(nil)
		want = append(want, fx.say("ann", "bob", 2)...)
		fx.await("dead letters", 500*time.Millisecond, func() bool { return len(fx.dead("bob")) == 12 })
		if d := fx.dead("bob")[0]; d.Attempts != 0 || !strings.Contains(d.Reason, "degraded") {
			t.Errorf("%+v", d)
		}
		if n := len(r.got()); n != 40 {
			t.Errorf("%d attempts: some to a degraded webhook", n)
		}
		// The bot connects: its health is reset, with a record for the node that serves the webhook.
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			if err := tx.PutWebhookStatus(ctx, &store.WebhookStatus{BotID: "bob"}); err != nil {
				return err
			}
			_, err := tx.Append(ctx, store.WebhookChanged("bob", fx.clock.Now().UnixMilli()))
			return err
		})
		want = append(want, fx.say("ann", "bob", 1)...)
		fx.receives(r, 41)
		// An admin redelivers the dead letters.
		fx.redeliver("bob", "", 12)
		fx.receives(r, 53)
		fx.await("settled", 500*time.Millisecond, func() bool { return len(fx.waiting("bob"))+len(fx.dead("bob")) == 0 })
		fx.wantSameIDs(r.got(), want)
	})
}

// TestRedeliveryEndsDegradation: a degraded webhook gets redeliveries, and a success ends its
// degradation.
func TestRedeliveryEndsDegradation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			return tx.PutWebhookStatus(ctx, &store.WebhookStatus{BotID: "bob", Degraded: true, ConsecutiveFailures: 10})
		})
		fx.node("n")
		want := fx.say("ann", "bob", 3)
		fx.await("dead letters", 500*time.Millisecond, func() bool { return len(fx.dead("bob")) == 3 })
		first := fx.dead("bob")[2]
		fx.redeliver("bob", first.ID, 1)
		if g := fx.receives(r, 1)[0]; g.id != first.ID {
			t.Errorf("delivered %s, want %s", g.id, first.ID)
		}
		fx.await("not degraded", 500*time.Millisecond, func() bool { h := fx.health("bob"); return !h.Degraded && h.ConsecutiveFailures == 0 })
		want = append(want, fx.say("ann", "bob", 1)...)
		fx.receives(r, 2)
		fx.redeliver("bob", "", 2)
		fx.wantSameIDs(fx.receives(r, 4), want)
	})
}

func (fx *fixture) redeliver(bot, id string, n int64) {
	fx.Helper()
	fx.change("org", func(ctx context.Context, tx store.Tx) error {
		got, err := tx.Redeliver(ctx, bot, id, fx.clock.Now().UnixMilli())
		if err != nil {
			return err
		}
		if got != n {
			fx.Errorf("%d dead letters are redelivered, want %d", got, n)
		}
		_, err = tx.Append(ctx, store.WebhookChanged(bot, fx.clock.Now().UnixMilli()))
		return err
	})
}

// hijack responds with raw bytes, then repeats more, and closes the connection when hang is
// closed.
func hijack(response string, hang <-chan struct{}, more string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		send(conn, response)
		for more != "" {
			select {
			case <-hang:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if !send(conn, more) {
				return
			}
		}
		if hang != nil {
			<-hang
		}
	}
}

func send(c net.Conn, text string) bool {
	_, err := c.Write([]byte(text))
	return err == nil
}

// TestReceiverFaults: with any fault of a receiver no event is lost, no event has two ids, and
// other webhooks are not delayed.
func TestReceiverFaults(t *testing.T) {
	t.Parallel()
	endless := strings.Repeat("x", 32<<10)
	for name, c := range map[string]struct {
		response  func(hang chan struct{}) http.HandlerFunc
		delivered bool
		reason    string
	}{
		"hangs":        {func(h chan struct{}) http.HandlerFunc { return hijack("", h, "") }, false, "no response in time"},
		"responds 500": {func(chan struct{}) http.HandlerFunc { return status(500) }, false, "responded 500"},
		"responds 404": {func(chan struct{}) http.HandlerFunc { return status(404) }, false, "responded 404"},
		"responds 304": {func(chan struct{}) http.HandlerFunc { return status(304) }, false, "responded 304"},
		"responds 204": {func(chan struct{}) http.HandlerFunc { return status(204) }, true, ""},
		"redirects": {func(chan struct{}) http.HandlerFunc {
			return http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect).ServeHTTP
		}, false, "responded 307"},
		"redirects inside": {func(chan struct{}) http.HandlerFunc {
			return http.RedirectHandler("http://169.254.169.254/", http.StatusFound).ServeHTTP
		}, false, "responded 302"},
		"closes early":      {func(chan struct{}) http.HandlerFunc { return hijack("", nil, "") }, false, "the connection failed before the response"},
		"is not HTTP":       {func(chan struct{}) http.HandlerFunc { return hijack("SSH-2.0-x\r\n\r\n", nil, "") }, false, "the connection failed before the response"},
		"closes mid-header": {func(chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\nA: b", nil, "") }, false, "the connection failed before the response"},
		"drips headers":     {func(h chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\nA: ", h, "x") }, false, "no response in time"},
		"endless headers":   {func(h chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\nA: ", h, endless) }, false, "the connection failed before the response"},
		"endless body":      {func(h chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\n\r\n", h, endless) }, true, ""},
		"dripping body": {func(h chan struct{}) http.HandlerFunc {
			return hijack("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", h, "x")
		}, true, ""},
		"lies about length": {func(chan struct{}) http.HandlerFunc {
			return hijack("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", nil, "")
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				bad, good := fx.receiver(), fx.receiver()
				hang := make(chan struct{})
				defer close(hang)
				bad.respond(c.response(hang))
				fx.bot("bob", bad.URL, "")
				fx.bot("eve", good.URL, "")
				_, stop := fx.node("n", func(c *setup) { c.timeout = 300 * time.Millisecond })
				first := fx.say("ann", "bob", 1)
				fx.receives(bad, 1)
				others := fx.say("ann", "eve", 20)
				fx.wantSameIDs(fx.receives(good, 20), others)
				if c.delivered {
					fx.await("delivered", 100*time.Millisecond, func() bool { return fx.health("bob").LastSuccess != nil })
					if n := len(bad.got()); n != 1 {
						t.Errorf("%d requests", n)
					}
					stop()
					return
				}
				fx.await("set aside", 20*time.Millisecond, func() bool { return len(fx.waiting("bob")) == 1 })
				if got := fx.waiting("bob")[0]; !strings.HasPrefix(got.Reason, c.reason) {
					t.Errorf("the reason is %q, want %q", got.Reason, c.reason)
				}
				bad.respond(nil)
				all := append(first, fx.say("ann", "bob", 3)...)
				fx.await("all of it", 20*time.Millisecond, func() bool {
					h := fx.health("bob")
					return len(fx.waiting("bob")) == 0 && h.LastSuccess != nil && h.ConsecutiveFailures == 0 && len(bad.got()) >= 5
				})
				fx.wantSameIDs(bad.got(), all)
				if n := len(fx.dead("bob")); n != 0 {
					t.Errorf("%d dead letters", n)
				}
				stop()
			})
		})
	}
}

// TestFloodIsBounded: for a receiver that always fails, at most maxSetAside events are set aside
// and maxDead dead letters are kept. The other events stay in the log.
func TestFloodIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		r.respond(status(500))
		d, _ := fx.node("n")
		fx.say("ann", "bob", 1500)
		most := 0
		fx.await("degraded", 250*time.Millisecond, func() bool {
			most = max(most, len(fx.waiting("bob")))
			return fx.health("bob").Degraded
		})
		if most > maxSetAside || most < maxSetAside/2 {
			t.Errorf("%d events were set aside", most)
		}
		fx.await("dead letters", 250*time.Millisecond, func() bool {
			seq, err := fx.store.WebhookPosition(context.Background(), "bob")
			return err == nil && seq >= 1500 && len(fx.waiting("bob")) == 0
		})
		if n := len(fx.dead("bob")); n != maxDead {
			t.Errorf("%d dead letters are kept", n)
		}
		if n := len(d.serving()); n != 1 {
			t.Errorf("%d readers", n)
		}
	})
}

// TestHangingReceiverUsesNoMemory: ten thousand events for a receiver that hangs stay in the log,
// not in memory, before and after the webhook is degraded.
func TestHangingReceiverUsesNoMemory(t *testing.T) {
	// Not parallel: it measures the memory of the whole process.
	// size is bytes of a text, most bytes of the heap. A page in memory takes 4 MB each as rows,
	// events and JSON; all events would take 160 MB.
	const events, size, most = 10_000, 4 << 10, 32 << 20
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		hang := make(chan struct{})
		defer close(hang)
		r.respond(hijack("", hang, ""))
		fx.bot("bob", r.URL, "")
		channel, ann, content := "channel-bob", "ann", strings.Repeat("x", size)
		for first := 0; first < events; first += 500 {
			fx.change("org", func(ctx context.Context, tx store.Tx) error {
				for n := range 500 {
					err := fx.append(ctx, tx, store.Event{Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &ann}, &b2bv1.Event{
						Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{ChannelId: channel, SenderName: ann, Message: &b2bv1.ChannelMessage{
							Id: fmt.Sprint("m", first+n), ChannelId: channel, SenderId: ann, Content: content,
						}}},
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		used := func() (heap, goroutines int) {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc), runtime.NumGoroutine()
		}
		heap, goroutines := used()
		check := func(when string) {
			t.Helper()
			hanging := len(r.got()) // the receiver's own goroutines, one for each request
			if h, g := used(); h-heap > most || g-goroutines-hanging > 20 {
				t.Errorf("%s: %d bytes of heap and %d goroutines more, beside %d of the receiver", when, h-heap, g-goroutines-hanging, hanging)
			}
		}
		fx.node("n", func(c *setup) { c.timeout = 20 * time.Millisecond })
		fx.await("many are set aside", 10*time.Millisecond, func() bool { return len(fx.waiting("bob")) >= maxSetAside/2 })
		check("set aside")
		fx.await("degraded", 250*time.Millisecond, func() bool { return fx.health("bob").Degraded })
		check("degraded")
		fx.await("dead letters", 250*time.Millisecond, func() bool {
			seq, err := fx.store.WebhookPosition(context.Background(), "bob")
			return err == nil && seq >= events && len(fx.waiting("bob")) == 0
		})
		check("dead letters")
		if n := len(fx.dead("bob")); n != maxDead {
			t.Errorf("%d dead letters are kept", n)
		}
	})
}

// TestRestart: after a restart a webhook misses nothing, because the log is not pruned beyond its
// position.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		want := fx.say("ann", "bob", 700) // no node serves it yet
		_, stop := fx.node("n1", func(c *setup) { c.single = true })
		fx.receives(r, 300)
		stop()
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			_, err := tx.PruneLog(ctx, fx.clock.Now().Add(time.Hour).UnixMilli(), 1000)
			return err
		})
		before := len(r.got())
		want = append(want, fx.say("ann", "bob", 100)...)
		fx.node("n2", func(c *setup) { c.single = true })
		fx.await("the rest", 100*time.Millisecond, func() bool { return slices.Contains(texts(r.got()), "800") })
		fx.wantSameIDs(r.got(), want)
		if n := len(r.got()); n > 801 {
			t.Errorf("%d requests, %d before the node stopped: it did not save its position", n, before)
		}
	})
}

// TestAccess: a webhook gets nothing while its bot is rejected, and continues where it stopped when
// the bot is active again. The webhook of a deleted bot ends.
func TestAccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		d, _ := fx.node("n")
		fx.say("ann", "bob", 1)
		fx.receives(r, 1)
		set := func(status string) {
			fx.change("org", func(ctx context.Context, tx store.Tx) error {
				if err := tx.SetBotJoinStatus(ctx, "bob", status, nil, 0, nil); err != nil {
					return err
				}
				return fx.append(ctx, tx, store.Event{Audience: store.AudienceInternal}, changed("bob"))
			})
		}
		gone := func() bool { return len(d.serving()) == 0 }
		set(store.BotRejected)
		fx.await("not served", 0, gone)
		fx.say("ann", "bob", 2)
		synctest.Wait()
		if n := len(r.got()); n != 1 {
			t.Errorf("a rejected bot received: %d requests", n)
		}
		set(store.BotActive)
		fx.await("the missed events", time.Minute, func() bool { return len(r.got()) >= 3 })
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			_, err := tx.DeleteBot(ctx, "org", "bob", "session", 1)
			if err != nil {
				return err
			}
			return fx.append(ctx, tx, store.Event{Audience: store.AudienceInternal}, changed("bob"))
		})
		fx.await("deleted", 0, gone)
		fx.wantSameIDs(r.got(), []string{"1", "2", "3"})
	})
}

// TestFairness: receivers that hang do not delay those that respond.
func TestFairness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		good := fx.receiver()
		hang := make(chan struct{})
		defer close(hang)
		for i := range parallelFailing + 8 {
			bad := fx.receiver()
			bad.respond(hijack("", hang, ""))
			fx.bot(fmt.Sprint("bad", i), bad.URL, "")
		}
		fx.bot("eve", good.URL, "")
		fx.node("n", func(c *setup) { c.timeout = 200 * time.Millisecond })
		for i := range parallelFailing + 8 {
			fx.say("ann", fmt.Sprint("bad", i), 3)
		}
		time.Sleep(time.Second) // until their first attempts have timed out
		begin := time.Now()
		want := fx.say("ann", "eve", 200)
		fx.wantSameIDs(fx.receives(good, 200), want)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// B2B-HOOK-015: slow receivers of one org, more than there are places, do not delay another org,
// whether their last attempts succeeded or failed.
func TestFairByOrg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, failing := range []bool{false, true} {
			fx := newFixture(t)
			other, good, slow := fx.addOrg("other", "otto"), fx.receiver(), fx.receiver()
			var busy atomic.Int64
			release := make(chan struct{})
			slow.respond(func(rw http.ResponseWriter, r *http.Request) {
				if failing && len(slow.got()) <= parallel+8 { // these have moved to failingPlaces
					rw.WriteHeader(http.StatusInternalServerError)
					return
				}
				busy.Add(1)
				<-release
			})
			for i := range parallel + 8 {
				fx.bot(fmt.Sprint("slow", i), slow.URL, "")
			}
			other.bot("eve", good.URL, "")
			d, stop := fx.node("n", func(c *setup) { c.timeout = time.Hour })
			places := parallel
			if failing {
				places = parallelFailing
				good.respond(status(http.StatusInternalServerError))
				other.say("otto", "eve", 1)
				fx.receives(good, 1)
				good.respond(nil)
			}
			for i := range parallel + 8 {
				fx.say("ann", fmt.Sprint("slow", i), 1)
			}
			if failing {
				fx.receives(slow, parallel+8)
				for i := range parallel + 8 {
					fx.say("ann", fmt.Sprint("slow", i), 1)
				}
			}
			fx.await("one org has its share", 0, func() bool { return int(busy.Load()) == places/2 })
			quiet := len(good.got())
			begun := time.Now()
			want := other.say("otto", "eve", 20)
			got := fx.receives(good, quiet+20)[quiet:]
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("another org waited %v", took)
			}
			other.wantSameIDs(got, want)
			if n := int(busy.Load()); n != places/2 {
				t.Errorf("one org has %d attempts at once, want %d", n, places/2)
			}
			pool := d.places
			if failing {
				pool = d.failingPlaces
			}
			if n := pool.InUse("org"); n != places/2 {
				t.Errorf("one org has %d places, want %d", n, places/2)
			}
			close(release)
			stop()
		}
	})
}
