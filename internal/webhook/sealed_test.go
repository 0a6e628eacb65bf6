package webhook

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
)

// TestLostKey: a webhook with a URL or secret that cannot be decrypted gets nothing. Its events
// become dead letters and do not count in its health (B2B-AUTH-073, B2B-AUTH-074).
func TestLostKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		r, open := fx.receiver(), fx.receiver()
		fx.bot("bob", r.URL, "hush")
		fx.bot("cyd", open.URL, "")
		_, stop := fx.node("without", func(c *setup) { c.Keys = seal.New(seal.NewKey()) })
		for _, bot := range []string{"bob", "cyd"} {
			fx.say("ann", bot, 1)
			fx.await("a dead letter of "+bot, time.Second, func() bool { return len(fx.dead(bot)) == 1 })
			if d := fx.dead(bot)[0]; d.Reason != keyLost || d.Status != nil {
				t.Errorf("the reason of the dead letter of %s is %q", bot, d.Reason)
			}
			status, err := fx.store.WebhookStatus(t.Context(), bot)
			if err != nil || status.ConsecutiveFailures != 0 || status.Degraded {
				t.Errorf("the health of %s is %+v, %v", bot, status, err)
			}
		}
		stop()
		if len(r.got())+len(open.got()) != 0 {
			t.Fatalf("posted without the key: %+v %+v", r.got(), open.got())
		}
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			_, err := tx.Redeliver(ctx, "bob", "", fx.clock.Now().UnixMilli())
			if err == nil {
				_, err = tx.Redeliver(ctx, "cyd", "", fx.clock.Now().UnixMilli())
			}
			return err
		})
		fx.node("with")
		fx.await("deliveries to both with the key", time.Second, func() bool { return len(r.got()) == 1 && len(open.got()) == 1 })
		if got := r.got()[0]; got.header.Get("X-Hub-Signature-256") == "" {
			t.Errorf("posted without a signature: %+v", got)
		}
	})
}
