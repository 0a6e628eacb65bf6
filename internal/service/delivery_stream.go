package service

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/inbox"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// giveBackTime bounds the change that gives back what could not be sent.
const giveBackTime = 5 * time.Second

// StreamInbox hands out deliveries as they become ready (B2B-DLV-021, 022).
func (s *deliveryService) StreamInbox(ctx context.Context, req *b2bv1.StreamInboxRequest, send func(*b2bv1.StreamInboxResponse) error) error {
	caller := call.CallerOf(ctx)
	woken, leave, err := s.desks.join(caller.OrgID, caller.BotID)
	if err != nil {
		return fmt.Errorf("follow the events of the org: %w", err)
	}
	defer leave()
	call.Endless(ctx)
	claim := claimOf(caller, &b2bv1.ClaimInboxRequest{
		Max: req.Max, LeaseSeconds: req.LeaseSeconds, Kinds: req.Kinds, ThreadId: req.ThreadId, Unordered: req.Unordered,
		Context: req.Context, BacklogSeconds: req.BacklogSeconds,
	})
	st := &inboxStream{deliveryService: s, send: send, claim: claim}
	return st.run(ctx, woken)
}

// inboxStream is a stream of deliveries. Its leases begin with that of its claim, so the store knows
// how many the worker has; the claim's limit is the most.
type inboxStream struct {
	*deliveryService
	send  func(*b2bv1.StreamInboxResponse) error
	claim *claimRequest
	count int // claims so far
	beat  time.Time
}

func (st *inboxStream) run(ctx context.Context, woken <-chan struct{}) error {
	for {
		info := call.From(ctx)
		caller, err := info.Recheck(ctx)
		if err != nil {
			return err
		}
		info.Caller = caller
		if !st.Now().Before(st.beat) {
			if err := st.sent(&b2bv1.StreamInboxResponse{}); err != nil {
				return err
			}
		}
		pause, err := st.handOut(ctx)
		if err != nil {
			return err
		}
		if pause = min(pause, st.beat.Sub(st.Now())); pause <= 0 {
			continue
		}
		if err := st.await(ctx, woken, nil, pause); err != nil {
			return err
		}
	}
}

// sent sends an item. The next heartbeat is due a while after it.
func (st *inboxStream) sent(res *b2bv1.StreamInboxResponse) error {
	st.beat = st.Now().Add(st.Heartbeat)
	return st.send(res)
}

// handOut sends what is ready, as far as the worker has room for it, and returns how long to wait
// until it looks again. A change that must begin again begins with the credential.
func (st *inboxStream) handOut(ctx context.Context) (time.Duration, error) {
	q := *st.claim
	has, err := st.reads.LeasedBy(ctx, q.BotID, q.Lease, q.Limit)
	if err != nil {
		return 0, fmt.Errorf("find what the worker has: %w", err)
	}
	if q.Limit -= len(has); q.Limit <= 0 {
		return claimRecheck, nil
	}
	st.count++
	q.Lease += "." + strconv.Itoa(st.count)
	items, err := st.deliveryService.claim(ctx, &q)
	if errors.Is(err, call.ErrStale) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(items) == 0 {
		return st.nextCheck(ctx, &q)
	}
	res, err := st.claimed(ctx, &q, items, nil)
	if err != nil {
		return 0, errors.Join(err, st.giveBack(ctx, st.claim, items))
	}
	for i, d := range res.GetItems() {
		if err := st.sent(&b2bv1.StreamInboxResponse{Delivery: d}); err != nil {
			return 0, errors.Join(err, st.giveBack(ctx, st.claim, items[i:]))
		}
	}
	return 0, nil
}

// giveBack undoes that deliveries were handed out which the worker has not received.
func (s *deliveryService) giveBack(ctx context.Context, q *claimRequest, items []item) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	err := update(ctx, s.core, q.OrgID, func(tx deliveryTx) error {
		now, err := s.leaseNow(ctx, tx)
		if err != nil {
			return err
		}
		for i := range items {
			a := &inbox.Answer{OrgID: q.OrgID, BotID: q.BotID, ID: inbox.ID(items[i].Seq), Lease: *items[i].Lease, Now: now}
			if err := a.PutBack(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("give back what was not sent: %w", err)
	}
	s.desks.wake(q.OrgID, q.BotID)
	return nil
}
