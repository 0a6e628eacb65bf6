package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/addressing"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// deliveryService hands out the inboxes of bots (B2B-DLV).
type deliveryService struct {
	*core
	reads   deliveryReads
	desks   *desks
	stocked stocked
	waits   *InboxWaits
	repeats repeats
}

// deliveryReads is what deliveryService reads of the store.
type deliveryReads interface {
	InboxOf(ctx context.Context, bot string) (*store.Inbox, error)
	NextReady(ctx context.Context, bot string) (int64, error)
	ReadyBots(ctx context.Context, bots []string, now int64) ([]string, error)
	Deliveries(ctx context.Context, q store.DeliveryQuery) ([]store.Delivery, error)
	SettledAt(ctx context.Context, bot, scope string) (int64, error)
	LeasedBy(ctx context.Context, bot, prefix string, limit int) ([]store.Delivery, error)
	entryReader
	historyReader
	deadlineReader
	Overdue(ctx context.Context, q store.OverdueQuery) ([]store.Deadline, error)
	BotID(ctx context.Context, org, ref string) (string, error)
	LeaseClock(ctx context.Context, local int64) (int64, error)
	LogTop(ctx context.Context, org string) (store.LogTop, error)
	Artifacts(ctx context.Context, thread string, after *store.PageKey, limit int) ([]store.Artifact, error)
}

// deliveryTx is what its changes need.
type deliveryTx interface {
	inbox.Tx
	auditTx
	entryReader
	BotID(ctx context.Context, org, ref string) (string, error)
	LeaseClock(ctx context.Context, local int64) (int64, error)
	SetInboxClaimed(ctx context.Context, bot string, at int64) error
	ReadEvents(ctx context.Context, org string, seqs []int64) ([]store.Event, error)
	Deliveries(ctx context.Context, q store.DeliveryQuery) ([]store.Delivery, error)
}

func newDeliveryService(c *core, reads deliveryReads) *deliveryService {
	s := &deliveryService{core: c, reads: reads}
	s.desks = &desks{
		core: c, types: addressing.Types(), orgs: map[string]*desk{}, keys: s.addressees,
		mostOfKey: limits.ClaimWaitsOfBot, mostOfOrg: limits.ClaimWaitsOfOrg,
	}
	s.waits = &InboxWaits{s: s, orgs: map[string]*orgWaits{}}
	c.settled = func(org, bot string) { s.desks.wake(org, bot) }
	return s
}

// decidesReader is what decides reads.
type decidesReader interface {
	entryReader
	settingsReader
}

// decides reports whether a bot may decide about requests to join a thread, for package inbox.
func (c *core) decides(tx decidesReader, org string) inbox.Decider {
	return func(ctx context.Context, id, bot string) (bool, error) {
		t, err := tx.Thread(ctx, org, id)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read a thread: %w", err)
		}
		p, err := participation(ctx, tx, id, bot)
		if err != nil || p == nil {
			return false, err
		}
		return c.permitted(ctx, tx, t, p, thread.ActionManage, thread.ActionInvite)
	}
}

// answering is the request of a worker that answers a delivery.
type answering interface {
	request
	GetId() string
	GetLease() string
}

// answer runs fn with the answer of a request, as a change of the org, and wakes the claims that may
// get the next delivery of the same thread or channel.
func answer[M proto.Message](ctx context.Context, s *deliveryService, req answering, fn func(tx deliveryTx, a *inbox.Answer) (M, error)) (M, error) {
	caller := call.CallerOf(ctx)
	if req.GetLease() == "" {
		return *new(M), call.Invalid("lease: is required, that of the delivery")
	}
	out, err := change(ctx, s.core, caller.OrgID, req, func(tx deliveryTx) (M, error) {
		now, err := s.leaseNow(ctx, tx)
		if err != nil {
			return *new(M), err
		}
		return fn(tx, &inbox.Answer{OrgID: caller.OrgID, BotID: caller.BotID, ID: req.GetId(), Lease: req.GetLease(), Now: now})
	})
	if err == nil {
		s.desks.wake(caller.OrgID, caller.BotID)
	}
	return out, err
}

// AckDelivery settles a delivery (B2B-DLV-011).
func (s *deliveryService) AckDelivery(ctx context.Context, req *b2bv1.AckDeliveryRequest) (*b2bv1.AckDeliveryResponse, error) {
	return answer(ctx, s, req, func(tx deliveryTx, a *inbox.Answer) (*b2bv1.AckDeliveryResponse, error) {
		_, err := a.Ack(ctx, tx)
		return &b2bv1.AckDeliveryResponse{Settled: true}, err
	})
}

// NackDelivery gives a delivery back (B2B-DLV-012).
func (s *deliveryService) NackDelivery(ctx context.Context, req *b2bv1.NackDeliveryRequest) (*b2bv1.NackDeliveryResponse, error) {
	var in *time.Duration
	if req.RetryInSeconds != nil {
		in = new(time.Duration(req.GetRetryInSeconds()) * time.Second)
	}
	return answer(ctx, s, req, func(tx deliveryTx, a *inbox.Answer) (*b2bv1.NackDeliveryResponse, error) {
		d, err := a.Nack(ctx, tx, in, req.GetFinal(), req.GetReason())
		return &b2bv1.NackDeliveryResponse{Delivery: deliveryOut(d)}, err
	})
}

