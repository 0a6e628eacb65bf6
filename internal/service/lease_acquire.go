package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/leasename"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// leaseRecheck is how long a waiting call relies on being woken.
	leaseRecheck = 5 * time.Second
	// leaseWithdraw bounds the change that withdraws the wait of a client that is gone.
	leaseWithdraw = 5 * time.Second
)

// leaseIDs is the namespace of the ids of leases that are made from a request_id.
var leaseIDs = uuid.MustParse("5f1c3f0e-9a5a-5c52-8d0e-6f2b7f5a4c11")

// AcquireLease takes a lease, or waits for it (B2B-LEASE-001 to 008). A repeated call with the same
// request_id, also after it was interrupted, keeps its place and gets the same lease.
func (s *leaseService) AcquireLease(ctx context.Context, req *b2bv1.AcquireLeaseRequest) (*b2bv1.AcquireLeaseResponse, error) {
	r, err := s.leaseRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	res, err := s.tryLease(ctx, req, r)
	if !isLeaseHeld(err) || req.GetWaitSeconds() == 0 {
		return res, err
	}
	if pause := call.From(ctx).Pause; pause != nil {
		pause()
	}
	woken, leave, err := s.desks.join(r.wait.OrgID, r.wait.ID)
	if err != nil {
		return nil, fmt.Errorf("follow the leases of the org: %w", err)
	}
	defer leave()
	res, err = s.awaitLease(ctx, req, r, woken)
	if err != nil && !isLeaseHeld(err) {
		return nil, errors.Join(err, s.withdraw(ctx, r))
	}
	return res, err
}

func isLeaseHeld(err error) bool {
	return call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_LEASE_HELD)
}

// awaitLease queues a request, and tries again whenever its lease may be free. Its error is
// LEASE_HELD when the wait is over, or that the client or the server goes.
func (s *leaseService) awaitLease(ctx context.Context, req *b2bv1.AcquireLeaseRequest, r *leaseRequest, woken <-chan struct{}) (*b2bv1.AcquireLeaseResponse, error) {
	begun := s.Now()
	asked := time.Duration(req.GetWaitSeconds()) * time.Second
	for {
		left := asked - s.Now().Sub(begun)
		check, err := s.queueLease(ctx, r, asked)
		if err != nil {
			return nil, err
		}
		if check == 0 {
			res, err := s.tryLease(ctx, req, r)
			if !isLeaseHeld(err) {
				return res, err
			}
			continue // another call was faster
		}
		select {
		case <-woken:
		case <-time.After(min(check, left)):
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.Streams.Done():
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The server stops").
				WithHint("Repeat the call with the same request_id.")
		}
		if s.Now().Sub(begun) < asked {
			continue
		}
		res, err := s.tryLease(ctx, req, r)
		if !isLeaseHeld(err) {
			return res, err
		}
		e, _ := call.AsError(err)
		return nil, e.With("wait_id", r.wait.ID)
	}
}

// leaseRequest reads a request.
func (s *leaseService) leaseRequest(ctx context.Context, req *b2bv1.AcquireLeaseRequest) (*leaseRequest, error) {
	caller := call.CallerOf(ctx)
	name, err := leasename.Parse(req.GetName())
	if err != nil {
		return nil, call.Invalid("name: %s", err)
	}
	r := &leaseRequest{name: name, continues: req.GetWaitId() != "", wait: store.LeaseWait{
		ID: newID(), OrgID: caller.OrgID, Name: name.String(), Head: name.Head(), BotID: caller.BotID, Note: req.Note,
		Shared: req.GetMode() == b2bv1.LeaseMode_LEASE_MODE_SHARED,
		TTL:    leaseTTL(req.TtlSeconds, limits.LeaseSeconds*1000),
		NodeID: s.Node.ID,
	}}
	switch {
	case r.continues:
		r.wait.ID = req.GetWaitId()
	case req.GetRequestId() != "":
		r.wait.ID = uuid.NewSHA1(leaseIDs, []byte(caller.OrgID+"\x00"+caller.BotID+"\x00"+req.GetRequestId())).String()
	}
	return r, nil
}

