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
	c, err := s.open(r, text)
	if err == nil {
		return c, nil
	}
	if r.Context().Err() != nil { // the client is gone
		return nil, subscription.For(subscription.Internal)
	}
	var e *subscription.End
	switch {
	case !errors.As(err, &e) || e.Reason == subscription.Internal:
		s.failed.Count("connection", "error", err)
		e = subscription.For(subscription.Internal)
	case e.Reason == subscription.AccessLost:
		e = subscription.For(subscription.OrgInactive)
	}
	return nil, e
}

// open spends the ticket, authenticates its caller once, and subscribes. The error is an *End if
// the client is refused.
func (s *Server) open(r *http.Request, text string) (*client, error) {
	ctx := r.Context()
	ticket, err := s.Tickets.Take(ctx, text)
	if errors.Is(err, store.ErrNotFound) {
		return nil, subscription.For(subscription.TicketInvalid)
	}
	if errors.Is(err, auth.ErrUnsure) {
		return nil, subscription.For(subscription.TicketUnchecked)
	}
	if err != nil {
		return nil, fmt.Errorf("take a ticket: %w", err)
	}
	now := time.Now()
	if ticket.ExpiresAt <= now.UnixMilli() {
		return nil, subscription.For(subscription.TicketInvalid)
	}
	creds := call.Credentials{OrgID: ticket.OrgID}
	if ticket.SessionHash != nil {
		creds.SessionHash = *ticket.SessionHash
	} else if ticket.TokenHash != nil {
		creds.TokenHash = *ticket.TokenHash
	}
	caller, err := s.Access.Authenticate(call.OnBehalf(ctx, ticket.OrgID), creds)
	if err != nil {
		if refusal := subscription.RefusedAtOpening(err); refusal != nil {
			return nil, refusal
		}
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	if caller.Kind != call.Bot && caller.Kind != call.OrgAdmin {
		return nil, subscription.For(subscription.IdentityInvalid)
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
	c.ctx, c.cancel = context.WithCancel(s.payer(caller.OrgID))
	query := r.URL.Query()
	if err := s.subscribe(ctx, c, caller, query.Get("cursor"), query.Get("types")); err != nil {
		c.cancel()
		return nil, err
	}
	return c, nil
}

// subscribe starts to read the log for a client, from the cursor or from its end, and marks its bot
// online. types are the types of events that it names, separated by commas.
func (s *Server) subscribe(ctx context.Context, c *client, caller *call.Caller, cursor, types string) error {
	from, err := subscription.ParseCursor(cursor)
	if err != nil {
		return subscription.Of(err)
	}
	filter := eventlog.Filter{}
	if filter.Types, err = subscription.ParseTypes(types); err != nil {
		return subscription.Of(err)
	}
	if c.sub, err = s.driver.Open(ctx, caller, c, from, filter); err != nil {
		return err
	}
	if c.present() {
		s.Presence.Join(ctx, c.org, c.bot)
	}
	return nil
}
