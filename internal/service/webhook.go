package service

import (
	"context"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// webhookService lists dead letters, the deliveries that were given up, and redelivers them.
type webhookService struct {
	*core
	reads webhookReads
}

// webhookReads is what webhookService reads of the store.
type webhookReads interface {
	BotID(ctx context.Context, org, ref string) (string, error)
	DeadLetters(ctx context.Context, org, bot string, after *store.PageKey, limit int) ([]store.WebhookDelivery, error)
}

// webhookTx is what its changes need.
type webhookTx interface {
	eventTx
	auditTx
	BotID(ctx context.Context, org, ref string) (string, error)
	Redeliver(ctx context.Context, bot, id string, at int64) (int64, error)
}

func (s *webhookService) ListDeadLetters(ctx context.Context, req *b2bv1.ListDeadLettersRequest) (*b2bv1.ListDeadLettersResponse, error) {
	org := call.CallerOf(ctx).OrgID
	bot := ""
	if req.GetBot() != "" {
		var err error
		if bot, err = s.reads.BotID(ctx, org, req.GetBot()); err != nil {
			return nil, notFound(err, "Bot")
		}
	}
	size := pageSize(req.Limit)
	rows, err := s.reads.DeadLetters(ctx, org, bot, parseOpaqueToken(req.Cursor), size+1)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	dead, more := page(rows, size)
	out := &b2bv1.ListDeadLettersResponse{Items: make([]*b2bv1.DeadLetter, len(dead)), HasMore: more}
	for i := range dead {
		d := &dead[i]
		out.Items[i] = &b2bv1.DeadLetter{
			DeliveryId: d.ID, BotId: d.BotID, EventType: d.EventType, Attempts: int32(d.Attempts),
			Reason: d.Reason, FailedAt: stamp(d.UpdatedAt),
		}
		if d.Status != nil {
			status := int32(*d.Status)
			out.Items[i].Status = &status
		}
	}
	dead, out.Items, out.HasMore = cutToSize(s.core, dead, out.Items, more)
	if out.HasMore {
		last := &dead[len(dead)-1]
		next := pagetoken.Token{At: last.UpdatedAt, ID: last.ID}.Opaque()
		out.Cursor = &next
	}
	return out, nil
}

// RedeliverDeadLetters makes dead letters due for another attempt. A record in the log informs the
// node that serves the webhook.
func (s *webhookService) RedeliverDeadLetters(ctx context.Context, req *b2bv1.RedeliverDeadLettersRequest) (*b2bv1.RedeliverDeadLettersResponse, error) {
	caller := call.CallerOf(ctx)
	if req.GetBot() == "" {
		return nil, call.Invalid("bot: is required, a bot's id or name")
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx webhookTx) (*b2bv1.RedeliverDeadLettersResponse, error) {
		bot, err := tx.BotID(ctx, caller.OrgID, req.GetBot())
		if err != nil {
			return nil, notFound(err, "Bot")
		}
		n, err := tx.Redeliver(ctx, bot, req.GetDeliveryId(), s.nowMS())
		switch {
		case err != nil:
			return nil, fmt.Errorf("redeliver dead letters: %w", err)
		case n == 0 && req.GetDeliveryId() != "":
			return nil, notFound(store.ErrNotFound, "Dead letter")
		case n == 0:
			return &b2bv1.RedeliverDeadLettersResponse{}, nil
		}
		details := detail{"redelivered": n}
		if req.GetDeliveryId() != "" {
			details["delivery_id"] = req.GetDeliveryId()
		}
		if err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "webhook.redeliver", "bot", bot, details); err != nil {
			return nil, err
		}
		if _, err := tx.Append(ctx, store.WebhookChanged(bot, s.nowMS())); err != nil {
			return nil, fmt.Errorf("append the change of a webhook: %w", err)
		}
		return &b2bv1.RedeliverDeadLettersResponse{Redelivered: int32(n)}, nil
	})
}
