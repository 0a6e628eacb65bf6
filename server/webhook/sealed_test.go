package webhook

import (
	"context"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
)

// TestLostKey: a webhook whose secret cannot be read gets nothing unsigned; its events wait
// as dead letters for the key, and its health says nothing of them (B2B-AUTH-073).
func TestLostKey(t *testing.T) {
	w := newWorld(t)
	r, open := newReceiver(t), newReceiver(t)
	w.bot("bob", r.URL, "hush")
	w.bot("cyd", open.URL, "")
	_, stop := w.node("without", func(c *Config) { c.Keys = seal.New(seal.NewKey()) })
	w.say("ann", "bob", 1)
	w.say("ann", "cyd", 1)
	w.await("the webhook without a secret is told", 0, func() bool { return len(open.got()) == 1 })
	w.await("a dead letter", time.Second, func() bool { return len(w.dead("bob")) == 1 })
	if d := w.dead("bob")[0]; d.Reason != secretLost || d.Status != nil {
		t.Errorf("the dead letter says %q", d.Reason)
	}
	status, err := w.store.WebhookStatus(t.Context(), "bob")
	if err != nil || status.ConsecutiveFailures != 0 || status.Degraded {
		t.Errorf("its health is %+v, %v", status, err)
	}
	stop()
	if len(r.got()) != 0 {
		t.Fatalf("posted without a signature: %+v", r.got()[0])
	}
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.Redeliver(ctx, "bob", "", w.clock.Now().UnixMilli())
		return err
	})
	w.node("with")
	w.await("it is told with the key", time.Second, func() bool { return len(r.got()) == 1 })
	if got := r.got()[0]; got.header.Get("X-Hub-Signature-256") == "" {
		t.Errorf("posted without a signature: %+v", got)
	}
}
