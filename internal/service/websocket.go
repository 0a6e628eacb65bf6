package service

import (
	"context"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// wsTicketLife is the lifetime of a ticket (B2B-WS-001).
const wsTicketLife = 30 * time.Second

// webSocketService issues the tickets that open WebSocket connections.
type webSocketService struct{ *core }

// CreateTicket issues a ticket for the credential of the caller. The credential is checked again
// when the connection opens, and while it is open.
func (s *webSocketService) CreateTicket(ctx context.Context, _ *b2bv1.CreateTicketRequest) (*b2bv1.CreateTicketResponse, error) {
	caller := call.CallerOf(ctx)
	ticket := &store.WsTicket{OrgID: caller.OrgID, ExpiresAt: s.nowMS() + wsTicketLife.Milliseconds()}
	if caller.Session != nil {
		ticket.SessionHash = &caller.Session.Hash
	} else {
		ticket.TokenHash = &caller.TokenHash
	}
	text, err := s.Tickets.Issue(ctx, ticket, wsTicketLife)
	if err != nil {
		return nil, err
	}
	return &b2bv1.CreateTicketResponse{Ticket: text, ExpiresIn: int32(wsTicketLife.Seconds())}, nil
}
