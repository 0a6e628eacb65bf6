package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/leasename"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// A call that waits for a lease has a row (store.LeaseWait) with its place in the queue of its org,
// and the id that its lease will have. Whatever ends a lease grants those that were waited for, in
// the order of the queue and in the same transaction. So a lease goes to whom has waited longest,
// without a moment in which another can take it, and a call on another node is granted its lease by
// the node where it became free.

const (
	// leaseGrace is how long a call that waited in vain keeps its place (B2B-LEASE-007).
	leaseGrace = 10 * time.Second
	// leasesAtOnce is how many expired leases a change ends at most.
	leasesAtOnce = 100
)

// leaseRequest is what a call asks for.
type leaseRequest struct {
	name leasename.Name
	wait store.LeaseWait // the row of the wait, with the id of the lease; its place and end are set in the queue
	// continues reports that the call names an earlier wait, which then ends later.
	continues bool
}

// conflicts reports whether two of them cannot be held at the same time.
func (r *leaseRequest) conflicts(name string, shared bool) bool {
	return !(r.wait.Shared && shared) && overlap(r.name, name)
}

// blocked is why a lease cannot be taken.
type blocked struct {
	by    *store.NamedLease // a lease in the way; nil: only calls that wait are
	ahead int               // calls that wait for what overlaps, and came before
}

// settleLeases ends expired leases and waits of an org, and grants what these were in the way of.
func (c *core) settleLeases(ctx context.Context, tx leaseTx, org string, now int64) error {
	expired, err := tx.ExpiredLeases(ctx, org, now, leasesAtOnce)
	if err != nil {
		return fmt.Errorf("list expired leases: %w", err)
	}
	for i := range expired {
		if err := c.endLease(ctx, tx, &expired[i], b2bv1.LeaseEnd_LEASE_END_EXPIRED, ""); err != nil {
			return err
		}
	}
	ended, err := tx.EndLeaseWaits(ctx, org, now, c.Node.Live())
	if err != nil {
		return fmt.Errorf("end waits for leases: %w", err)
	}
	if len(expired) == 0 && ended == 0 {
		return nil
	}
	return c.grantWaits(ctx, tx, org, now)
}

// grantWaits grants the leases that are waited for and free, in the order of the queue.
func (c *core) grantWaits(ctx context.Context, tx leaseTx, org string, now int64) error {
	waits, err := tx.LeaseWaits(ctx, org, now, c.Node.Live(), limits.LeaseWaitsOfOrg)
	if err != nil {
		return fmt.Errorf("list the waits for leases: %w", err)
	}
	var waiting []store.LeaseWait // on
	for i := range waits {
		w := &waits[i]
		name, err := leasename.Parse(w.Name)
		if err != nil { // of a newer version, which will grant it
			waiting = append(waiting, *w)
			continue
		}
		r := &leaseRequest{name: name, wait: *w}
		why, err := c.blockers(ctx, tx, r, waiting, now)
		switch {
		case err != nil:
			return err
		case why != nil:
			waiting = append(waiting, *w)
			continue
		}
		if _, err := c.takeLease(ctx, tx, w, now); err != nil {
			return err
		}
		if err := tx.DeleteLeaseWait(ctx, w.ID); err != nil {
			return fmt.Errorf("end the wait for a lease: %w", err)
		}
	}
	return nil
}

// blockers returns what is in the way of a request: leases, and those of the waits that came before
// it. nil: nothing. Expired leases in the way are ended, so that the log has their ends before the
// new lease.
func (c *core) blockers(ctx context.Context, tx leaseTx, r *leaseRequest, waits []store.LeaseWait, now int64) (*blocked, error) {
	why := &blocked{}
	for i := range waits {
		if w := &waits[i]; w.ID == r.wait.ID {
			break
		} else if r.conflicts(w.Name, w.Shared) {
			why.ahead++
		}
	}
	near, err := tx.LeasesIn(ctx, r.wait.OrgID, 0, places(r.name))
	if err != nil {
		return nil, fmt.Errorf("list the leases near a name: %w", err)
	}
	for i := range near {
		l := &near[i]
		switch {
		case !r.conflicts(l.Name, l.Shared):
		case l.ExpiresAt <= now:
			if err := c.endLease(ctx, tx, l, b2bv1.LeaseEnd_LEASE_END_EXPIRED, ""); err != nil {
				return nil, err
			}
		case why.by == nil || l.ExpiresAt > why.by.ExpiresAt: // it is free when the last one has ended
			why.by = l
		}
	}
	if why.by == nil && why.ahead == 0 {
		return nil, nil
	}
	return why, nil
}

