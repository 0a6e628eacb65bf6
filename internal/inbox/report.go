package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// report tells the sender of a message what became of it at a bot, in the transaction of the change,
// if the message asked for that and the sender is still in its thread or channel (B2B-RCPT-020). done
// reports that the delivery was settled.
func report(ctx context.Context, tx Tx, d *store.Delivery, done bool, now int64) error {
	if d.SenderID == nil || d.MessageID == nil {
		return nil
	}
	inside, err := isInside(ctx, tx, d.InChannel, d.ScopeID, *d.SenderID)
	if err != nil || !inside {
		return err
	}
	bot, err := tx.Bot(ctx, d.OrgID, d.BotID)
	if err != nil {
		return fmt.Errorf("read the bot of a receipt: %w", err)
	}
	receipt := &b2bv1.Receipt{Id: bot.ID, Name: bot.Name, Why: b2bv1.AddressedBy(d.Kind)} // the numbers are the same
	if done {
		receipt.State = b2bv1.ReceiptState_RECEIPT_STATE_DONE
	} else {
		FillReceipt(receipt, d)
	}
	updated := &b2bv1.DeliveryUpdatedEvent{MessageId: *d.MessageID, Receipt: receipt}
	if d.InChannel {
		updated.ChannelId = &d.ScopeID
	} else {
		updated.ThreadId = &d.ScopeID
	}
	event := &b2bv1.Event{Event: &b2bv1.Event_DeliveryUpdated{DeliveryUpdated: updated}}
	payload, err := proto.Marshal(event)
	if err != nil {
		return fmt.Errorf("marshal %s: %w", eventtype.DeliveryUpdated, err)
	}
	_, err = tx.Append(ctx, store.Event{
		At: now, Type: eventtype.DeliveryUpdated, Audience: store.AudienceBot, BotID: d.SenderID, Payload: payload, Decoded: event,
	})
	if err != nil {
		return fmt.Errorf("append %s: %w", eventtype.DeliveryUpdated, err)
	}
	return nil
}

func isInside(ctx context.Context, tx Tx, channel bool, scope, bot string) (bool, error) {
	if channel {
		member, err := tx.IsChannelMember(ctx, scope, bot)
		if err != nil {
			return false, fmt.Errorf("look up a channel's member: %w", err)
		}
		return member, nil
	}
	_, err := tx.Participant(ctx, scope, bot)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up a participant: %w", err)
	}
	return true, nil
}

// reportResumed reports that the waiting deliveries of a bot in a scope are queued again.
func (d *delivering) reportResumed(ctx context.Context, bot, scope string) error {
	for i := range d.waiting {
		w := &d.waiting[i]
		if w.BotID != bot || w.ScopeID != scope || w.State != store.DeliveryWaiting {
			continue
		}
		resume(w)
		d.reported = true
		if err := report(ctx, d.tx, w, false, d.now); err != nil {
			return err
		}
	}
	return nil
}

// reportedOf returns the id of the message of an event, if it asked for receipts; else empty.
func reportedOf(row *store.Event, event *b2bv1.Event) string {
	var m interface {
		GetReceipts() bool
		GetId() string
	}
	switch row.Type {
	case eventtype.Message:
		m = event.GetMessage().GetMessage()
	case eventtype.ThreadMessage:
		m = event.GetThreadMessage().GetMessage()
	default:
		return ""
	}
	switch {
	case row.ActorID == nil || !m.GetReceipts():
		return ""
	case row.MessageID != nil: // the payload leaves it out
		return *row.MessageID
	}
	return m.GetId()
}

// FillReceipt sets what became of a message of which the delivery is not done (B2B-RCPT-011).
func FillReceipt(r *b2bv1.Receipt, d *store.Delivery) {
	switch d.State {
	case store.DeliveryQueued:
		r.State = b2bv1.ReceiptState_RECEIPT_STATE_QUEUED
	case store.DeliveryLeased:
		r.State = b2bv1.ReceiptState_RECEIPT_STATE_WORKING
	case store.DeliveryWaiting:
		r.State, r.WaitsFor = b2bv1.ReceiptState_RECEIPT_STATE_WAITING, b2bv1.WaitsFor(d.WaitsFor).Enum() // the numbers are the same
	case store.DeliveryFailed:
		r.State = b2bv1.ReceiptState_RECEIPT_STATE_FAILED
	case store.DeliveryDead:
		r.State = b2bv1.ReceiptState_RECEIPT_STATE_DEAD
	}
	r.Progress, r.Reason = d.Progress, d.Reason
	if d.Attempt > 0 && d.State != store.DeliveryWaiting {
		r.Attempt = new(int32(d.Attempt))
	}
	if d.Due > 0 {
		r.DueAt = timestamppb.New(time.UnixMilli(d.Due))
	}
}
