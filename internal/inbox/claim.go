package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

const (
	dueAtOnce  = 100             // leases that one change ends
	retryFirst = time.Second     // before the second attempt; doubled with each
	retryMost  = 5 * time.Minute // before later attempts
)

// Claim asks for deliveries of a bot.
type Claim struct {
	OrgID string
	store.ReadyQuery
	Length time.Duration // of the leases
	// Repeats begins the leases of a claim that may be repeated: it then returns what it handed
	// out before. Empty: it is not repeated.
	Repeats string
	Lease   string // begins the leases; it must be new
}

// Take hands out deliveries. The inboxes must be at the end of the log.
func Take(ctx context.Context, tx Tx, c Claim) ([]store.Delivery, error) {
	if err := EndDue(ctx, tx, c.OrgID, c.Now); err != nil {
		return nil, err
	}
	if c.Repeats != "" {
		before, err := tx.LeasedBy(ctx, c.BotID, c.Repeats, c.Limit)
		if err != nil {
			return nil, fmt.Errorf("find what was handed out before: %w", err)
		}
		if len(before) > 0 {
			return before, nil
		}
	}
	ready, err := tx.ReadyDeliveries(ctx, c.ReadyQuery)
	if err != nil {
		return nil, fmt.Errorf("find deliveries that are ready: %w", err)
	}
	for i := range ready {
		d := &ready[i]
		d.State, d.Attempt, d.Due, d.Lease = store.DeliveryLeased, d.Attempt+1, c.Now+c.Length.Milliseconds(), new(c.Lease+"."+ID(d.Seq))
		d.Progress, d.WaitsFor, d.Reason = nil, 0, nil
		if err := save(ctx, tx, d, c.Now); err != nil {
			return nil, err
		}
	}
	return ready, nil
}

// save stores a delivery that was changed, and reports the change.
func save(ctx context.Context, tx Tx, d *store.Delivery, now int64) error {
	if err := report(ctx, tx, d, false, now); err != nil {
		return err
	}
	return put(ctx, tx, d)
}

// put stores a delivery that was changed.
func put(ctx context.Context, tx Tx, d *store.Delivery) error {
	if err := tx.SetDelivery(ctx, d); err != nil {
		return fmt.Errorf("change a delivery: %w", err)
	}
	return findHead(ctx, tx, d, 0)
}

func findHead(ctx context.Context, tx Tx, d *store.Delivery, settled int64) error {
	if err := tx.FindHead(ctx, d.BotID, d.ScopeID, settled); err != nil {
		return fmt.Errorf("find the next delivery of a scope: %w", err)
	}
	return nil
}

// EndDue ends the leases of an org that have ended at a time, and the waits that are over: at most
// dueAtOnce, the oldest first.
func EndDue(ctx context.Context, tx Tx, org string, now int64) error {
	due, err := tx.DueDeliveries(ctx, now, dueAtOnce)
	if err != nil {
		return fmt.Errorf("list deliveries that are due: %w", err)
	}
	if len(due) == 0 {
		return nil
	}
	settings, err := tx.OrgSettings(ctx, org)
	if err != nil {
		return fmt.Errorf("read the org's settings: %w", err)
	}
	for i := range due {
		end(&due[i], now, settings.Attempts())
		if err := save(ctx, tx, &due[i], now); err != nil {
			return err
		}
	}
	return nil
}

// end ends the lease or the wait of a delivery.
func end(d *store.Delivery, now, attempts int64) {
	if d.State == store.DeliveryWaiting {
		resume(d)
		return
	}
	again(d, now, attempts, reasonExpired, nil)
}

// resume queues a delivery that waited.
func resume(d *store.Delivery) {
	d.State, d.Due, d.Lease, d.WaitsFor, d.Reason = store.DeliveryQueued, 0, nil, 0, nil
}

// Current returns a delivery as it is at a time, which EndDue may not have written yet.
func Current(d store.Delivery, now, attempts int64) store.Delivery {
	if (d.State == store.DeliveryLeased || d.State == store.DeliveryWaiting) && d.Due <= now {
		end(&d, d.Due, attempts)
	}
	return d
}

// reasonExpired is the reason of a delivery whose worker did not answer in time.
const reasonExpired = "the lease ended without an answer"

// retry queues a delivery again, or makes it dead if it was handed out as often as the org allows.
// in is when at the earliest; nil: later with each attempt.
func retry(ctx context.Context, tx Tx, org string, d *store.Delivery, now int64, reason string, in *time.Duration) error {
	settings, err := tx.OrgSettings(ctx, org)
	if err != nil {
		return fmt.Errorf("read the org's settings: %w", err)
	}
	again(d, now, settings.Attempts(), reason, in)
	return nil
}

// again is retry with the number of attempts that the org allows.
func again(d *store.Delivery, now, attempts int64, reason string, in *time.Duration) {
	d.Lease, d.Progress, d.WaitsFor, d.Reason = nil, nil, 0, nil
	if reason != "" {
		d.Reason = &reason
	}
	if d.Attempt >= attempts {
		d.State, d.Due = store.DeliveryDead, 0
		return
	}
	after := backOff(d.Attempt)
	if in != nil {
		after = *in
	}
	d.State, d.Due = store.DeliveryQueued, now+after.Milliseconds()
}

// backOff returns the pause after a number of attempts.
func backOff(attempts int64) time.Duration {
	pause := retryFirst
	for range min(attempts, 10) - 1 {
		pause *= 2
	}
	return min(pause, retryMost)
}

// PutBack undoes that deliveries were handed out, in the same transaction.
func PutBack(ctx context.Context, tx Tx, taken []store.Delivery, now int64) error {
	for i := range taken {
		d := &taken[i]
		d.State, d.Attempt, d.Due, d.Lease = store.DeliveryQueued, d.Attempt-1, 0, nil
		if err := save(ctx, tx, d, now); err != nil {
			return err
		}
	}
	return nil
}
