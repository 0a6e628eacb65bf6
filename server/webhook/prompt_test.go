package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
)

// deaf is a store that tells nobody of commits.
type deaf struct{ store.Store }

func (deaf) OnCommit(func(string, []store.Event)) func() { return func() {} }

// B2B-HOOK-016: a webhook is served by whichever node, and told of what is committed on
// whichever node, within a second, also when one or every notification is lost.
func TestLostNotifications(t *testing.T) {
	for _, c := range []struct {
		lost              string
		toReader, toNodes bool // commits of this node: to the hub, to the dispatcher
	}{
		{"nothing but the notifications of other nodes", false, false},
		{"what wakes the dispatcher", false, true},
		{"what wakes the readers", true, false},
		{"everything", true, true},
	} {
		t.Run(c.lost, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			var worlds []*world
			for i := range 2 {
				st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				w := &world{T: t, store: st, clock: newClock(), org: "org", ann: "ann"}
				t.Cleanup(func() {
					if err := st.Close(); err != nil {
						t.Error(err)
					}
				})
				if i == 0 {
					w.found("org", "ann")
				}
				var followed, led store.Store = st, st
				if c.toReader {
					followed = deaf{st}
				}
				if c.toNodes {
					led = deaf{st}
				}
				hub := eventlog.New(eventlog.Config{Store: followed, Poll: 500 * time.Millisecond})
				w.node(fmt.Sprint("n", i), func(c *Config) {
					c.Store, c.Clock, c.Lease = led, systemClock{}, Lease
					c.Log.(*eventlog.Hub).Close()
					c.Log = hub
				})
				t.Cleanup(hub.Close)
				worlds = append(worlds, w)
			}
			var took []time.Duration
			for i := range 4 {
				w, r := worlds[i%2], newReceiver(t)
				id := fmt.Sprint("bot", i)
				w.bot(id, r.URL, "")
				for n := range 2 { // the first waits for a reader, too
					begun := time.Now()
					worlds[(i+n)%2].say("ann", id, 1)
					w.gets(r, n+1)
					took = append(took, time.Since(begun))
				}
			}
			slices.Sort(took)
			t.Logf("told within %v", took)
			if median := took[len(took)/2]; median > 900*time.Millisecond {
				t.Errorf("half of the events took %v or more", median)
			}
			if slowest := took[len(took)-1]; slowest > 4*time.Second { // on a busy machine
				t.Errorf("one event took %v", slowest)
			}
		})
	}
}

// A node that counts as having room, but is dead, keeps a webhook from being served for
// no longer than its turn.
func TestDeadNodeHasRoom(t *testing.T) {
	w, r := sharedWorld(t), newReceiver(t)
	for i := range 3 {
		w.bot(fmt.Sprint("idle", i), r.URL, "")
	}
	w.change("", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.RenewWebhooks(ctx, "dead", w.clock.Now().UnixMilli(), w.clock.Now().Add(time.Hour).UnixMilli())
		return err
	})
	d, _ := w.node("n1")
	begun := w.clock.Now()
	w.await("all served", 10*time.Millisecond, func() bool { return len(d.serving()) == 3 })
	w.bot("late", r.URL, "")
	w.await("one more", 10*time.Millisecond, func() bool { return len(d.serving()) == 4 })
	w.say("ann", "late", 1)
	w.gets(r, 1)
	if passed := w.clock.Now().Sub(begun); passed > 2*time.Second { // of a clock that moves while the node works
		t.Errorf("served after %v", passed)
	}
}

// Leases whose taking was not confirmed are looked for at the next round.
func TestLostAnswer(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w, r := newWorld(t), newReceiver(t)
		w.bot("bob", r.URL, "")
		w.say("ann", "bob", 1)
		begun := w.clock.Now()
		w.node("n1", func(c *Config) { c.Store, c.Alone = &lossy{Store: c.Store}, alone })
		w.await("all of it", 10*time.Millisecond, func() bool { return len(r.got()) > 0 })
		if passed := w.clock.Now().Sub(begun); passed > 5*time.Second {
			t.Errorf("alone %v: served after %v", alone, passed)
		}
	}
}

// A webhook whose reader failed is left for a second, and others are served meanwhile.
func TestFailedReader(t *testing.T) {
	w, good, bad := newWorld(t), newReceiver(t), newReceiver(t)
	w.bot("bad", bad.URL, "")
	w.bot("good", good.URL, "")
	st := &failing{Store: w.store, bot: "bad", left: 2}
	w.node("n1", func(c *Config) { c.Store = st })
	w.say("ann", "good", 1)
	w.say("ann", "bad", 1)
	w.gets(good, 1)
	begun := w.clock.Now()
	w.await("the other", 10*time.Millisecond, func() bool { return len(bad.got()) > 0 })
	if passed := w.clock.Now().Sub(begun); passed < failRest {
		t.Errorf("tried again after %v", passed)
	}
}

// failing is a store that cannot read the cursor of a bot so many times. One goroutine at
// a time does so.
type failing struct {
	store.Store
	bot  string
	left int
}

func (f *failing) WebhookCursor(ctx context.Context, bot string) (int64, error) {
	if bot == f.bot && f.left > 0 {
		f.left--
		return 0, errors.New("no")
	}
	return f.Store.WebhookCursor(ctx, bot)
}
