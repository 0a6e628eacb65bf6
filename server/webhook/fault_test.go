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
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/store"
)

// Ten events in a row that fail degrade a webhook; then nothing is tried until the bot
// connects, or what is still tried succeeds.
func TestDegraded(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	r.answers(status(500))
	w.node("n")
	want := w.say("ann", "bob", 10)
	w.await("degraded", 500*time.Millisecond, func() bool { return w.health("bob").Degraded })
	if n := len(r.got()); n != 40 {
		t.Errorf("%d attempts for ten events", n)
	}
	if h := w.health("bob"); h.ConsecutiveFailures != 10 || len(w.dead("bob")) != 10 {
		t.Errorf("%+v, %d dead", h, len(w.dead("bob")))
	}
	r.answers(nil)
	want = append(want, w.say("ann", "bob", 2)...)
	w.await("dead letters", 500*time.Millisecond, func() bool { return len(w.dead("bob")) == 12 })
	if d := w.dead("bob")[0]; d.Attempts != 0 || !strings.Contains(d.Reason, "degraded") {
		t.Errorf("%+v", d)
	}
	if n := len(r.got()); n != 40 {
		t.Errorf("%d attempts: some to a degraded webhook", n)
	}
	// The bot connects: health is reset, and whoever serves the webhook is told.
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		if err := tx.PutWebhookStatus(ctx, &store.WebhookStatus{BotID: "bob"}); err != nil {
			return err
		}
		return w.append(ctx, tx, store.Event{Audience: store.AudienceInternal}, changed("bob"))
	})
	want = append(want, w.say("ann", "bob", 1)...)
	w.gets(r, 41)
	// An admin has the rest delivered.
	w.redeliver("bob", "", 12)
	w.gets(r, 53)
	w.await("settled", 500*time.Millisecond, func() bool { return len(w.waiting("bob"))+len(w.dead("bob")) == 0 })
	w.once(r.got(), want)
}

// A redelivery is tried also while the webhook is degraded, and its success heals it.
func TestRedeliveryHeals(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		return tx.PutWebhookStatus(ctx, &store.WebhookStatus{BotID: "bob", Degraded: true, ConsecutiveFailures: 10})
	})
	w.node("n")
	want := w.say("ann", "bob", 3)
	w.await("dead letters", 500*time.Millisecond, func() bool { return len(w.dead("bob")) == 3 })
	first := w.dead("bob")[2]
	w.redeliver("bob", first.ID, 1)
	if g := w.gets(r, 1)[0]; g.id != first.ID {
		t.Errorf("delivered %s, want %s", g.id, first.ID)
	}
	w.await("healed", 500*time.Millisecond, func() bool { h := w.health("bob"); return !h.Degraded && h.ConsecutiveFailures == 0 })
	want = append(want, w.say("ann", "bob", 1)...)
	w.gets(r, 2)
	w.redeliver("bob", "", 2)
	w.once(w.gets(r, 4), want)
}

func (w *world) redeliver(bot, id string, n int64) {
	w.Helper()
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		got, err := tx.Redeliver(ctx, bot, id, w.clock.Now().UnixMilli())
		if err != nil {
			return err
		}
		if got != n {
			w.Errorf("%d dead letters are redelivered, want %d", got, n)
		}
		return w.append(ctx, tx, store.Event{Audience: store.AudienceInternal}, changed(bot))
	})
}