// ExtendDelivery sets a new end of a lease (B2B-DLV-013).
func (s *deliveryService) ExtendDelivery(ctx context.Context, req *b2bv1.ExtendDeliveryRequest) (*b2bv1.ExtendDeliveryResponse, error) {
	return answer(ctx, s, req, func(tx deliveryTx, a *inbox.Answer) (*b2bv1.ExtendDeliveryResponse, error) {
		d, err := a.Extend(ctx, tx, claimLength(req.LeaseSeconds), nil)
		return &b2bv1.ExtendDeliveryResponse{Delivery: leasedOut(d)}, err
	})
}

// ProgressDelivery says what a worker does (B2B-DLV-013).
func (s *deliveryService) ProgressDelivery(ctx context.Context, req *b2bv1.ProgressDeliveryRequest) (*b2bv1.ProgressDeliveryResponse, error) {
	if req.Text == nil {
		return nil, call.Invalid("text: is required, what the worker does")
	}
	return answer(ctx, s, req, func(tx deliveryTx, a *inbox.Answer) (*b2bv1.ProgressDeliveryResponse, error) {
		d, err := a.Extend(ctx, tx, claimLength(req.LeaseSeconds), req.Text)
		return &b2bv1.ProgressDeliveryResponse{Delivery: leasedOut(d)}, err
	})
}

// WaitDelivery puts a delivery aside (B2B-DLV-014).
func (s *deliveryService) WaitDelivery(ctx context.Context, req *b2bv1.WaitDeliveryRequest) (*b2bv1.WaitDeliveryResponse, error) {
	if req.GetOn() == b2bv1.DeliveryWaitsFor_DELIVERY_WAITS_FOR_UNSPECIFIED {
		return nil, call.Invalid("on: is required, human or bot")
	}
	most := day
	if req.ResumeInSeconds != nil {
		most = time.Duration(req.GetResumeInSeconds()) * time.Second
	}
	return answer(ctx, s, req, func(tx deliveryTx, a *inbox.Answer) (*b2bv1.WaitDeliveryResponse, error) {
		d, err := a.Wait(ctx, tx, req.GetOn(), most, req.Reason)
		return &b2bv1.WaitDeliveryResponse{Delivery: leasedOut(d)}, err
	})
}

// settle settles the delivery that a change names, in its transaction (B2B-DLV-015).
func (c *core) settle(ctx context.Context, tx Tx, req request) error {
	caller, settles := call.CallerOf(ctx), settlesOf(req)
	if settles == nil {
		return nil
	}
	if settles.GetDeliveryId() == "" || settles.GetLease() == "" {
		return call.Invalid("settles: needs delivery_id and lease")
	}
	now, err := c.leaseNow(ctx, tx)
	if err != nil {
		return err
	}
	a := &inbox.Answer{OrgID: caller.OrgID, BotID: caller.BotID, ID: settles.GetDeliveryId(), Lease: settles.GetLease(), Now: now}
	_, err = a.Ack(ctx, tx)
	return err
}

// settlesOf returns what a change settles; nil: nothing.
func settlesOf(req request) *b2bv1.Settles {
	if r, ok := req.(interface{ GetSettles() *b2bv1.Settles }); ok {
		return r.GetSettles()
	}
	return nil
}

func claimLength(seconds *int32) time.Duration {
	if seconds == nil {
		return limits.ClaimSeconds * time.Second
	}
	return time.Duration(*seconds) * time.Second
}

// deliveryOut returns the message of a delivery, without its lease and its event.
func deliveryOut(d *store.Delivery) *b2bv1.Delivery {
	if d == nil {
		return nil
	}
	out := &b2bv1.Delivery{
		Id: inbox.ID(d.Seq), Kind: b2bv1.DeliveryKind(d.Kind), State: b2bv1.DeliveryState(d.State), Attempt: int32(d.Attempt),
		CreatedAt: stamp(d.At), Progress: d.Progress, Reason: d.Reason,
	}
	switch {
	case d.ScopeID == "":
	case d.InChannel || out.Kind == b2bv1.DeliveryKind_DELIVERY_KIND_DIRECT:
		out.ChannelId = &d.ScopeID
	default:
		out.ThreadId = &d.ScopeID
	}
	if d.Due != 0 {
		out.DueAt = stamp(d.Due)
	}
	if d.WaitsFor != 0 {
		out.WaitsFor = b2bv1.DeliveryWaitsFor(d.WaitsFor).Enum()
	}
	return out
}

// leasedOut is deliveryOut with the lease, for its worker.
func leasedOut(d *store.Delivery) *b2bv1.Delivery {
	out := deliveryOut(d)
	if out != nil {
		out.Lease = d.Lease
	}
	return out
}
