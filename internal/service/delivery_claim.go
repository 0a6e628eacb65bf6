package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/addressing"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// claimRecheck is how long a waiting claim relies on being woken: what a worker on another node
// settles wakes nobody here.
const claimRecheck = time.Second

const (
	// claimMark is how often it is written that a bot claims, so that senders know (B2B-RCPT-003).
	claimMark = 30 * time.Second
	// claimMarked is how long such a mark counts.
	claimMarked = 2*time.Minute + claimMark
)

// claimIDs is the namespace of the leases of claims with a request_id.
var claimIDs = uuid.MustParse("0d6f4a56-7a0e-5b7c-9a54-6f0a3c1f7b1d")

// ClaimInbox hands out deliveries (B2B-DLV-003 to 008).
func (s *deliveryService) ClaimInbox(ctx context.Context, req *b2bv1.ClaimInboxRequest) (*b2bv1.ClaimInboxResponse, error) {
	caller := call.CallerOf(ctx)
	q := claimOf(caller, req)
	wait := time.Duration(req.GetWaitSeconds()) * time.Second
	begun := s.Now()
	replaced, end, err := s.repeats.begin(ctx, q.Repeats)
	if err != nil {
		return nil, err
	}
	defer end()
	items, err := s.claim(ctx, q)
	if err != nil || len(items) > 0 || wait == 0 {
		return s.unlessGone(ctx, q, items, err)
	}
	if pause := call.From(ctx).Pause; pause != nil {
		pause()
	}
	q.Repeats = "" // nothing was handed out for this request_id
	woken, leave, err := s.desks.join(caller.OrgID, caller.BotID)
	if err != nil {
		return nil, fmt.Errorf("follow the events of the org: %w", err)
	}
	defer leave()
	for {
		if items, err = s.claim(ctx, q); err != nil || len(items) > 0 {
			return s.unlessGone(ctx, q, items, err)
		}
		left := wait - s.Now().Sub(begun)
		if left <= 0 || isClosed(replaced) {
			return &b2bv1.ClaimInboxResponse{}, nil
		}
		check, err := s.nextCheck(ctx, q)
		if err != nil {
			return nil, err
		}
		if err := s.await(ctx, woken, replaced, min(check, left)); err != nil {
			return nil, err
		}
	}
}

// await waits until a claim is woken or replaced, for a time at most.
func (s *deliveryService) await(ctx context.Context, woken, replaced <-chan struct{}, most time.Duration) error {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-woken:
	case <-replaced:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.Streams.Done():
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The server stops").WithHint("Repeat the call.")
	}
	return nil
}

// nextCheck returns how long a claim that got nothing waits if nothing wakes it.
func (s *deliveryService) nextCheck(ctx context.Context, q *claimRequest) (time.Duration, error) {
	ready, err := s.reads.NextReady(ctx, q.BotID)
	if errors.Is(err, store.ErrNotFound) {
		return claimRecheck, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find when the next delivery is ready: %w", err)
	}
	if ready <= q.Now { // it is of another kind or thread than the claim asks for
		return claimRecheck, nil
	}
	now, err := s.leaseNow(ctx, s.reads)
	if err != nil {
		return 0, err
	}
	return min(max(time.Duration(ready-now)*time.Millisecond, time.Millisecond), claimRecheck), nil
}

// claimRequest is what a claim asks for.
type claimRequest struct {
	inbox.Claim
	context bool
	backlog time.Duration
}

func claimOf(caller *call.Caller, req *b2bv1.ClaimInboxRequest) *claimRequest {
	q := &claimRequest{context: req.GetContext(), backlog: day}
	q.OrgID, q.BotID, q.Limit, q.Length = caller.OrgID, caller.BotID, 1, claimLength(req.LeaseSeconds)
	if req.Max != nil {
		q.Limit = int(req.GetMax())
	}
	if req.BacklogSeconds != nil {
		q.backlog = time.Duration(req.GetBacklogSeconds()) * time.Second
	}
	q.Kinds, q.Scope, q.Unordered = kindsOf(req.GetKinds()), req.ThreadId, req.GetUnordered()
	q.Lease = uuid.NewString()
	if id := req.GetRequestId(); id != "" {
		q.Repeats = uuid.NewSHA1(claimIDs, []byte(caller.BotID+"\x00"+id)).String()
		q.Lease = q.Repeats + "." + q.Lease
	}
	return q
}

// kindsOf returns the kinds that a claim asks for; nil: all.
func kindsOf(asked []b2bv1.DeliveryKind) []int64 {
	if len(asked) == 0 {
		return nil
	}
	kinds := []int64{}
	for _, k := range asked {
		if !slices.Contains(kinds, int64(k)) {
			kinds = append(kinds, int64(k))
		}
	}
	return kinds
}

// item is a delivery that was handed out, with its event.
type item struct {
	store.Delivery
	event *b2bv1.Event
}

// claim hands out what is ready. It reads first whether there may be something, because a change
// makes others wait, unless the claim before got something.
func (s *deliveryService) claim(ctx context.Context, q *claimRequest) (items []item, err error) {
	if !s.stocked.has(q.BotID) {
		if idle, err := s.idle(ctx, q); idle || err != nil {
			return nil, err
		}
	}
	defer func() { s.stocked.set(q.BotID, len(items) > 0) }()
	for {
		behind := false
		err := update(ctx, s.core, q.OrgID, func(tx deliveryTx) (err error) {
			items = nil
			if q.Now, err = s.leaseNow(ctx, tx); err != nil {
				return err
			}
			if behind, err = inbox.Deliver(ctx, tx, q.OrgID, q.Now, s.decides(tx, q.OrgID)); behind || err != nil {
				return err
			}
			items, err = s.take(ctx, tx, *q)
			return err
		})
		if err != nil || !behind {
			return items, err
		}
	}
}

