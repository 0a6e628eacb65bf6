package service

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// redeliverMost is how many deliveries one call queues again.
const redeliverMost = 1000

// inboxOf returns the bot whose inbox a call is about: the caller, or for an org admin the bot that
// it names.
func inboxOf(ctx context.Context, r interface {
	BotID(ctx context.Context, org, ref string) (string, error)
}, ref *string) (string, error) {
	caller := call.CallerOf(ctx)
	if textOr(ref, "") == "" {
		if caller.Kind == call.Bot {
			return caller.BotID, nil
		}
		return "", call.Invalid("bot: is required, a bot's id or name")
	}
	id, err := r.BotID(ctx, caller.OrgID, *ref)
	if err != nil {
		return "", notFound(err, "bot")
	}
	if caller.Kind == call.Bot && id != caller.BotID {
		return "", call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "bot: is another bot, whose inbox is not yours")
	}
	return id, nil
}

// ListDeliveries lists deliveries that are not done (B2B-DLV-016).
func (s *deliveryService) ListDeliveries(ctx context.Context, req *b2bv1.ListDeliveriesRequest) (*b2bv1.ListDeliveriesResponse, error) {
	bot, err := inboxOf(ctx, s.reads, req.Bot)
	if err != nil {
		return nil, err
	}
	size := pageSize(req.Limit)
	q := store.DeliveryQuery{BotID: bot, State: store.DeliveryState(req.GetState()), Scope: req.ThreadId, Limit: size + 1}
	if req.GetCursor() != "" {
		if q.After, err = strconv.ParseInt(req.GetCursor(), 10, 64); err != nil {
			return nil, call.Invalid("cursor: must be that of a page")
		}
	}
	for more := true; more; {
		if more, err = s.settleInboxes(ctx, call.CallerOf(ctx).OrgID); err != nil {
			return nil, err
		}
	}
	rows, err := s.reads.Deliveries(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	rows, more := page(rows, size)
	out := &b2bv1.ListDeliveriesResponse{Items: make([]*b2bv1.Delivery, len(rows))}
	for i := range rows {
		out.Items[i] = deliveryOut(&rows[i])
	}
	if rows, out.Items, out.HasMore = cutToSize(s.core, rows, out.Items, more); out.HasMore {
		next := strconv.FormatInt(rows[len(rows)-1].Seq, 10)
		out.Cursor = &next
	}
	return out, nil
}

// RedeliverDead queues deliveries that failed or are dead (B2B-DLV-017).
func (s *deliveryService) RedeliverDead(ctx context.Context, req *b2bv1.RedeliverDeadRequest) (*b2bv1.RedeliverDeadResponse, error) {
	org := call.CallerOf(ctx).OrgID
	var bot string
	out, err := change(ctx, s.core, org, req, func(tx deliveryTx) (*b2bv1.RedeliverDeadResponse, error) {
		var err error
		if bot, err = inboxOf(ctx, tx, req.Bot); err != nil {
			return nil, err
		}
		rows, err := s.ended(ctx, tx, bot, req.GetIds())
		if err != nil {
			return nil, err
		}
		now, err := s.leaseNow(ctx, tx)
		if err != nil {
			return nil, err
		}
		out := &b2bv1.RedeliverDeadResponse{}
		for i := range rows {
			queued, err := inbox.Redeliver(ctx, tx, &rows[i], now)
			if err != nil {
				return nil, err
			}
			if queued {
				out.Redelivered++
			}
		}
		if out.Redelivered == 0 {
			return out, nil
		}
		details := detail{"redelivered": strconv.Itoa(int(out.Redelivered))}
		return out, s.audit(ctx, tx, org, actorBot(ctx), "inbox.redeliver", "bot", bot, details.via(ctx))
	})
	if err == nil {
		s.desks.wake(org, bot)
	}
	return out, err
}

// ended returns the deliveries of a bot with these ids; without any the oldest that failed or are
// dead.
func (s *deliveryService) ended(ctx context.Context, tx deliveryTx, bot string, ids []string) (rows []store.Delivery, err error) {
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		d, err := tx.Delivery(ctx, bot, inbox.ParseID(id))
		if err != nil {
			return nil, notFound(err, "delivery")
		}
		rows = append(rows, *d)
	}
	if len(ids) > 0 {
		return rows, nil
	}
	for _, state := range []store.DeliveryState{store.DeliveryFailed, store.DeliveryDead} {
		some, err := tx.Deliveries(ctx, store.DeliveryQuery{BotID: bot, State: state, Limit: redeliverMost - len(rows)})
		if err != nil {
			return nil, fmt.Errorf("list deliveries that have ended: %w", err)
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// SettleInboxes ends the leases of deliveries of an org that have ended, and adds events of the log to
// its inboxes (package retention).
func (r *Retention) SettleInboxes(ctx context.Context, org string) error {
	_, err := r.settleInboxes(ctx, org)
	return err
}

// settleInboxes reports whether more events of the log are to be added.
func (c *core) settleInboxes(ctx context.Context, org string) (more bool, err error) {
	err = update(ctx, c, org, func(tx deliveryTx) error {
		now, err := c.leaseNow(ctx, tx)
		if err != nil {
			return err
		}
		if err := inbox.EndDue(ctx, tx, org, now); err != nil {
			return err
		}
		more, err = inbox.Deliver(ctx, tx, org, now, c.decides(tx, org))
		return err
	})
	return more, err
}
