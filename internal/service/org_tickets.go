package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/pagetoken"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const ticketLife = 1800 * time.Second

func (s *orgService) CreateOrgTicket(ctx context.Context, req *b2bv1.CreateOrgTicketRequest) (*b2bv1.CreateOrgTicketResponse, error) {
	id := call.CallerOf(ctx).OrgID
	return change(ctx, s.core, id, req, func(tx orgTx) (*b2bv1.CreateOrgTicketResponse, error) {
		code, seen, now := auth.NewTicketCode(), newID(), s.nowMS()
		ticket := &store.OrgTicket{
			ID: newID(), OrgID: id, IDHash: hashed(seen), CodeHash: hashed(code), Reusable: req.GetReusable(), SkipApproval: req.GetSkipApproval(),
			ExpiresAt: expiry(now, req.ExpiresIn, ticketLife), CreatedBy: actorBot(ctx), CreatedAt: now,
		}
		sealed, err := s.Keys.SealTicket(ticket.ID, seal.Ticket{ID: seen, Code: &code})
		if err != nil {
			return nil, fmt.Errorf("seal a ticket: %w", err)
		}
		ticket.Sealed = &sealed
		if err := tx.CreateTicket(ctx, ticket); err != nil {
			return nil, fmt.Errorf("create a ticket: %w", err)
		}
		err = s.audit(ctx, tx, id, actorBot(ctx), "auth.ticket_created", "org_ticket", ticket.ID, detail{
			"reusable": ticket.Reusable, "skip_approval": ticket.SkipApproval, "expires_at": ticket.ExpiresAt, "created_by": changedBy(call.CallerOf(ctx)),
		})
		if err != nil {
			return nil, err
		}
		return &b2bv1.CreateOrgTicketResponse{
			Ticket: code, ExpiresAt: ticket.ExpiresAt, Reusable: ticket.Reusable, SkipApproval: ticket.SkipApproval,
		}, nil
	})
}

func (s *orgService) ListOrgTickets(ctx context.Context, req *b2bv1.ListOrgTicketsRequest) (*b2bv1.ListOrgTicketsResponse, error) {
	size := smallPage(req.Limit)
	var before *store.PageKey
	if req.GetCursor() != "" {
		p, ok := pagetoken.ParseOpaque(req.GetCursor())
		if !ok {
			return &b2bv1.ListOrgTicketsResponse{}, nil
		}
		before = &store.PageKey{At: p.At, ID: p.ID}
	}
	rows, err := s.reads.Tickets(ctx, call.CallerOf(ctx).OrgID, s.nowMS(), before, size+1)
	if err != nil {
		return nil, fmt.Errorf("list tickets: %w", err)
	}
	tickets, more := page(rows, size)
	out := &b2bv1.ListOrgTicketsResponse{Items: make([]*b2bv1.OrgTicket, len(tickets))}
	for i := range tickets {
		t := &tickets[i]
		seen := s.openTicket(ctx, t)
		out.Items[i] = &b2bv1.OrgTicket{
			Id: seen.ID, Code: seen.Code, Reusable: t.Reusable, SkipApproval: t.SkipApproval, ExpiresAt: t.ExpiresAt,
			CreatedBy: t.CreatedBy, CreatedAt: stamp(t.CreatedAt),
		}
	}
	if tickets, out.Items, more = cutToSize(s.core, tickets, out.Items, more); more {
		last := &tickets[len(tickets)-1]
		next := pagetoken.Token{At: last.CreatedAt, ID: last.ID}.Opaque()
		out.Cursor = &next
	}
	return out, nil
}

// openTicket returns the parts of a ticket that lists show. When the key that sealed it is lost
// (B2B-AUTH-073), it returns only the id of the row, by which the ticket can be deleted but not
// used. The ticket itself stays valid.
func (s *orgService) openTicket(ctx context.Context, t *store.OrgTicket) seal.Ticket {
	seen, err := s.Keys.OpenTicket(t.ID, deref(t.Sealed))
	if err != nil {
		s.Log.WarnContext(ctx, "a ticket cannot be unsealed, its code is not shown", "ticket", t.ID, "error", err)
		return seal.Ticket{ID: t.ID}
	}
	return seen
}

func hashed(secret string) *string {
	hash := auth.Hash(secret)
	return &hash
}

func (s *orgService) DeleteOrgTicket(ctx context.Context, req *b2bv1.DeleteOrgTicketRequest) (*b2bv1.DeleteOrgTicketResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx orgTx) (*b2bv1.DeleteOrgTicketResponse, error) {
		ticket, err := tx.DeleteTicket(ctx, caller.OrgID, auth.Hash(req.GetId()), req.GetId())
		if err != nil {
			return nil, notFound(err, "Ticket")
		}
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "auth.ticket_revoked", "org_ticket", ticket.ID,
			detail{"revoked_by": revoker(caller)})
		if err != nil {
			return nil, err
		}
		return &b2bv1.DeleteOrgTicketResponse{Deleted: true}, nil
	})
}
