package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/nettest"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
)

// silentStore is a store that does not report its commits.
type silentStore struct{ store.Store }

func (silentStore) OnCommit(func(string, []store.Event)) func() { return func() {} }

// B2B-HOOK-016: a webhook receives the commits of any node within a second, served by any node,
// also when some or all notifications are lost.
func TestLostNotifications(t *testing.T) {
	t.Parallel()
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
			var nodes []*fixture
			for i := range 2 {
				st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: url, Answer: time.Minute, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				fx := &fixture{T: t, store: st, clock: newClock(), network: &nettest.Network{}, org: "org", ann: "ann"}
				t.Cleanup(func() {
					if err := st.Close(); err != nil {
						t.Error(err)
					}
				})
				if i == 0 {
					fx.createOrg("org", "ann")
				}
				if i > 0 {
					fx.network = nodes[0].network
				}
				var forHub, forDispatcher store.Store = st, st
				if c.toReader {
					forHub = silentStore{st}
				}
				if c.toNodes {
					forDispatcher = silentStore{st}
				}
				hub := eventlog.New(eventlog.Config{Store: forHub, Poll: 500 * time.Millisecond})
				fx.node(fmt.Sprint("n", i), func(c *setup) {
					c.Store, c.Clock, c.lease = narrowed(forDispatcher), systemClock{}, node.Lease
					c.Log.(*eventlog.Hub).Close()
					c.Log = hub
				})
				t.Cleanup(hub.Close)
				nodes = append(nodes, fx)
			}
			var took []time.Duration
			for i := range 4 {
				fx := nodes[i%2]
				r := fx.receiver()
				id := fmt.Sprint("bot", i)
				fx.bot(id, r.URL, "")
				for n := range 2 { // the first also waits for a reader
					begun := time.Now()
					nodes[(i+n)%2].say("ann", id, 1)
					fx.receives(r, n+1)
					took = append(took, time.Since(begun))
				}
			}
			slices.Sort(took)
			t.Logf("delivered within %v", took)
			if median := took[len(took)/2]; median > 900*time.Millisecond {
				t.Errorf("half of the events took %v or more", median)
			}
			if slowest := took[len(took)-1]; slowest > 4*time.Second { // on a busy machine
				t.Errorf("one event took %v", slowest)
			}
		})
	}
}

// TestCrashedNodeHasCapacity: a crashed node with a free share delays a webhook by one poll.
func TestCrashedNodeHasCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		for i := range 3 {
			fx.bot(fmt.Sprint("idle", i), r.URL, "")
		}
		fx.crashed("dead", time.Hour)
		d, _ := fx.node("n1")
		begun := fx.clock.Now()
		fx.await("all served", 10*time.Millisecond, func() bool { return len(d.serving()) == 3 })
		fx.bot("late", r.URL, "")
		fx.await("one more", 10*time.Millisecond, func() bool { return len(d.serving()) == 4 })
		fx.say("ann", "late", 1)
		fx.receives(r, 1)
		if passed := fx.clock.Now().Sub(begun); passed > 2*time.Second {
			t.Errorf("served after %v", passed)
		}
	})
}

// TestLostResult: a lease that was taken despite an error is found by the next round.
func TestLostResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, single := range []bool{true, false} {
			fx := newFixture(t)
			r := fx.receiver()
			fx.bot("bob", r.URL, "")
			fx.say("ann", "bob", 1)
			begun := fx.clock.Now()
			fx.node("n1", func(c *setup) { c.Store, c.single = &lossy{Store: c.Store}, single })
			fx.await("all of it", 10*time.Millisecond, func() bool { return len(r.got()) > 0 })
			if passed := fx.clock.Now().Sub(begun); passed > 5*time.Second {
				t.Errorf("single %v: served after %v", single, passed)
			}
		}
	})
}

// TestFailedReader: after an error of its reader a webhook is not served for failPause. Others are.
func TestFailedReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		good, bad := fx.receiver(), fx.receiver()
		fx.bot("bad", bad.URL, "")
		fx.bot("good", good.URL, "")
		st := &failing{Store: narrowed(fx.store), bot: "bad", left: 2}
		fx.node("n1", func(c *setup) { c.Store = st })
		fx.say("ann", "good", 1)
		fx.say("ann", "bad", 1)
		fx.receives(good, 1)
		begun := fx.clock.Now()
		fx.await("the other", 10*time.Millisecond, func() bool { return len(bad.got()) > 0 })
		if passed := fx.clock.Now().Sub(begun); passed < failPause {
			t.Errorf("served again after %v", passed)
		}
	})
}

// failing is a store that fails to read the position of a bot's webhook left times. One goroutine
// at a time reads it.
type failing struct {
	Store
	bot  string
	left int
}

func (f *failing) WebhookPosition(ctx context.Context, bot string) (int64, error) {
	if bot == f.bot && f.left > 0 {
		f.left--
		return 0, errors.New("no")
	}
	return f.Store.WebhookPosition(ctx, bot)
}