// takeLease stores the lease of a wait, from now on.
func (c *core) takeLease(ctx context.Context, tx leaseTx, w *store.LeaseWait, now int64) (*b2bv1.Lease, error) {
	top, err := tx.LogTop(ctx, w.OrgID)
	if err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	lease := &store.NamedLease{
		ID: w.ID, OrgID: w.OrgID, Name: w.Name, Head: w.Head, Shared: w.Shared, BotID: w.BotID, Note: w.Note,
		// The seq of its event: it rises, and no two leases have the same.
		Fence: top.Seq + 1, TTL: w.TTL, AcquiredAt: now, ExpiresAt: now + w.TTL,
	}
	if err := tx.PutLease(ctx, lease); err != nil {
		return nil, fmt.Errorf("store a lease: %w", err)
	}
	holder, err := holderName(ctx, tx, lease)
	if err != nil {
		return nil, err
	}
	m := leaseMessage(lease, holder)
	to := toOrg()
	to.ActorID = &lease.BotID
	err = c.emit(ctx, tx, to, &b2bv1.Event{Event: &b2bv1.Event_LeaseAcquired{LeaseAcquired: &b2bv1.LeaseAcquiredEvent{Lease: m}}})
	return m, err
}

// endLease removes a lease and emits why; by is empty if nobody did it.
func (c *core) endLease(ctx context.Context, tx leaseTx, lease *store.NamedLease, why b2bv1.LeaseEnd, by string) error {
	holder, err := holderName(ctx, tx, lease)
	if err != nil {
		return err
	}
	if err := tx.DeleteLease(ctx, lease.ID); err != nil {
		return fmt.Errorf("remove a lease: %w", err)
	}
	return c.emitLeaseReleased(ctx, tx, lease, holder, why, by)
}

func (c *core) emitLeaseReleased(ctx context.Context, tx eventTx, lease *store.NamedLease, holder string, why b2bv1.LeaseEnd, by string) error {
	e := &b2bv1.LeaseReleasedEvent{Lease: leaseMessage(lease, holder), Reason: why}
	if by != "" {
		e.By = &by
	}
	return c.emit(ctx, tx, toOrg(), &b2bv1.Event{Event: &b2bv1.Event_LeaseReleased{LeaseReleased: e}})
}

// releaseOfDeleted emits that the leases of a bot that was just deleted have ended, and grants them
// to those that wait (B2B-LEASE-013).
func (c *core) releaseOfDeleted(ctx context.Context, tx leaseTx, bot *store.Bot, leases []store.NamedLease) error {
	now, err := c.leaseNow(ctx, tx)
	if err != nil {
		return err
	}
	for i := range leases {
		err := c.emitLeaseReleased(ctx, tx, &leases[i], bot.Name, b2bv1.LeaseEnd_LEASE_END_HOLDER_DELETED, call.CallerOf(ctx).Actor())
		if err != nil {
			return err
		}
	}
	return c.grantWaits(ctx, tx, bot.OrgID, now)
}

// SettleLeases ends what has expired of the leases of an org, and grants what is free (package
// retention).
func (r *Retention) SettleLeases(ctx context.Context, org string) error {
	return update(ctx, r.core, org, func(tx leaseTx) error {
		now, err := r.leaseNow(ctx, tx)
		if err != nil {
			return err
		}
		return r.settleLeases(ctx, tx, org, now)
	})
}

// errLeaseHeld returns the error that names what is in the way of a lease (B2B-LEASE-005).
func errLeaseHeld(ctx context.Context, tx leaseTx, why *blocked) error {
	if why.by == nil {
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_LEASE_HELD, "Others have waited for this name before").
			WithHint("Wait with wait_seconds: who waits longest gets it first.").With("waiting_ahead", why.ahead)
	}
	holder, err := holderName(ctx, tx, why.by)
	if err != nil {
		return err
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_LEASE_HELD, "%.128q is held by %s", why.by.Name, holder).
		WithHint("Wait with wait_seconds, or ask the holder. It ends at expires_at unless it is renewed.").
		With("lease_id", why.by.ID).With("name", why.by.Name).With("holder_id", why.by.BotID).With("holder_name", holder).
		With("expires_at", why.by.ExpiresAt).With("waiting_ahead", why.ahead)
}