// idle reports whether there is nothing to hand out.
func (s *deliveryService) idle(ctx context.Context, q *claimRequest) (bool, error) {
	at, err := s.reads.InboxPosition(ctx, q.OrgID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // to be opened
	}
	if err != nil {
		return false, fmt.Errorf("read the position of the inboxes: %w", err)
	}
	top, err := s.reads.LogTop(ctx, q.OrgID)
	if err != nil {
		return false, fmt.Errorf("find the end of the log: %w", err)
	}
	if at < top.Seq {
		return false, nil
	}
	box, err := s.reads.InboxOf(ctx, q.BotID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for an inbox: %w", err)
	case s.unmarked(box):
		return false, nil
	}
	ready, err := s.reads.NextReady(ctx, q.BotID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return q.Repeats == "", nil // what was handed out before has no head
	case err != nil:
		return false, fmt.Errorf("find when the next delivery is ready: %w", err)
	case ready == 0 || q.Unordered || q.Repeats != "":
		return false, nil
	}
	now, err := s.leaseNow(ctx, s.reads)
	return ready > now, err
}

// unmarked reports whether it is to be written that a worker claims from an inbox.
func (c *core) unmarked(box *store.Inbox) bool {
	return c.nowMS()-box.ClaimedAt >= claimMark.Milliseconds()
}

// take opens the inbox if need be, and hands out what is ready, as far as the response has room.
func (s *deliveryService) take(ctx context.Context, tx deliveryTx, q claimRequest) ([]item, error) {
	since := s.Now().Add(-q.backlog).UnixMilli() + 1
	if err := inbox.Open(ctx, tx, q.OrgID, q.BotID, since, s.decides(tx, q.OrgID)); err != nil {
		return nil, err
	}
	box, err := tx.InboxOf(ctx, q.BotID)
	if err != nil {
		return nil, fmt.Errorf("read an inbox: %w", err)
	}
	if s.unmarked(box) {
		if err := tx.SetInboxClaimed(ctx, q.BotID, s.nowMS()); err != nil {
			return nil, fmt.Errorf("mark that an inbox has a worker: %w", err)
		}
	}
	taken, err := inbox.Take(ctx, tx, q.Claim)
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	seqs := make([]int64, len(taken))
	for i := range taken {
		seqs[i] = taken[i].Seq
	}
	rows, err := tx.ReadEvents(ctx, q.OrgID, seqs)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	events := make(map[int64]*store.Event, len(rows))
	for i := range rows {
		events[rows[i].Seq] = &rows[i]
	}
	room := s.pageBytesLeft()
	items := make([]item, 0, len(taken))
	for i := range taken {
		row := events[taken[i].Seq]
		if row != nil {
			if room -= 2*row.Size() + bodyRest; room < 0 && i > 0 {
				return items, inbox.PutBack(ctx, tx, taken[i:], q.Now)
			}
		}
		it := item{Delivery: taken[i]}
		if row != nil && eventlog.InScope(row.Type, call.CallerOf(ctx).Scopes) {
			if it.event, err = eventlog.Decode(row); err != nil {
				return nil, err
			}
		}
		items = append(items, it)
	}
	return items, nil
}

// unlessGone returns the response of a claim. If there is none, or the caller is gone and does not get
// it, nothing is handed out (B2B-DLV-023): but what a claim before this one handed out stays so.
func (s *deliveryService) unlessGone(
	ctx context.Context, q *claimRequest, items []item, err error,
) (*b2bv1.ClaimInboxResponse, error) {
	res, err := s.claimed(ctx, q, items, err)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return res, nil
	}
	var own []item
	for i := range items {
		if strings.HasPrefix(*items[i].Lease, q.Lease) {
			own = append(own, items[i])
		}
	}
	if len(own) > 0 {
		err = errors.Join(err, s.giveBack(ctx, q, own))
	}
	return nil, err
}

// claimed returns the response of a claim.
func (s *deliveryService) claimed(ctx context.Context, q *claimRequest, items []item, err error) (*b2bv1.ClaimInboxResponse, error) {
	if err != nil {
		return nil, err
	}
	out := &b2bv1.ClaimInboxResponse{Items: make([]*b2bv1.Delivery, len(items))}
	for i := range items {
		out.Items[i] = leasedOut(&items[i].Delivery)
		if e := items[i].event; e.GetEvent() != nil {
			out.Items[i].Event = e
		}
	}
	if !q.context || len(items) == 0 {
		return out, nil
	}
	return out, s.addContext(ctx, q.BotID, items, out.Items)
}

// addressees returns the bots that an event may be addressed to, for the desks.
func (s *deliveryService) addressees(ctx context.Context, it *eventlog.Item) (bots []string) {
	about := ""
	if b := it.About(); b != nil {
		about = *b
	}
	for _, to := range addressing.Of(it.Event, about) {
		if to.Bot != "" {
			bots = append(bots, to.Bot)
			continue
		}
		kind, scope := store.MemberOfThread, it.Event.GetThreadMessage().GetThreadId()
		if m := it.Event.GetMessage(); m != nil {
			kind, scope = store.MemberOfChannel, m.GetChannelId()
		} else if r := it.Event.GetThreadJoinRequest(); r != nil {
			scope = r.GetThreadId()
		}
		members, err := s.reads.MembershipsOf(ctx, kind, scope)
		if err != nil { // the claims look by themselves soon
			s.Log.WarnContext(ctx, "cannot find whom to wake for a delivery", "error", err)
			return bots
		}
		for i := range members {
			if members[i].LeftSeq == nil {
				bots = append(bots, members[i].BotID)
			}
		}
	}
	return bots
}
