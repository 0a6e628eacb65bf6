package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// deadlinesAtOnce is how many deadlines one change, or one call, looks at.
	deadlinesAtOnce = 20
	// Of a message that is overdue it is looked whether it was acknowledged since: after as long as
	// it is overdue, and not more often than recheckFirst and not later than recheckMost.
	recheckFirst = time.Minute
	recheckMost  = time.Hour
	// overdueKept is how long a message that is overdue is listed.
	overdueKept = 7 * day
	// overdueWork is after how many addressees a page of overdue messages ends.
	overdueWork = 100
	// lookForReply is how many messages after one are looked at for an answer (B2B-RCPT-033).
	lookForReply = 1000
)

// acking is a request to send a message that can ask to be acknowledged in time.
type acking interface {
	marked
	GetAckBy() int32
	GetEscalateTo() string
}

// deadlineTx is what a message needs of the store that asks to be acknowledged in time.
type deadlineTx interface {
	insideReader
	Addressee(ctx context.Context, org, ref string) (*store.Addressee, error)
	LeaseClock(ctx context.Context, local int64) (int64, error)
	CountDeadlines(ctx context.Context, sender string) (int64, error)
	PutDeadline(ctx context.Context, d *store.Deadline) error
}

// newDeadline returns the deadline of a message that the caller sends; nil if it asks for none
// (B2B-RCPT-030, 031).
func (c *core) newDeadline(ctx context.Context, tx deadlineTx, req acking, kind store.MembershipKind, scope string) (*store.Deadline, error) {
	if req.GetAckBy() == 0 && req.GetEscalateTo() == "" {
		return nil, nil
	}
	caller := call.CallerOf(ctx)
	d := &store.Deadline{OrgID: caller.OrgID, SenderID: caller.BotID}
	if kind == store.MemberOfChannel {
		d.ChannelID = &scope
	} else {
		d.ThreadID = &scope
	}
	if to := req.GetEscalateTo(); to != "" {
		bot, err := tx.Addressee(ctx, caller.OrgID, to)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, call.NotFound("escalate_to: bot").WithStatus(400)
		case err != nil:
			return nil, fmt.Errorf("look up whom a message is escalated to: %w", err)
		case bot.JoinStatus != store.BotActive:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE, "escalate_to: the bot is not active").WithStatus(400)
		}
		inside, err := isInside(ctx, tx, kind, scope, bot.ID)
		if err != nil {
			return nil, err
		}
		if !inside {
			return nil, call.Invalid("escalate_to: the bot is not in the thread or channel, so it could not see the message").
				WithHint("Add it to the thread first, or leave escalate_to out: then people are told.")
		}
		d.EscalateTo = &bot.ID
	}
	switch {
	case req.GetAckBy() == 0:
		return nil, call.Invalid("escalate_to: needs ack_by, the seconds after which it is told")
	case req.GetNoReply():
		return nil, call.Invalid("ack_by: a message with no_reply asks nobody to act")
	}
	waiting, err := tx.CountDeadlines(ctx, caller.BotID)
	if err != nil {
		return nil, fmt.Errorf("count the deadlines of a bot: %w", err)
	}
	if waiting >= limits.DeadlinesOfBot {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_QUOTA_EXCEEDED, "%d messages of this bot wait to be acknowledged", waiting).
			WithHint("Leave ack_by out, or wait until some of them are acknowledged or overdue.")
	}
	now, err := c.leaseNow(ctx, tx)
	if err != nil {
		return nil, err
	}
	d.DueAt = now + int64(req.GetAckBy())*1000
	d.CheckAt = d.DueAt
	return d, nil
}

// dueOf returns the time of a deadline, as its message has it.
func dueOf(d *store.Deadline) *timestamppb.Timestamp {
	if d == nil {
		return nil
	}
	return stamp(d.DueAt)
}

// keepDeadline stores the deadline of a message that was sent; nil: it has none.
func keepDeadline(ctx context.Context, tx deadlineTx, d *store.Deadline, message string, to *b2bv1.Recipients) error {
	if d == nil {
		return nil
	}
	if to.GetCount() == 0 {
		return call.Invalid("ack_by: the message is addressed to no active bot, so nobody would acknowledge it").
			WithHint("Mention a participant with @name, or reply to a message of one.")
	}
	d.MessageID = message
	if err := tx.PutDeadline(ctx, d); err != nil {
		return fmt.Errorf("store a deadline: %w", err)
	}
	return nil
}