// tryLease takes the lease, or returns the one that was granted while the call waited. The error is
// LEASE_HELD if something is in the way.
func (s *leaseService) tryLease(ctx context.Context, req *b2bv1.AcquireLeaseRequest, r *leaseRequest) (*b2bv1.AcquireLeaseResponse, error) {
	asked := *r
	return change(ctx, s.core, r.wait.OrgID, req, func(tx leaseTx) (*b2bv1.AcquireLeaseResponse, error) {
		*r = asked // in each run
		now, granted, waits, err := s.enter(ctx, tx, r)
		if granted != nil || err != nil {
			return &b2bv1.AcquireLeaseResponse{Lease: granted}, err
		}
		if err := r.continueWait(waits); err != nil {
			return nil, err
		}
		why, err := s.blockers(ctx, tx, r, waits, now)
		if err != nil {
			return nil, err
		}
		if why != nil {
			return nil, errLeaseHeld(ctx, tx, why)
		}
		if err := checkLeaseQuota(ctx, tx, &r.wait, now); err != nil {
			return nil, err
		}
		lease, err := s.takeLease(ctx, tx, &r.wait, now)
		if err != nil {
			return nil, err
		}
		if err := tx.DeleteLeaseWait(ctx, r.wait.ID); err != nil {
			return nil, fmt.Errorf("end the wait for a lease: %w", err)
		}
		return &b2bv1.AcquireLeaseResponse{Lease: lease}, nil
	})
}

// enter settles the leases of the org. It returns the lease of a request if that was granted
// meanwhile, or else the calls that wait.
func (s *leaseService) enter(ctx context.Context, tx leaseTx, r *leaseRequest) (now int64, granted *b2bv1.Lease, waits []store.LeaseWait, err error) {
	if now, err = s.leaseNow(ctx, tx); err != nil {
		return 0, nil, nil, err
	}
	if err := s.settleLeases(ctx, tx, r.wait.OrgID, now); err != nil {
		return 0, nil, nil, err
	}
	if granted, err = s.granted(ctx, tx, r, now); granted != nil || err != nil {
		return now, granted, nil, err
	}
	waits, err = tx.LeaseWaits(ctx, r.wait.OrgID, now, s.Node.Live(), limits.LeaseWaitsOfOrg)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("list the waits for leases: %w", err)
	}
	return now, nil, waits, nil
}

// continueWait checks the wait that a request names. One that has ended is replaced by a new one, at
// the end of the queue.
func (r *leaseRequest) continueWait(waits []store.LeaseWait) error {
	for i := range waits {
		if waits[i].ID == r.wait.ID {
			return r.check(waits[i].BotID, waits[i].Name, waits[i].Shared)
		}
	}
	if r.continues {
		r.wait.ID, r.continues = newID(), false
	}
	return nil
}

// check refuses a wait_id or a request_id that was used for something else.
func (r *leaseRequest) check(bot, name string, shared bool) error {
	switch {
	case bot == r.wait.BotID && name == r.wait.Name && shared == r.wait.Shared:
		return nil
	case r.continues:
		return call.Invalid("wait_id: is that of another wait").WithHint("Continue a wait with the name and mode that it began with.")
	}
	return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_IDEMPOTENCY_KEY_REUSED, "This request_id was used before with another request").
		WithHint("Use a new request_id for each new request.")
}

// granted returns the lease with the id of a request, if there is one; nil if not. One that has
// expired is ended, so that its id can be used.
func (s *leaseService) granted(ctx context.Context, tx leaseTx, r *leaseRequest, now int64) (*b2bv1.Lease, error) {
	lease, err := tx.Lease(ctx, r.wait.OrgID, r.wait.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read a lease: %w", err)
	case lease.ExpiresAt <= now:
		return nil, s.endLease(ctx, tx, lease, b2bv1.LeaseEnd_LEASE_END_EXPIRED, "")
	}
	if err := r.check(lease.BotID, lease.Name, lease.Shared); err != nil {
		return nil, err
	}
	return leaseMessage(lease, call.CallerOf(ctx).BotName), nil
}

