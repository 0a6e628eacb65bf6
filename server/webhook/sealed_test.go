package webhook

import (
	"context"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
)

// TestLostKey: a webhook whose address or secret cannot be read gets nothing; its events wait
// as dead letters for the key, and its health says nothing of them (B2B-AUTH-073, B2B-AUTH-074).
func TestLostKey(t *testing.T) {
	w := newWorld(t)
	r, open := newReceiver(t), newReceiver(t)
	w.bot("bob", r.URL, "hush")
	w.bot("cyd", open.URL, "")
	_, stop := w.node("without", func(c *Config) { c.Keys = seal.New(seal.NewKey()) })
	for _, bot := range []string{"bob", "cyd"} {
		w.say("ann", bot, 1)
		w.await("a dead letter of "+bot, time.Second, func() bool { return len(w.dead(bot)) == 1 })
		if d := w.dead(bot)[0]; d.Reason != keyLost || d.Status != nil {
			t.Errorf("the dead letter of %s says %q", bot, d.Reason)
		}
		status, err := w.store.WebhookStatus(t.Context(), bot)
		if err != nil || status.ConsecutiveFailures != 0 || status.Degraded {
			t.Errorf("the health of %s is %+v, %v", bot, status, err)
		}
	}
	stop()
	if len(r.got())+len(open.got()) != 0 {
		t.Fatalf("posted without the key: %+v %+v", r.got(), open.got())
	}
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.Redeliver(ctx, "bob", "", w.clock.Now().UnixMilli())
		if err == nil {
			_, err = tx.Redeliver(ctx, "cyd", "", w.clock.Now().UnixMilli())
		}
		return err
	})
	w.node("with")
	w.await("both are told with the key", time.Second, func() bool { return len(r.got()) == 1 && len(open.got()) == 1 })
	if got := r.got()[0]; got.header.Get("X-Hub-Signature-256") == "" {
		t.Errorf("posted without a signature: %+v", got)
	}
}
