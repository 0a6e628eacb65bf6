package ws

import (
	"errors"

	"github.com/b2b-protocol/b2b/internal/subscription"
)

// endFor ends the connection for an error of its subscription, unless it has ended before.
func (c *client) endFor(err error) {
	var e *subscription.End
	if !errors.As(err, &e) || c.ctx.Err() != nil {
		return
	}
	if e.Reason == subscription.AccessLost {
		e = c.lost()
	}
	if c.ctx.Err() != nil { // the client has gone meanwhile
		return
	}
	if e.Reason == subscription.Internal {
		c.server.Log.ErrorContext(c.ctx, "subscription of a connection failed", "error", e)
	}
	c.end(e)
}

// lost finds out why the bot or org of the connection has lost access.
func (c *client) lost() *subscription.End {
	reason, err := subscription.Lost(c.ctx, c.server.Store, c.org, c.bot)
	switch {
	case err != nil:
		return subscription.Of(err)
	case reason == 0 && c.bot == "": // suspended and active again: the client can resume from the log
		reason = subscription.Slow
	case reason == 0: // likewise
		reason = subscription.BotRejected
	}
	return subscription.For(reason)
}
