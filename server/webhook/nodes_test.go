package webhook

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/store/sqlstore"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
)

func sharedWorld(t *testing.T) *world {
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: pgtest.URL(t), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return worldOn(t, st)
}

// Two nodes share the webhooks: each delivery is made by one of them.
func TestTwoNodes(t *testing.T) {
	w := sharedWorld(t)
	var receivers []*receiver
	for i := range 8 {
		receivers = append(receivers, newReceiver(t))
		w.bot(fmt.Sprint("bot", i), receivers[i].URL, "")
	}
	w.node("n1")
	w.node("n2")
	for range 5 {
		for i := range receivers {
			w.say("ann", fmt.Sprint("bot", i), 10)
		}
	}
	for _, r := range receivers {
		w.gets(r, 50)
	}
	w.clock.pass(time.Second)
	time.Sleep(50 * time.Millisecond)
	for i, r := range receivers {
		if n := len(r.got()); n != 50 {
			t.Errorf("bot %d got %d requests", i, n)
		}
	}
}

// B2B-HOOK-014: a node that joins gets its share, one that leaves gives it back, and nothing is lost
// or told twice meanwhile.
func TestSharing(t *testing.T) {
	w := sharedWorld(t)
	const bots = 9
	var receivers []*receiver
	want := make([][]string, bots)
	for i := range bots {
		receivers = append(receivers, newReceiver(t))
		w.bot(fmt.Sprint("bot", i), receivers[i].URL, "")
	}
	say := func() {
		for i := range bots {
			want[i] = append(want[i], w.say("ann", fmt.Sprint("bot", i), 5)...)
		}
	}
	n1, _ := w.node("n1")
	w.await("one serves all", 0, func() bool { return len(n1.serving()) == bots })
	say()
	n2, stop := w.node("n2")
	say()
	w.await("two share", time.Minute, func() bool { return len(n1.serving()) == 5 && len(n2.serving()) == 4 })
	say()
	n3, _ := w.node("n3")
	say()
	w.await("three share", time.Minute, func() bool {
		return len(n1.serving()) == 3 && len(n2.serving()) == 3 && len(n3.serving()) == 3
	})
	say()
	stop()
	say()
	w.await("two are left", time.Minute, func() bool { return len(n1.serving())+len(n3.serving()) == bots })
	say()
	for i, r := range receivers {
		w.await("all of it", time.Minute, func() bool { return len(r.got()) >= len(want[i]) })
		w.once(r.got(), want[i])
		if n := len(r.got()); n != len(want[i]) {
			t.Errorf("bot %d got %d requests for %d messages", i, n, len(want[i]))
		}
	}
}

// A node stops in the middle of a delivery, as if it were gone: another one takes over
// when the lease has run out, not before, and delivers under the same ids. What the
// first one says when it wakes does no harm.
func TestTakeover(t *testing.T) {
	w, r := sharedWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	frozen := make(chan struct{})
	first := true
	r.answers(func(rw http.ResponseWriter, req *http.Request) {
		if len(r.got()) == 11 && first {
			first = false
			<-frozen
			_, _ = io.WriteString(rw, "late")
		}
	})
	w.node("n1", func(c *Config) { c.Clock, c.Lease = newClock(), 10*time.Second }) // its time stands still
	want := w.say("ann", "bob", 30)
	w.gets(r, 11)
	w.clock.pass(9 * time.Second)
	w.node("n2", func(c *Config) { c.Lease = 10 * time.Second })
	time.Sleep(50 * time.Millisecond)
	if n := len(r.got()); n != 11 {
		t.Errorf("%d requests before the lease ran out", n)
	}
	w.clock.pass(500 * time.Millisecond) // nothing is due yet
	w.clock.pass(2 * time.Second)
	w.await("taken over", 0, func() bool { return len(r.got()) >= 11+30 })
	close(frozen)
	w.await("all of it", 100*time.Millisecond, func() bool {
		h := w.health("bob")
		return h.LastSuccess != nil && len(w.waiting("bob")) == 0
	})
	w.once(r.got(), want)
}
