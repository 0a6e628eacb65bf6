package ws

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/subscription"
)

// endOf returns the end of a connection for the error that ended its subscription; nil if the
// connection has ended before.
func (c *client) endOf(ctx context.Context, err error) *subscription.End {
	if ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, eventlog.ErrAccess) {
		return c.lost(ctx)
	}
	e := subscription.Of(err)
	if e.Reason == subscription.Internal {
		c.server.Log.ErrorContext(ctx, "subscription of a connection failed", "error", err)
	}
	return e
}

// lost finds out why the bot or org of the connection has lost access.
func (c *client) lost(ctx context.Context) *subscription.End {
	reason, err := subscription.Lost(ctx, c.server.Store, c.org, c.bot)
	switch {
	case err != nil && ctx.Err() == nil: // the connection is still open
		c.server.Log.ErrorContext(ctx, "reason why a connection lost access not found", "error", err)
		fallthrough
	case err != nil:
		reason = subscription.Internal
	case reason == 0 && c.bot == "": // suspended and active again: the client can resume from the log
		reason = subscription.Slow
	case reason == 0: // likewise
		reason = subscription.BotRejected
	}
	return subscription.For(reason)
}