// checkLeaseQuota refuses a lease of an org or bot that has too many (B2B-LEASE-020).
func checkLeaseQuota(ctx context.Context, tx leaseTx, w *store.LeaseWait, now int64) error {
	ofOrg, ofBot, err := tx.CountLeases(ctx, w.OrgID, w.BotID, now)
	if err != nil {
		return fmt.Errorf("count leases: %w", err)
	}
	for _, quota := range []struct {
		of   string
		have int64
		most int64
	}{{"bot", ofBot, limits.LeasesOfBot}, {"org", ofOrg, limits.LeasesOfOrg}} {
		if quota.have >= quota.most {
			return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED,
				"The %s has %d leases, the most that it may have", quota.of, quota.most).
				WithHint("Release leases that are not needed, or take one with a pattern for several things.")
		}
	}
	return nil
}

// queueLease grants what is free, and gives the request a place in the queue unless it was granted
// or has one. It returns how long to wait if nothing wakes the call: until the lease in the way
// expires. 0: the lease was granted, or is free.
func (s *leaseService) queueLease(ctx context.Context, r *leaseRequest, asked time.Duration) (check time.Duration, err error) {
	requested := *r
	err = update(ctx, s.core, r.wait.OrgID, func(tx leaseTx) error {
		*r, check = requested, 0 // in each run
		now, granted, waits, err := s.enter(ctx, tx, r)
		if granted != nil || err != nil {
			return err
		}
		queued, err := r.place(waits, now+(asked+leaseGrace).Milliseconds())
		if err != nil {
			return err
		}
		if !queued {
			if err := tx.PutLeaseWait(ctx, &r.wait); err != nil {
				return fmt.Errorf("store the wait for a lease: %w", err)
			}
		}
		why, err := s.blockers(ctx, tx, r, waits, now)
		if err != nil || why == nil { // nothing is in the way: try at once
			return err
		}
		check = leaseRecheck
		if why.by != nil && why.ahead == 0 {
			check = min(check, time.Duration(why.by.ExpiresAt-now)*time.Millisecond)
		}
		return nil
	})
	return check, err
}

// place sets the place and the end of the wait of a request: those that it has, or the last. queued
// reports whether it waits there already.
func (r *leaseRequest) place(waits []store.LeaseWait, until int64) (queued bool, err error) {
	ofBot, last := 0, int64(0)
	for i := range waits {
		w := &waits[i]
		if w.ID == r.wait.ID {
			r.wait.Place, r.wait.Until = w.Place, w.Until
			if r.continues { // once: the wait is then that of this call
				r.wait.Until, r.continues = until, false
			}
			return r.wait.Until == w.Until && r.wait.NodeID == w.NodeID, nil
		}
		last = max(last, w.Place)
		if w.BotID == r.wait.BotID {
			ofBot++
		}
	}
	if ofBot >= limits.LeaseWaitsOfBot || len(waits) >= limits.LeaseWaitsOfOrg {
		e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS, "Too many calls of this bot or org wait for leases").
			WithHint("Wait for one lease at a time, or take one with a pattern.")
		e.RetryAfter = retryWaits
		return false, e
	}
	r.wait.Place, r.wait.Until = last+1, until
	return false, nil
}

// withdraw ends the wait of a call that ends without a lease, and the lease if it was granted
// meanwhile. The context of the call may be done.
func (s *leaseService) withdraw(ctx context.Context, r *leaseRequest) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseWithdraw)
	defer cancel()
	org := r.wait.OrgID
	// Not as the caller, whose access may have changed meanwhile.
	ctx = call.WithInfo(ctx, &call.Info{Caller: &call.Caller{OrgID: org}})
	return update(ctx, s.core, org, func(tx leaseTx) error {
		now, err := s.leaseNow(ctx, tx)
		if err != nil {
			return err
		}
		lease, err := tx.Lease(ctx, org, r.wait.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return fmt.Errorf("read a lease: %w", err)
		default:
			if err := s.endLease(ctx, tx, lease, b2bv1.LeaseEnd_LEASE_END_RELEASED, lease.BotID); err != nil {
				return err
			}
		}
		if err := tx.DeleteLeaseWait(ctx, r.wait.ID); err != nil {
			return fmt.Errorf("end the wait for a lease: %w", err)
		}
		return s.grantWaits(ctx, tx, org, now)
	})
}
