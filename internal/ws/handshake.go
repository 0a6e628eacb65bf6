package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/b2b-protocol/b2b/internal/auth"
	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
)

// admit checks a handshake (B2B-WS-003): the ticket, its caller, then the cursor. It returns a
// client with a subscription, or the end for the refusal.
func (s *Server) admit(r *http.Request) (*client, *subscription.End) {
	query := r.URL.Query()
	text := query.Get("ticket")
	if text == "" {
		return nil, subscription.For(subscription.TicketMissing)
	}
	c, refusal, err := s.identify(r, text)
	if err == nil && refusal == nil {
		refusal, err = s.subscribe(r.Context(), c, query.Get("cursor"))
	}
	switch {
	case err != nil:
		if r.Context().Err() == nil { // otherwise the client is gone
			s.failed.Count("connection", "error", err)
		}
		return nil, subscription.For(subscription.Internal)
	case refusal != nil:
		return nil, refusal
	}
	return c, nil
}

// identify spends the ticket and authenticates its caller.
func (s *Server) identify(r *http.Request, text string) (*client, *subscription.End, error) {
	ctx := r.Context()
	ticket, err := s.Tickets.Take(ctx, text)
	if errors.Is(err, store.ErrNotFound) {
		return nil, subscription.For(subscription.TicketInvalid), nil
	}
	if errors.Is(err, auth.ErrUnsure) {
		return nil, subscription.For(subscription.TicketUnchecked), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("take a ticket: %w", err)
	}
	now := time.Now()
	if ticket.ExpiresAt <= now.UnixMilli() {
		return nil, subscription.For(subscription.TicketInvalid), nil
	}
	creds := call.Credentials{OrgID: ticket.OrgID}
	if ticket.SessionHash != nil {
		creds.SessionHash = *ticket.SessionHash
	} else if ticket.TokenHash != nil {
		creds.TokenHash = *ticket.TokenHash
	}
	caller, err := s.Access.Authenticate(ctx, creds)
	if err != nil {
		if refusal := subscription.RefusedAtOpening(err); refusal != nil {
			return nil, refusal, nil
		}
		return nil, nil, fmt.Errorf("authenticate: %w", err)
	}
	if caller.Kind != call.Bot && caller.Kind != call.OrgAdmin {
		return nil, subscription.For(subscription.IdentityInvalid), nil
	}
	call.Authenticated(ctx)
	info := s.Edge.Info(r, "ws")
	c := &client{
		server: s, creds: creds, org: caller.OrgID, bot: caller.BotID, opened: now,
		session: caller.Session != nil, ip: info.RemoteIP, base: info.BaseURL,
		agent: strings.Clone(info.UserAgent), // a copy, so that the whole header can be freed

		answers: make(chan struct{}, maxReplies),
	}
	c.active.Store(true)
	c.pace.epoch = now
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil, nil
}

// subscribe starts to read the log for a client, from the cursor or from its end, and marks its bot
// online.
func (s *Server) subscribe(ctx context.Context, c *client, cursor string) (*subscription.End, error) {
	var from *eventlog.Position
	if cursor != "" {
		p, err := eventlog.ParsePosition(cursor)
		if err != nil {
			return subscription.Of(err), nil
		}
		from = &p
	}
	caller, err := s.Access.Authenticate(ctx, c.creds)
	if err != nil {
		return refusedOr(err)
	}
	viewer := eventlog.Viewer{OrgID: c.org, BotID: c.bot, Admin: caller.Admin, Scopes: caller.Scopes}
	c.sub, err = s.Hub.Subscribe(ctx, viewer, from, eventlog.Filter{})
	if errors.Is(err, eventlog.ErrAccess) {
		return subscription.For(subscription.OrgInactive), nil
	}
	if err != nil {
		if refusal := subscription.Of(err); refusal.Reason != subscription.Internal {
			return refusal, nil
		}
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	// The subscription reports changes of access from here on. Authenticate once more, for changes
	// between the first check and here.
	if caller, err = s.Access.Authenticate(ctx, c.creds); err != nil {
		c.sub.Close()
		return refusedOr(err)
	}
	c.accepted(caller)
	if c.present() {
		s.Presence.Join(ctx, c.org, c.bot)
	}
	return nil, nil
}

// refusedOr tells a refused credential from a failure to check it.
func refusedOr(err error) (*subscription.End, error) {
	if refusal := subscription.RefusedAtOpening(err); refusal != nil {
		return refusal, nil
	}
	return nil, fmt.Errorf("authenticate: %w", err)
}
