package webhook

import (
	"context"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

// B2B-LIFE-020: what waits for its next attempt waits no longer than the longest delay,
// whatever the clock does meanwhile.
func TestDue(t *testing.T) {
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

// A webhook whose event waits for another attempt, and whose lease another node holds that
// is gone, are served although the clock was put back by two hours.
func TestClockPutBack(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	w.bot("bob", r.URL, "")
	r.answers(status(503))
	_, stop := w.node("n1", func(c *Config) { c.Lease = 10 * time.Second })
	want := w.say("ann", "bob", 1)
	w.await("it waits", time.Millisecond, func() bool { return len(w.waiting("bob")) == 1 })
	stop()
	w.change("", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.LeaseWebhook(ctx, "bob", "dead", w.clock.Now().UnixMilli(), w.clock.Now().Add(10*time.Second).UnixMilli())
		return err
	})
	r.answers(nil)
	before := len(r.got())
	w.clock.pass(-2 * time.Hour)
	begun := w.clock.Now()
	w.node("n2", func(c *Config) { c.Lease = 10 * time.Second })
	w.await("the next attempt", 10*time.Millisecond, func() bool { return len(r.got()) > before })
	w.once(r.got(), want)
	if took := w.clock.Now().Sub(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
