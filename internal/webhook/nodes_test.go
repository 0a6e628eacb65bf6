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

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func newSharedFixture(t *testing.T) *fixture {
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{URL: pgtest.URL(t), Answer: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return newFixtureOn(t, st)
}

// TestTwoNodes: of two nodes, exactly one makes each delivery.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	fx := newSharedFixture(t)
	var receivers []*receiver
	for i := range 8 {
		receivers = append(receivers, fx.receiver())
		fx.bot(fmt.Sprint("bot", i), receivers[i].URL, "")
	}
	_, stopOne := fx.node("n1")
	_, stopTwo := fx.node("n2")
	for range 5 {
		for i := range receivers {
			fx.say("ann", fmt.Sprint("bot", i), 10)
		}
	}
	for _, r := range receivers {
		fx.receives(r, 50)
	}
	fx.clock.advance(time.Second)
	for i, r := range receivers {
		fx.say("ann", fmt.Sprint("bot", i), 1)
		fx.receives(r, 51)
	}
	stopOne()
	stopTwo()
	for i, r := range receivers {
		if n := len(r.got()); n != 51 {
			t.Errorf("bot %d got %d requests", i, n)
		}
	}
}

// B2B-HOOK-014: a node that joins gets its share and one that stops releases it, without lost or
// repeated deliveries.
func TestSharing(t *testing.T) {
	t.Parallel()
	fx := newSharedFixture(t)
	const bots = 9
	var receivers []*receiver
	want := make([][]string, bots)
	for i := range bots {
		receivers = append(receivers, fx.receiver())
		fx.bot(fmt.Sprint("bot", i), receivers[i].URL, "")
	}
	say := func() {
		for i := range bots {
			want[i] = append(want[i], fx.say("ann", fmt.Sprint("bot", i), 5)...)
		}
	}
	n1, _ := fx.node("n1")
	fx.await("one serves all", 0, func() bool { return len(n1.serving()) == bots })
	say()
	n2, stop := fx.node("n2")
	say()
	fx.await("two share", time.Minute, func() bool { return len(n1.serving()) == 5 && len(n2.serving()) == 4 })
	say()
	n3, _ := fx.node("n3")
	say()
	fx.await("three share", time.Minute, func() bool {
		return len(n1.serving()) == 3 && len(n2.serving()) == 3 && len(n3.serving()) == 3
	})
	say()
	stop()
	say()
	fx.await("two are left", time.Minute, func() bool { return len(n1.serving())+len(n3.serving()) == bots })
	say()
	for i, r := range receivers {
		fx.await("all of it", time.Minute, func() bool { return len(r.got()) >= len(want[i]) })
		fx.wantSameIDs(r.got(), want[i])
		if n := len(r.got()); n != len(want[i]) {
			t.Errorf("bot %d got %d requests for %d messages", i, n, len(want[i]))
		}
	}
}

// TestRemovedBotWithHangingReceiver: the reader of a removed bot that waits for its receiver takes
// no share from other webhooks, new ones included.
func TestRemovedBotWithHangingReceiver(t *testing.T) {
	t.Parallel()
	fx := newSharedFixture(t)
	hung, other, late := fx.receiver(), fx.receiver(), fx.receiver()
	free := make(chan struct{})
	defer close(free)
	hung.respond(func(http.ResponseWriter, *http.Request) { <-free })
	fx.bot("hung", hung.URL, "")
	fx.bot("other", other.URL, "")
	d, _ := fx.node("n1", func(c *setup) { c.timeout = time.Hour })
	fx.say("ann", "hung", 1)
	fx.say("ann", "other", 1)
	fx.receives(hung, 1)
	fx.receives(other, 1)
	fx.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, "org", "hung", "ann", 1)
		return errors.Join(err, fx.append(ctx, tx, store.Event{Audience: store.AudienceOrg}, &b2bv1.Event{
			Event: &b2bv1.Event_AccessChanged{AccessChanged: &b2bv1.AccessChangedEvent{}},
		}))
	})
	fx.bot("late", late.URL, "")
	fx.say("ann", "late", 1)
	fx.receives(late, 1)
	fx.say("ann", "other", 1)
	fx.receives(other, 2)
	if n := len(d.serving()); n != 3 {
		t.Errorf("%d readers, want 3 with the one that hangs", n)
	}
}

// lossy is a store that once takes webhooks and reports an error.
type lossy struct {
	Store
	lost atomic.Bool
}

type lossyTx struct {
	Tx
	took bool
}

func (tx *lossyTx) TakeWebhook(ctx context.Context, ref store.HookRef, node string, live store.Live) (bool, error) {
	tx.took = true
	return tx.Tx.TakeWebhook(ctx, ref, node, live)
}

func (l *lossy) Update(ctx context.Context, org string, fn func(Tx) error) error {
	var own *lossyTx
	err := l.Store.Update(ctx, org, func(tx Tx) error {
		own = &lossyTx{Tx: tx}
		return fn(own)
	})
	if err == nil && own.took && l.lost.CompareAndSwap(false, true) {
		return errors.New("the connection was lost")
	}
	return err
}

// TestUnknownWebhooks: webhooks that were taken despite an error are released and served.
func TestUnknownWebhooks(t *testing.T) {
	t.Parallel()
	fx := newSharedFixture(t)
	r := fx.receiver()
	fx.bot("bob", r.URL, "")
	want := fx.say("ann", "bob", 3)
	fx.node("n1", func(c *setup) { c.Store = &lossy{Store: c.Store} })
	fx.await("all of it", time.Minute, func() bool { return len(r.got()) >= 3 })
	fx.wantSameIDs(r.got(), want)
}

// TestTakeOver: a node freezes during a delivery. Another one takes over when the lease has ended,
// not before, and delivers under the same ids. The late results of the first node have no
// effect.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	fx := newSharedFixture(t)
	r := fx.receiver()
	fx.bot("bob", r.URL, "")
	frozen := make(chan struct{})
	first := true
	r.respond(func(rw http.ResponseWriter, req *http.Request) {
		if len(r.got()) == 11 && first {
			first = false
			<-frozen
			_, _ = io.WriteString(rw, "late")
		}
	})
	fx.node("n1", func(c *setup) { c.Clock, c.lease = newClock(), 10*time.Second }) // its clock does not move
	want := fx.say("ann", "bob", 30)
	fx.receives(r, 11)
	fx.clock.advance(9 * time.Second)
	fx.node("n2", func(c *setup) { c.lease = 10 * time.Second })
	time.Sleep(50 * time.Millisecond) // Sleeps: nothing shows that the second node waits for the lease.
	if n := len(r.got()); n != 11 {
		t.Errorf("%d requests before the lease ended", n)
	}
	fx.clock.advance(500 * time.Millisecond) // nothing is due yet
	fx.clock.advance(2 * time.Second)
	fx.await("taken over", 0, func() bool { return len(r.got()) >= 11+30 })
	close(frozen)
	fx.await("all of it", 100*time.Millisecond, func() bool {
		h := fx.health("bob")
		return h.LastSuccess != nil && len(fx.waiting("bob")) == 0
	})
	fx.wantSameIDs(r.got(), want)
}
