package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/addressing"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// receiptReader reads what became of messages.
type receiptReader interface {
	settingsReader
	SentMessage(ctx context.Context, org, id string) (*store.SentMessage, error)
	ReadEvents(ctx context.Context, org string, seqs []int64) ([]store.Event, error)
	MembershipsOf(ctx context.Context, kind store.MembershipKind, scope string) ([]store.Membership, error)
	Addressees(ctx context.Context, org string, ids []string) ([]store.Addressee, error)
	InboxPosition(ctx context.Context, org string) (int64, error)
	InboxesOf(ctx context.Context, bots []string) ([]store.Inbox, error)
	DeliveriesAt(ctx context.Context, seq int64, bots []string) ([]store.Delivery, error)
}

// GetReceipts says what became of a message at each bot that it is addressed to (B2B-RCPT-010).
func (s *deliveryService) GetReceipts(ctx context.Context, req *b2bv1.GetReceiptsRequest) (*b2bv1.GetReceiptsResponse, error) {
	m, err := s.readableMessage(ctx, req.GetMessageId())
	if err != nil {
		return nil, err
	}
	all, err := addresseesOf(ctx, s.reads, call.CallerOf(ctx).OrgID, m)
	if err != nil {
		return nil, err
	}
	if req.GetCursor() != "" {
		all = slices.DeleteFunc(all, func(a addressee) bool { return a.id <= req.GetCursor() })
	}
	now, err := s.leaseNow(ctx, s.reads)
	if err != nil {
		return nil, err
	}
	all, more := page(all, pageSize(req.Limit))
	out := &b2bv1.GetReceiptsResponse{HasMore: more}
	if more {
		out.Cursor = &all[len(all)-1].id
	}
	out.Items, err = receiptsOf(ctx, s.reads, call.CallerOf(ctx).OrgID, m.Seq, all, now)
	return out, err
}

// readableMessage finds a message that the caller may read: as an org admin, or as a bot in its thread
// or channel. For others it does not exist.
func (s *deliveryService) readableMessage(ctx context.Context, id string) (*store.SentMessage, error) {
	caller := call.CallerOf(ctx)
	m, err := s.reads.SentMessage(ctx, caller.OrgID, id)
	if err != nil {
		return nil, notFound(err, "message")
	}
	if caller.Kind != call.Bot {
		return m, nil
	}
	seen, err := isInside(ctx, s.reads, m.Kind, m.ScopeID, caller.BotID)
	switch {
	case err != nil:
		return nil, err
	case !seen:
		return nil, call.NotFound("message")
	}
	return m, nil
}

// addressee is a bot that a message is addressed to.
type addressee struct {
	id  string
	why b2bv1.AddressedBy
}

// addresseesOf returns the bots that a message is addressed to, by id: as package inbox finds them,
// those that its event names and that were in its thread or channel then (B2B-DLV-002).
func addresseesOf(ctx context.Context, r receiptReader, org string, m *store.SentMessage) ([]addressee, error) {
	rows, err := r.ReadEvents(ctx, org, []int64{m.Seq})
	if err != nil {
		return nil, fmt.Errorf("read the event of a message: %w", err)
	}
	if len(rows) == 0 {
		return nil, call.NotFound("receipts: message").WithHint("The message is older than the event log, so nothing is known of it.")
	}
	event, members, sender := &b2bv1.Event{}, []store.Membership(nil), rows[0].ActorID
	if err := proto.Unmarshal(rows[0].Payload, event); err != nil {
		return nil, fmt.Errorf("decode event %d of org %s: %w", m.Seq, org, err)
	}
	to := addressing.Of(event, "")
	if len(to) == 0 {
		return nil, nil
	}
	if members, err = r.MembershipsOf(ctx, m.Kind, m.ScopeID); err != nil {
		return nil, fmt.Errorf("list the members of a thread or channel: %w", err)
	}
	var out []addressee
	known := map[string]bool{deref(sender): true}
	for _, to := range to {
		for i := range members {
			b := &members[i]
			if b.Has(m.Seq) && !known[b.BotID] && (to.Bot == "" || to.Bot == b.BotID) {
				known[b.BotID] = true
				out = append(out, addressee{b.BotID, b2bv1.AddressedBy(to.Kind)}) // the numbers are the same
			}
		}
	}
	slices.SortFunc(out, func(a, b addressee) int { return strings.Compare(a.id, b.id) })
	return out, nil
}

// receiptsOf returns what became of the message with a seq at bots, in their order. Bots that were
// deleted are left out. Nothing is written: what has ended by now is shown so.
//
// The position of the inboxes is read first: so an event up to it that has no delivery is done, and
// not one that was delivered meanwhile.
func receiptsOf(ctx context.Context, r receiptReader, org string, seq int64, of []addressee, now int64) ([]*b2bv1.Receipt, error) {
	position, err := r.InboxPosition(ctx, org)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read the position of the inboxes: %w", err)
	}
	ids := make([]string, len(of))
	for i, a := range of {
		ids[i] = a.id
	}
	inboxes, err := r.InboxesOf(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the inboxes of receipts: %w", err)
	}
	deliveries, err := r.DeliveriesAt(ctx, seq, ids)
	if err != nil {
		return nil, fmt.Errorf("read the deliveries of a message: %w", err)
	}
	bots, err := r.Addressees(ctx, org, ids)
	if err != nil {
		return nil, fmt.Errorf("read the bots of receipts: %w", err)
	}
	settings, err := r.OrgSettings(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("read the org's settings: %w", err)
	}
	names, opened, at := map[string]string{}, map[string]int64{}, map[string]*store.Delivery{}
	for i := range bots {
		names[bots[i].ID] = bots[i].Name
	}
	for _, box := range inboxes {
		opened[box.BotID] = box.OpenedSeq
	}
	for i := range deliveries {
		at[deliveries[i].BotID] = &deliveries[i]
	}
	out := make([]*b2bv1.Receipt, 0, len(of))
	for _, a := range of {
		name, there := names[a.id]
		if !there {
			continue
		}
		receipt := &b2bv1.Receipt{Id: a.id, Name: name, Why: a.why, State: b2bv1.ReceiptState_RECEIPT_STATE_UNCONFIRMED}
		after, uses := opened[a.id]
		switch {
		case at[a.id] != nil:
			inbox.FillReceipt(receipt, new(inbox.Current(*at[a.id], now, settings.Attempts())))
		case !uses || seq <= after: // the message is older than its inbox
		case seq > position:
			receipt.State = b2bv1.ReceiptState_RECEIPT_STATE_QUEUED
		default:
			receipt.State = b2bv1.ReceiptState_RECEIPT_STATE_DONE
		}
		out = append(out, receipt)
	}
	return out, nil
}
