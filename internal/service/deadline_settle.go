package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// overdueTx is what a change needs that looks at deadlines.
type overdueTx interface {
	deadlineReader
	eventTx
	LeaseClock(ctx context.Context, local int64) (int64, error)
	DueDeadlines(ctx context.Context, now int64, limit int) ([]store.Deadline, error)
	SetDeadline(ctx context.Context, d *store.Deadline) error
	EndDeadline(ctx context.Context, message string) error
}

// SettleDeadlines looks at messages of an org that should be acknowledged by now, deadlinesAtOnce at
// most (package retention). One change makes a message overdue and writes its events, so each node
// may run it (B2B-RCPT-034).
func (r *Retention) SettleDeadlines(ctx context.Context, org string) error {
	return update(ctx, r.core, org, func(tx overdueTx) error {
		now, err := r.leaseNow(ctx, tx)
		if err != nil {
			return err
		}
		due, err := tx.DueDeadlines(ctx, now, deadlinesAtOnce)
		if err != nil {
			return fmt.Errorf("list deadlines: %w", err)
		}
		for i := range due {
			if err := r.settleDeadline(ctx, tx, &due[i], now); err != nil {
				return fmt.Errorf("deadline of message %s: %w", due[i].MessageID, err)
			}
		}
		return nil
	})
}

// settleDeadline looks whether a message was acknowledged. The first time that it was not, it says so.
func (c *core) settleDeadline(ctx context.Context, tx overdueTx, d *store.Deadline, now int64) error {
	overdue, _, err := overdueOf(ctx, tx, d, now)
	if err != nil {
		return err
	}
	if overdue == nil || d.OverdueAt != nil && now-*d.OverdueAt >= overdueKept.Milliseconds() {
		return tx.EndDeadline(ctx, d.MessageID)
	}
	if d.OverdueAt == nil {
		d.OverdueAt = &now
		if err := c.tellOverdue(ctx, tx, d, overdue); err != nil {
			return err
		}
	}
	d.CheckAt = now + min(max(now-d.DueAt, recheckFirst.Milliseconds()), recheckMost.Milliseconds())
	return tx.SetDeadline(ctx, d)
}

// tellOverdue writes the events of a message that has become overdue (B2B-RCPT-034, 035). The bot that
// the sender named must still be there; else people are told alone.
func (c *core) tellOverdue(ctx context.Context, tx overdueTx, d *store.Deadline, overdue *b2bv1.OverdueMessage) error {
	to, err := escalatedTo(ctx, tx, d)
	if err != nil {
		return err
	}
	if to == nil {
		d.EscalateTo = nil
	}
	overdue.EscalatedTo = to
	err = c.emit(ctx, tx, toBot(d.SenderID), &b2bv1.Event{Event: &b2bv1.Event_DeliveryOverdue{
		DeliveryOverdue: &b2bv1.DeliveryOverdueEvent{Overdue: overdue},
	}})
	if err != nil || to == nil {
		return err
	}
	return c.emit(ctx, tx, toBot(to.GetId()), &b2bv1.Event{Event: &b2bv1.Event_DeliveryEscalated{
		DeliveryEscalated: &b2bv1.DeliveryEscalatedEvent{Overdue: overdue},
	}})
}

// escalatedTo returns the bot that is told of an overdue message, if it may still see that.
func escalatedTo(ctx context.Context, r deadlineReader, d *store.Deadline) (*b2bv1.OverdueParty, error) {
	if d.EscalateTo == nil {
		return nil, nil
	}
	bot, err := r.Bot(ctx, d.OrgID, *d.EscalateTo)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the bot that a message is escalated to: %w", err)
	}
	kind, scope := store.MemberOfThread, deref(d.ThreadID)
	if d.ChannelID != nil {
		kind, scope = store.MemberOfChannel, *d.ChannelID
	}
	inside, err := isInside(ctx, r, kind, scope, bot.ID)
	if err != nil || !inside || bot.JoinStatus != store.BotActive {
		return nil, err
	}
	return &b2bv1.OverdueParty{Id: bot.ID, Name: bot.Name}, nil
}

// ListOverdueDeliveries lists messages that are overdue (B2B-RCPT-036).
func (s *deliveryService) ListOverdueDeliveries(ctx context.Context, req *b2bv1.ListOverdueDeliveriesRequest) (*b2bv1.ListOverdueDeliveriesResponse, error) {
	caller := call.CallerOf(ctx)
	q := store.OverdueQuery{OrgID: caller.OrgID}
	if caller.Kind == call.Bot {
		q.SenderID = caller.BotID
	}
	var err error
	if q.After, err = parsePageToken(req.GetCursor(), "overdue_at"); err != nil {
		return nil, err
	}
	size := min(pageSize(req.Limit), deadlinesAtOnce)
	q.Limit = size + 1
	rows, err := s.reads.Overdue(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list overdue messages: %w", err)
	}
	now, err := s.leaseNow(ctx, s.reads)
	if err != nil {
		return nil, err
	}
	rows, more := page(rows, size)
	out := &b2bv1.ListOverdueDeliveriesResponse{}
	work := 0
	for i := range rows {
		if work >= overdueWork {
			rows, more = rows[:i], true
			break
		}
		overdue, looked, err := overdueOf(ctx, s.reads, &rows[i], now)
		if err != nil {
			return nil, err
		}
		work += looked
		if overdue == nil { // acknowledged since
			continue
		}
		if overdue.EscalatedTo, err = escalatedTo(ctx, s.reads, &rows[i]); err != nil {
			return nil, err
		}
		out.Items = append(out.Items, overdue)
	}
	if out.HasMore = more; more {
		last := &rows[len(rows)-1]
		out.Cursor = formatPageToken(*last.OverdueAt, last.MessageID)
	}
	return out, nil
}