// deadlineReader reads whether a message was acknowledged.
type deadlineReader interface {
	receiptReader
	entryReader
	memberFinder
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	WroteAfter(ctx context.Context, kind store.MembershipKind, scope, message string, bots []string, look int) ([]string, error)
}

// overdueOf returns the message of a deadline with the addressees that have not acknowledged it; nil
// if nobody waits for that any more (B2B-RCPT-032, 033). looked is of how many addressees it has read.
func overdueOf(ctx context.Context, r deadlineReader, d *store.Deadline, now int64) (out *b2bv1.OverdueMessage, looked int, err error) {
	m, err := r.SentMessage(ctx, d.OrgID, d.MessageID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("look up a message with a deadline: %w", err)
	}
	if wanted, err := stillWanted(ctx, r, d, m); err != nil || !wanted {
		return nil, 0, err
	}
	all, err := addresseesOf(ctx, r, d.OrgID, m)
	if call.HasCode(err, b2bv1.ErrorCode_ERROR_CODE_NOT_FOUND) { // the event is gone
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	active, err := activeOf(ctx, r, d.OrgID, all)
	if err != nil {
		return nil, 0, err
	}
	receipts, err := receiptsOf(ctx, r, d.OrgID, m.Seq, active, now)
	if err != nil {
		return nil, 0, err
	}
	late, err := notAcknowledged(ctx, r, m, receipts)
	if err != nil || len(late) == 0 && len(receipts) > 0 {
		return nil, len(receipts), err
	}
	sender, err := r.Bot(ctx, d.OrgID, d.SenderID)
	if err != nil {
		return nil, 0, fmt.Errorf("read the sender of a message: %w", err)
	}
	return &b2bv1.OverdueMessage{
		MessageId: d.MessageID, ThreadId: d.ThreadID, ChannelId: d.ChannelID, DueAt: stamp(d.DueAt),
		Sender: &b2bv1.OverdueParty{Id: sender.ID, Name: sender.Name},
		Count:  int32(len(late)), Receipts: late[:min(len(late), limits.MaxRecipients)],
	}, len(active), nil
}

// stillWanted reports whether the sender of a message waits for its acknowledgement: it is still
// there, and the thread has not ended.
func stillWanted(ctx context.Context, r deadlineReader, d *store.Deadline, m *store.SentMessage) (bool, error) {
	inside, err := isInside(ctx, r, m.Kind, m.ScopeID, d.SenderID)
	if err != nil || !inside || m.Kind == store.MemberOfChannel {
		return inside, err
	}
	t, err := r.Thread(ctx, d.OrgID, m.ScopeID)
	if err != nil {
		return false, fmt.Errorf("read the thread of a message: %w", err)
	}
	return !thread.Status(t.Status).Terminal(), nil
}

// activeOf returns those of the addressees that are active.
func activeOf(ctx context.Context, r deadlineReader, org string, all []addressee) ([]addressee, error) {
	ids := make([]string, len(all))
	for i, a := range all {
		ids[i] = a.id
	}
	bots, err := r.Addressees(ctx, org, ids)
	if err != nil {
		return nil, fmt.Errorf("read the addressees of a message: %w", err)
	}
	active := map[string]bool{}
	for i := range bots {
		active[bots[i].ID] = bots[i].JoinStatus == store.BotActive
	}
	return slices.DeleteFunc(all, func(a addressee) bool { return !active[a.id] }), nil
}

// notAcknowledged returns those of the receipts of a message that do not acknowledge it.
func notAcknowledged(ctx context.Context, r deadlineReader, m *store.SentMessage, receipts []*b2bv1.Receipt) ([]*b2bv1.Receipt, error) {
	var unconfirmed []string
	for _, receipt := range receipts {
		if receipt.GetState() == b2bv1.ReceiptState_RECEIPT_STATE_UNCONFIRMED {
			unconfirmed = append(unconfirmed, receipt.GetId())
		}
	}
	wrote, err := r.WroteAfter(ctx, m.Kind, m.ScopeID, m.ID, unconfirmed, lookForReply)
	if err != nil {
		return nil, fmt.Errorf("look for answers to a message: %w", err)
	}
	return slices.DeleteFunc(receipts, func(receipt *b2bv1.Receipt) bool {
		return inbox.Acknowledged(receipt.GetState(), slices.Contains(wrote, receipt.GetId()))
	}), nil
}
