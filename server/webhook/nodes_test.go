package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/store"
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

// A receiver that hangs while its bot is removed takes nobody's place: who registers is
// served at once, and the others go on.
func TestRemovedWhileItHangs(t *testing.T) {
	w := sharedWorld(t)
	hung, other, late := newReceiver(t), newReceiver(t), newReceiver(t)
	free := make(chan struct{})
	defer close(free)
	hung.answers(func(http.ResponseWriter, *http.Request) { <-free })
	w.bot("hung", hung.URL, "")
	w.bot("other", other.URL, "")
	d, _ := w.node("n1", func(c *Config) { c.patience = time.Hour })
	w.say("ann", "hung", 1)
	w.say("ann", "other", 1)
	w.gets(hung, 1)
	w.gets(other, 1)
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, "org", "hung", "ann", 1)
		return errors.Join(err, w.append(ctx, tx, store.Event{Audience: store.AudienceOrg}, &b2bv1.Event{
			Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{}},
		}))
	})
	w.bot("late", late.URL, "")
	w.say("ann", "late", 1)
	w.gets(late, 1)
	w.say("ann", "other", 1)
	w.gets(other, 2)
	if n := len(d.serving()); n != 3 {
		t.Errorf("%d readers: the one that hangs is to be there still", n)
	}
}

// lossy is a store that takes leases once without the node being told so.
type lossy struct {
	store.Store
	lost atomic.Bool
}

type lossyTx struct {
	store.Tx
	leased bool
}

func (tx *lossyTx) LeaseWebhook(ctx context.Context, bot, node string, now, until int64) (bool, error) {
	tx.leased = true
	return tx.Tx.LeaseWebhook(ctx, bot, node, now, until)
}

func (l *lossy) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	var own *lossyTx
	err := l.Store.Update(ctx, org, func(tx store.Tx) error {
		own = &lossyTx{Tx: tx}
		return fn(own)
	})
	if err == nil && own.leased && l.lost.CompareAndSwap(false, true) {
		return errors.New("the connection was lost")
	}
	return err
}

// A node that has leases which it does not know of gives them back, and they are served.
func TestUnknownLeases(t *testing.T) {
	w := sharedWorld(t)
	r := newReceiver(t)
	w.bot("bob", r.URL, "")
	want := w.say("ann", "bob", 3)
	w.node("n1", func(c *Config) { c.Store = &lossy{Store: c.Store} })
	w.await("all of it", time.Minute, func() bool { return len(r.got()) >= 3 })
	w.once(r.got(), want)
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
