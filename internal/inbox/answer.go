package inbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// An Answer names a delivery that its worker answers.
type Answer struct {
	OrgID string
	BotID string
	ID    string // of the delivery
	Lease string
	Now   int64
}

// ID returns the id of a delivery within its inbox.
func ID(seq int64) string { return strconv.FormatInt(seq, 10) }

// ParseID returns the seq of the event of a delivery; 0 for a text that is no id.
func ParseID(id string) int64 {
	seq, err := strconv.ParseInt(id, 10, 64)
	if err != nil || seq < 1 || ID(seq) != id {
		return 0
	}
	return seq
}

// find returns the delivery of an answer, if the lease is that of the delivery and has not ended. A
// waiting delivery keeps its lease. The error is LEASE_LOST (B2B-DLV-010).
func (a *Answer) find(ctx context.Context, tx Tx) (*store.Delivery, error) {
	d, err := tx.Delivery(ctx, a.BotID, ParseID(a.ID))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errLost()
	case err != nil:
		return nil, fmt.Errorf("read a delivery: %w", err)
	case d.Lease == nil || *d.Lease != a.Lease || d.Due <= a.Now:
		return nil, errLost()
	}
	return d, nil
}

func errLost() error {
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST, "The delivery is not yours any more: its lease has ended, or it is settled").
		WithHint("Drop the work on it. If it was not settled, it is handed out again.")
}

// Ack settles a delivery.
func (a *Answer) Ack(ctx context.Context, tx Tx) (*store.Delivery, error) {
	d, err := tx.SettleDelivery(ctx, a.BotID, ParseID(a.ID), a.Lease, a.Now)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errLost()
	}
	if err != nil {
		return nil, fmt.Errorf("settle a delivery: %w", err)
	}
	if err := report(ctx, tx, d, true, a.Now); err != nil {
		return nil, err
	}
	return d, findHead(ctx, tx, d, d.At)
}

// Nack gives a delivery back. in is when it is handed out again at the earliest; nil: later with each
// attempt. final: never by itself.
func (a *Answer) Nack(ctx context.Context, tx Tx, in *time.Duration, final bool, reason string) (*store.Delivery, error) {
	d, err := a.find(ctx, tx)
	if err != nil {
		return nil, err
	}
	if d.State == store.DeliveryWaiting { // its attempt did not count so far
		d.Attempt++
	}
	if err := retry(ctx, tx, a.OrgID, d, a.Now, reason, in); err != nil {
		return nil, err
	}
	if final {
		d.State, d.Due = store.DeliveryFailed, 0
	}
	return d, save(ctx, tx, d, a.Now)
}

// Extend sets a new end of the lease, and with a text what the worker does.
func (a *Answer) Extend(ctx context.Context, tx Tx, length time.Duration, progress *string) (*store.Delivery, error) {
	d, err := a.find(ctx, tx)
	if err != nil {
		return nil, err
	}
	news := d.State == store.DeliveryWaiting || progress != nil && (d.Progress == nil || *d.Progress != *progress)
	if d.State == store.DeliveryWaiting {
		d.Attempt++
	}
	d.State, d.Due = store.DeliveryLeased, a.Now+length.Milliseconds()
	d.WaitsFor, d.Reason = 0, nil
	if progress != nil {
		d.Progress = progress
	}
	if !news { // a new end of the lease is none to the sender
		return d, put(ctx, tx, d)
	}
	return d, save(ctx, tx, d, a.Now)
}

// Wait puts a delivery aside, for a time at most. The attempt does not count.
func (a *Answer) Wait(ctx context.Context, tx Tx, on b2bv1.DeliveryWaitsFor, most time.Duration, reason *string) (*store.Delivery, error) {
	d, err := a.find(ctx, tx)
	if err != nil {
		return nil, err
	}
	if d.State == store.DeliveryLeased {
		d.Attempt--
	}
	d.State, d.Due, d.WaitsFor, d.Reason, d.Progress = store.DeliveryWaiting, a.Now+most.Milliseconds(), int64(on), reason, nil
	return d, save(ctx, tx, d, a.Now)
}

// PutBack undoes that a delivery was handed out, because its worker did not receive it. One that is
// no longer its is left alone.
func (a *Answer) PutBack(ctx context.Context, tx Tx) error {
	d, err := a.find(ctx, tx)
	if call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST) {
		return nil
	}
	if err != nil {
		return err
	}
	return PutBack(ctx, tx, []store.Delivery{*d}, a.Now)
}

// Redeliver queues a delivery that failed or is dead. It reports false for any other.
func Redeliver(ctx context.Context, tx Tx, d *store.Delivery, now int64) (bool, error) {
	if d.State != store.DeliveryFailed && d.State != store.DeliveryDead {
		return false, nil
	}
	d.State, d.Attempt, d.Due, d.Reason = store.DeliveryQueued, 0, 0, nil
	return true, save(ctx, tx, d, now)
}