// hijack answers with bytes of its own, and lets go of the connection when hang is over.
func hijack(answer string, hang <-chan struct{}, more string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		send(conn, answer)
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

// Whatever a receiver does: nothing is lost, nothing comes under two ids, and the
// others do not wait for it.
func TestFaults(t *testing.T) {
	endless := strings.Repeat("x", 32<<10)
	for name, c := range map[string]struct {
		answer    func(hang chan struct{}) http.HandlerFunc
		delivered bool
		reason    string
	}{
		"hangs":       {func(h chan struct{}) http.HandlerFunc { return hijack("", h, "") }, false, "no answer in time"},
		"answers 500": {func(chan struct{}) http.HandlerFunc { return status(500) }, false, "answered 500"},
		"answers 404": {func(chan struct{}) http.HandlerFunc { return status(404) }, false, "answered 404"},
		"answers 304": {func(chan struct{}) http.HandlerFunc { return status(304) }, false, "answered 304"},
		"answers 204": {func(chan struct{}) http.HandlerFunc { return status(204) }, true, ""},
		"redirects": {func(chan struct{}) http.HandlerFunc {
			return http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect).ServeHTTP
		}, false, "answered 307"},
		"redirects inside": {func(chan struct{}) http.HandlerFunc {
			return http.RedirectHandler("http://169.254.169.254/", http.StatusFound).ServeHTTP
		}, false, "answered 302"},
		"closes early":      {func(chan struct{}) http.HandlerFunc { return hijack("", nil, "") }, false, "the connection failed before an answer came"},
		"speaks nonsense":   {func(chan struct{}) http.HandlerFunc { return hijack("SSH-2.0-x\r\n\r\n", nil, "") }, false, "the connection failed before an answer came"},
		"closes mid-header": {func(chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\nA: b", nil, "") }, false, "the connection failed before an answer came"},
		"drips headers":     {func(h chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\nA: ", h, "x") }, false, "no answer in time"},
		"endless headers":   {func(h chan struct{}) http.HandlerFunc { return hijack("HTTP/1.1 200 OK\r\nA: ", h, endless) }, false, "the connection failed before an answer came"},
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
			w, bad, good := newWorld(t), newReceiver(t), newReceiver(t)
			hang := make(chan struct{})
			defer close(hang)
			bad.answers(c.answer(hang))
			w.bot("bob", bad.URL, "")
			w.bot("eve", good.URL, "")
			_, stop := w.node("n", func(c *Config) { c.patience = 300 * time.Millisecond })
			first := w.say("ann", "bob", 1)
			w.gets(bad, 1)
			others := w.say("ann", "eve", 20)
			w.once(w.gets(good, 20), others)
			if c.delivered {
				w.await("delivered", 100*time.Millisecond, func() bool { return w.health("bob").LastSuccess != nil })
				if n := len(bad.got()); n != 1 {
					t.Errorf("%d requests", n)
				}
				stop()
				return
			}
			w.await("set aside", 20*time.Millisecond, func() bool { return len(w.waiting("bob")) == 1 })
			if got := w.waiting("bob")[0]; !strings.HasPrefix(got.Reason, c.reason) {
				t.Errorf("the reason is %q, want %q", got.Reason, c.reason)
			}
			bad.answers(nil)
			all := append(first, w.say("ann", "bob", 3)...)
			w.await("all of it", 20*time.Millisecond, func() bool {
				h := w.health("bob")
				return len(w.waiting("bob")) == 0 && h.LastSuccess != nil && h.ConsecutiveFailures == 0 && len(bad.got()) >= 5
			})
			w.once(bad.got(), all)
			if n := len(w.dead("bob")); n != 0 {
				t.Errorf("%d dead letters", n)
			}
			stop()
		})
	}
}

// A flood at a receiver that answers nothing good stays small: at most maxWaiting events
// are set aside, and maxDead kept; the others wait in the log.
func TestFloodIsBounded(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	r.answers(status(500))
	d, _ := w.node("n")
	w.say("ann", "bob", 1500)
	most := 0
	w.await("degraded", 250*time.Millisecond, func() bool {
		most = max(most, len(w.waiting("bob")))
		return w.health("bob").Degraded
	})
	if most > maxWaiting || most < maxWaiting/2 {
		t.Errorf("%d events were set aside", most)
	}
	w.await("dead letters", 250*time.Millisecond, func() bool {
		seq, err := w.store.WebhookCursor(context.Background(), "bob")
		return err == nil && seq >= 1500 && len(w.waiting("bob")) == 0
	})
	if n := len(w.dead("bob")); n != maxDead {
		t.Errorf("%d dead letters are kept", n)
	}
	if n := len(d.serving()); n != 1 {
		t.Errorf("%d readers", n)
	}
}

// Ten thousand events wait for a receiver that hangs: they wait in the log, not in
// memory, whether the webhook is tried or has been given up.
func TestHangingReceiverHoldsNoMemory(t *testing.T) {
	// Bytes of a text, and of the heap: what is replayed is kept as row, event and JSON, 4 MB of
	// each and a page; all events would take 160.
	const events, size, most = 10_000, 4 << 10, 32 << 20
	w, r := newWorld(t), newReceiver(t)
	hang := make(chan struct{})
	defer close(hang)
	r.answers(hijack("", hang, ""))
	w.bot("bob", r.URL, "")
	channel, ann, content := "channel-bob", "ann", strings.Repeat("x", size)
	for first := 0; first < events; first += 500 {
		w.change("org", func(ctx context.Context, tx store.Tx) error {
			for n := range 500 {
				err := w.append(ctx, tx, store.Event{Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &ann}, &b2bv1.Event{
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
	w.node("n", func(c *Config) { c.patience = 20 * time.Millisecond })
	w.await("many are set aside", 10*time.Millisecond, func() bool { return len(w.waiting("bob")) >= maxWaiting/2 })
	check("set aside")
	w.await("degraded", 250*time.Millisecond, func() bool { return w.health("bob").Degraded })
	check("degraded")
	w.await("dead letters", 250*time.Millisecond, func() bool {
		seq, err := w.store.WebhookCursor(context.Background(), "bob")
		return err == nil && seq >= events && len(w.waiting("bob")) == 0
	})
	check("dead letters")
	if n := len(w.dead("bob")); n != maxDead {
		t.Errorf("%d dead letters are kept", n)
	}
}

// Who comes back to the log late misses nothing, and the log is not pruned meanwhile.
func TestAwayAndBack(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	want := w.say("ann", "bob", 700) // nobody serves it yet
	_, stop := w.node("n1", func(c *Config) { c.Alone = true })
	w.gets(r, 300)
	stop()
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.PruneLog(ctx, w.clock.Now().Add(time.Hour).UnixMilli(), 1000)
		return err
	})
	before := len(r.got())
	want = append(want, w.say("ann", "bob", 100)...)
	w.node("n2", func(c *Config) { c.Alone = true })
	w.await("the rest", 100*time.Millisecond, func() bool { return slices.Contains(texts(r.got()), "800") })
	w.once(r.got(), want)
	if n := len(r.got()); n > 801 {
		t.Errorf("%d requests, %d before the node stopped in order: it did not save", n, before)
	}
}

// The bot that is rejected, deleted or whose org is suspended is told nothing any more,
// and goes on where it was when it is let in again.
func TestAccess(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	d, _ := w.node("n")
	w.say("ann", "bob", 1)
	w.gets(r, 1)
	set := func(status string) {
		w.change("org", func(ctx context.Context, tx store.Tx) error {
			if err := tx.SetBotJoinStatus(ctx, "bob", status, nil, 0, nil); err != nil {
				return err
			}
			return w.append(ctx, tx, store.Event{Audience: store.AudienceInternal}, changed("bob"))
		})
	}
	gone := func() bool { return len(d.serving()) == 0 }
	set(store.BotRejected)
	w.await("left alone", 0, gone)
	w.say("ann", "bob", 2)
	time.Sleep(30 * time.Millisecond)
	if n := len(r.got()); n != 1 {
		t.Errorf("a rejected bot was told: %d requests", n)
	}
	set(store.BotActive)
	w.await("told what it missed", time.Minute, func() bool { return len(r.got()) >= 3 })
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, "org", "bob", "session", 1)
		if err != nil {
			return err
		}
		return w.append(ctx, tx, store.Event{Audience: store.AudienceInternal}, changed("bob"))
	})
	w.await("deleted", 0, gone)
	w.once(r.got(), []string{"1", "2", "3"})
}

// Receivers that hang take the places of those that fail, not of the others.
func TestFairness(t *testing.T) {
	w, good := newWorld(t), newReceiver(t)
	hang := make(chan struct{})
	defer close(hang)
	for i := range parallelFailing + 8 {
		bad := newReceiver(t)
		bad.answers(hijack("", hang, ""))
		w.bot(fmt.Sprint("bad", i), bad.URL, "")
	}
	w.bot("eve", good.URL, "")
	w.node("n", func(c *Config) { c.patience = 200 * time.Millisecond })
	for i := range parallelFailing + 8 {
		w.say("ann", fmt.Sprint("bad", i), 3)
	}
	time.Sleep(300 * time.Millisecond) // until they are known to hang
	begin := time.Now()
	want := w.say("ann", "eve", 200)
	w.once(w.gets(good, 200), want)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// B2B-HOOK-015: slow receivers of one org, more than there are places for attempts, hold up
// none of another org: neither those that answer in the end nor those that hang.
func TestFairByOrg(t *testing.T) {
	for _, failing := range []bool{false, true} {
		w := newWorld(t)
		other, good, slow := w.neighbour("other", "otto"), newReceiver(t), newReceiver(t)
		var busy atomic.Int64
		release := make(chan struct{})
		slow.answers(func(rw http.ResponseWriter, r *http.Request) {
			if failing && len(slow.got()) <= parallel+8 { // these have moved to failingPlaces
				rw.WriteHeader(http.StatusInternalServerError)
				return
			}
			busy.Add(1)
			<-release
		})
		for i := range parallel + 8 {
			w.bot(fmt.Sprint("slow", i), slow.URL, "")
		}
		other.bot("eve", good.URL, "")
		d, stop := w.node("n", func(c *Config) { c.patience = time.Hour })
		places := parallel
		if failing {
			places = parallelFailing
			good.answers(status(http.StatusInternalServerError))
			other.say("otto", "eve", 1)
			w.gets(good, 1)
			good.answers(nil)
		}
		for i := range parallel + 8 {
			w.say("ann", fmt.Sprint("slow", i), 1)
		}
		if failing {
			w.gets(slow, parallel+8)
			for i := range parallel + 8 {
				w.say("ann", fmt.Sprint("slow", i), 1)
			}
		}
		w.await("one org has its share", 0, func() bool { return int(busy.Load()) == places/2 })
		quiet := len(good.got())
		begun := time.Now()
		want := other.say("otto", "eve", 20)
		got := w.gets(good, quiet+20)[quiet:]
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("another org waited %v", took)
		}
		other.once(got, want)
		if n := int(busy.Load()); n != places/2 {
			t.Errorf("one org has %d attempts at once, want %d", n, places/2)
		}
		pool := d.places
		if failing {
			pool = d.failingPlaces
		}
		if n := pool.Held("org"); n != places/2 {
			t.Errorf("one org has %d places, want %d", n, places/2)
		}
		close(release)
		stop()
	}
}
