package webhook

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// B2B-LIFE-020: no event waits longer than the longest delay for a retry, also when the clock is
// set back.
func TestDue(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_767_225_600_000)
	for _, c := range []struct {
		next time.Duration // from now
		want time.Duration
	}{
		{0, 0}, {-time.Hour, -time.Hour}, {time.Second, time.Second}, {30 * time.Second, 30 * time.Second},
		{40 * time.Second, 40 * time.Second}, {41 * time.Second, 0}, {2 * time.Hour, 0},
	} {
		at := now.Add(c.next).UnixMilli()
		if got := due(&store.WebhookDelivery{NextAt: &at}, now); !got.Equal(now.Add(c.want)) {
			t.Errorf("in %v: due in %v, want %v", c.next, got.Sub(now), c.want)
		}
	}
}

// crashed adds a node that does not run, with a lease for some time.
func (fx *fixture) crashed(id string, lease time.Duration) {
	fx.Helper()
	fx.change("", func(ctx context.Context, tx store.Tx) error {
		return tx.RenewNode(ctx, id, fx.clock.Now().Add(lease).UnixMilli())
	})
}

// TestClockSetBack: after the clock was set back by two hours a retry is made, and the lease of a
// crashed node ends.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r := fx.receiver()
		fx.bot("bob", r.URL, "")
		r.respond(status(503))
		_, stop := fx.node("n1", func(c *setup) { c.lease = 10 * time.Second })
		want := fx.say("ann", "bob", 1)
		fx.await("it waits", time.Millisecond, func() bool { return len(fx.waiting("bob")) == 1 })
		stop()
		fx.crashed("dead", 10*time.Second)
		fx.change("", func(ctx context.Context, tx store.Tx) error {
			now, end := fx.clock.Now().UnixMilli(), fx.clock.Now().Add(10*time.Second).UnixMilli()
			_, err := tx.TakeWebhook(ctx, store.HookRef{BotID: "bob"}, "dead", store.Live{Now: now, Latest: end})
			return err
		})
		r.respond(nil)
		before := len(r.got())
		fx.clock.advance(-2 * time.Hour)
		begun := fx.clock.Now()
		fx.node("n2", func(c *setup) { c.lease = 10 * time.Second })
		fx.await("the next attempt", 10*time.Millisecond, func() bool { return len(r.got()) > before })
		fx.wantSameIDs(r.got(), want)
		if took := fx.clock.Now().Sub(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
