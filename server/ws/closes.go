package ws

import (
	"context"
	"errors"

	"github.com/coder/websocket"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
)

// ending is the code and reason of a close frame.
type ending struct {
	code   websocket.StatusCode
	reason string
}

var (
	endMissing   = &ending{4001, "Missing ticket. Use POST /api/ws-ticket to obtain a one-time ticket."}
	endTicket    = &ending{4001, "Invalid or expired ticket"}
	endExpired   = &ending{4001, "Token expired"}
	endToken     = &ending{4001, "Invalid token"}
	endIdentity  = &ending{4001, "Invalid ticket"}
	endRevoked   = &ending{4002, "Token revoked"}
	endDeleted   = &ending{4002, "Token regenerated"}
	endOtherOrg  = &ending{4003, "Bot does not belong to ticket org"}
	endSlow      = &ending{4008, "slow consumer, resume from your cursor"}
	endStreams   = &ending{4010, "TOO_MANY_STREAMS"}
	endInactive  = &ending{4100, "Organization is not active"}
	endSuspended = &ending{4100, "Organization suspended"}
	endDestroyed = &ending{4101, "Organization destroyed"}
	endRejected  = &ending{4403, "bot_rejected"}
	endPending   = &ending{4403, "bot_pending_approval"}
	endUnsure    = &ending{websocket.StatusTryAgainLater, "The ticket cannot be checked now. Try again with another ticket."}
	endInternal  = &ending{websocket.StatusInternalError, "Internal error"}
)

const (
	sessionRevoked = "Session revoked"
	sessionExpired = "Session expired"
)

// refusedAtOpen returns the close frame for an error of authentication when a connection opens
// (B2B-WS-004); nil if the error is not about the credential.
func refusedAtOpen(err error) *ending {
	var e *call.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED:
		return endExpired
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN:
		return endToken
	case b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH:
		return endOtherOrg
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		return inactiveBot(e)
	case b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED:
		return endInactive
	}
	return endIdentity
}

func inactiveBot(e *call.Error) *ending {
	if e.Extras["join_status"] == store.BotPending {
		return endPending
	}
	return endRejected
}

// refusedLater returns the close frame for an open connection with a credential that is no longer
// accepted. session is the reason if its session has ended. It returns nil if the error is not
// about the credential.
func refusedLater(err error, session string) *ending {
	var e *call.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code {
	case b2bv1.ErrorCode_ERROR_CODE_TOKEN_EXPIRED:
		return endExpired
	case b2bv1.ErrorCode_ERROR_CODE_INVALID_TOKEN:
		return endRevoked
	case b2bv1.ErrorCode_ERROR_CODE_SESSION_INVALID:
		return endDeleted
	case b2bv1.ErrorCode_ERROR_CODE_ORG_MISMATCH:
		return endOtherOrg
	case b2bv1.ErrorCode_ERROR_CODE_BOT_NOT_ACTIVE:
		return inactiveBot(e)
	case b2bv1.ErrorCode_ERROR_CODE_ORG_SUSPENDED:
		return endSuspended
	}
	return &ending{4002, session}
}

// endedBy returns the close frame for the end of a subscription; nil if the connection has ended
// before.
func (c *client) endedBy(ctx context.Context, err error) *ending {
	var slow *eventlog.SlowError
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &slow):
		return endSlow
	case errors.Is(err, eventlog.ErrAccess):
		return c.lost(ctx)
	case errors.Is(err, eventlog.ErrClosed):
		return &ending{websocket.StatusGoingAway, "Server shutting down"}
	}
	if e := badPosition(err); e != nil {
		return e
	}
	c.server.Log.ErrorContext(ctx, "subscription of a connection failed", "error", err)
	return endInternal
}

// lost finds out why the bot or org of the connection has lost access.
func (c *client) lost(ctx context.Context) *ending {
	org, err := c.server.Store.Org(ctx, c.org)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return endDestroyed
	case err == nil && org.Status != store.OrgActive:
		return endSuspended
	case err == nil && c.bot == "":
		return endSlow // suspended and active again: the client can resume from the log
	}
	if err == nil {
		var bot *store.Bot
		bot, err = c.server.Store.Bot(ctx, c.org, c.bot)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return endDeleted
		case err == nil && bot.JoinStatus == store.BotPending:
			return endPending
		case err == nil:
			return endRejected
		}
	}
	if ctx.Err() == nil { // the connection is still open
		c.server.Log.ErrorContext(ctx, "reason why a connection lost access not found", "error", err)
	}
	return endInternal
}

// badPosition returns the close frame for a subscription that cannot start: the position is not
// valid, or there are too many subscriptions. It returns nil for other errors.
func badPosition(err error) *ending {
	var e *call.Error
	if !errors.As(err, &e) {
		return nil
	}
	if e.Code == b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS {
		return endStreams
	}
	return &ending{4009, call.CodeText(e.Code)}
}
