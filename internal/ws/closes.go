package ws

import (
	"context"
	"errors"

	"github.com/coder/websocket"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// closeFrame is the code and reason of a close frame.
type closeFrame struct {
	code   websocket.StatusCode
	reason string
}

var (
	endMissing   = &closeFrame{4001, "Missing ticket. Use POST /api/ws-ticket to obtain a one-time ticket."}
	endTicket    = &closeFrame{4001, "Invalid or expired ticket"}
	endExpired   = &closeFrame{4001, "Token expired"}
	endToken     = &closeFrame{4001, "Invalid token"}
	endIdentity  = &closeFrame{4001, "Invalid ticket"}
	endRevoked   = &closeFrame{4002, "Token revoked"}
	endDeleted   = &closeFrame{4002, "Token regenerated"}
	endOtherOrg  = &closeFrame{4003, "Bot does not belong to ticket org"}
	endSlow      = &closeFrame{4008, "slow consumer, resume from your cursor"}
	endStreams   = &closeFrame{4010, "TOO_MANY_STREAMS"}
	endInactive  = &closeFrame{4100, "Organization is not active"}
	endSuspended = &closeFrame{4100, "Organization suspended"}
	endDestroyed = &closeFrame{4101, "Organization destroyed"}
	endRejected  = &closeFrame{4403, "bot_rejected"}
	endPending   = &closeFrame{4403, "bot_pending_approval"}
	endUnsure    = &closeFrame{websocket.StatusTryAgainLater, "The ticket cannot be checked now. Try again with another ticket."}
	endInternal  = &closeFrame{websocket.StatusInternalError, "Internal error"}
)

const (
	sessionRevoked = "Session revoked"
	sessionExpired = "Session expired"
)

// refusedAtOpen returns the close frame for an error of authentication when a connection opens
// (B2B-WS-004); nil if the error is not about the credential.
func refusedAtOpen(err error) *closeFrame {
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

func inactiveBot(e *call.Error) *closeFrame {
	if e.Extras["join_status"] == store.BotPending {
		return endPending
	}
	return endRejected
}

// refusedLater returns the close frame for an open connection with a credential that is no longer
// accepted. session is the reason if its session has ended. It returns nil if the error is not
// about the credential.
func refusedLater(err error, session string) *closeFrame {
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
	return &closeFrame{4002, session}
}

// closeFrameFor returns the close frame for the end of a subscription; nil if the connection has ended
// before.
func (c *client) closeFrameFor(ctx context.Context, err error) *closeFrame {
	var slow *eventlog.SlowError
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &slow):
		return endSlow
	case errors.Is(err, eventlog.ErrAccess):
		return c.lost(ctx)
	case errors.Is(err, eventlog.ErrClosed):
		return &closeFrame{websocket.StatusGoingAway, "Server shutting down"}
	}
	if e := badPosition(err); e != nil {
		return e
	}
	c.server.Log.ErrorContext(ctx, "subscription of a connection failed", "error", err)
	return endInternal
}

// lost finds out why the bot or org of the connection has lost access.
func (c *client) lost(ctx context.Context) *closeFrame {
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
func badPosition(err error) *closeFrame {
	var e *call.Error
	if !errors.As(err, &e) {
		return nil
	}
	if e.Code == b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS {
		return endStreams
	}
	return &closeFrame{4009, call.CodeText(e.Code)}
}
