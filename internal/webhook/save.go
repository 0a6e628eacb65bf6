package webhook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// save writes the results since the last save, in one transaction. So the stored position is never
// after an event that is neither settled nor set aside in the store.
func (r *reader) save(ctx context.Context) error {
	if r.saveAt.IsZero() {
		return nil
	}
	var degraded bool
	err := r.d.Store.Update(ctx, r.ref.OrgID, func(tx Tx) error {
		if held, err := tx.WebhookHeld(ctx, r.ref.BotID, r.d.Node.ID); err != nil {
			return err
		} else if !held {
			return errLost
		}
		var err error
		if degraded, err = r.saveStatus(ctx, tx); err != nil {
			return err
		}
		if err := r.saveDeliveries(ctx, tx); err != nil {
			return err
		}
		if r.seq == r.saved {
			return nil
		}
		return tx.MoveWebhook(ctx, r.ref.BotID, r.seq)
	})
	if err != nil {
		return fmt.Errorf("save the position of a webhook: %w", err)
	}
	if degraded && !r.degraded {
		r.d.Logger.WarnContext(ctx, "a webhook is degraded", "bot", r.ref.BotID, "org", r.ref.OrgID)
	}
	r.degraded, r.saved = degraded, r.seq
	r.outcomes = r.outcomes[:0]
	clear(r.changed)
	r.saveAt = time.Time{}
	return nil
}

// saveStatus adds the outcomes to the stored health of the webhook, and reports whether it is
// degraded.
func (r *reader) saveStatus(ctx context.Context, tx Tx) (degraded bool, err error) {
	status, err := tx.WebhookStatus(ctx, r.ref.BotID)
	if err != nil || len(r.outcomes) == 0 {
		return err == nil && status.Degraded, err
	}
	for i := range r.outcomes {
		count(status, r.outcomes[i])
	}
	return status.Degraded, tx.PutWebhookStatus(ctx, status)
}

// count updates the health of a webhook (B2B-HOOK-020): one success or one failure for each
// event, not for each attempt.
func count(s *store.WebhookStatus, o outcome) {
	if o.delivered {
		s.LastSuccess, s.ConsecutiveFailures, s.Degraded = &o.at, 0, false
		return
	}
	s.LastFailure = &o.at
	if s.ConsecutiveFailures++; s.ConsecutiveFailures >= degradeAt {
		s.Degraded = true
	}
}

func (r *reader) saveDeliveries(ctx context.Context, tx Tx) error {
	dead := false
	for _, seq := range slices.Sorted(maps.Keys(r.changed)) {
		d := r.changed[seq]
		if d == nil {
			if err := tx.DeleteDelivery(ctx, r.ref.BotID, seq); err != nil {
				return err
			}
			continue
		}
		dead = dead || d.NextAt == nil
		if err := tx.PutDelivery(ctx, d); err != nil {
			return err
		}
	}
	if !dead {
		return nil
	}
	return tx.TrimDeadLetters(ctx, r.ref.BotID, maxDead)
}
