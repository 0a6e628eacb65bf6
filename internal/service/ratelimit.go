package service

import (
	"context"
	"fmt"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// takeMessage counts one message of the calling bot, direct or in a thread, against its rate
// limit (B2B-THR-081). It is called after all checks of the request, so that refused messages do
// not count (B2B-THR-084).
func (c *core) takeMessage(ctx context.Context, tx rateTx, settings *store.OrgSettings) error {
	return c.take(ctx, tx, "message", "minute", time.Minute, settings.MessagesPerMinutePerBot)
}

// takeThread counts one created thread of the calling bot against its rate limit.
func (c *core) takeThread(ctx context.Context, tx rateTx, settings *store.OrgSettings) error {
	return c.take(ctx, tx, "thread", "hour", time.Hour, settings.ThreadsPerHourPerBot)
}

func (c *core) take(ctx context.Context, tx rateTx, bucket, per string, window time.Duration, limit int64) error {
	ok, wait, err := tx.TakeRate(ctx, call.CallerOf(ctx).BotID, bucket, window, limit, c.nowMS())
	if err != nil {
		return fmt.Errorf("count against the %s limit: %w", bucket, err)
	}
	if ok {
		return nil
	}
	refusal := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_RATE_LIMITED, "More than %d %ss per %s", limit, bucket, per)
	refusal.RetryAfter = int(wait)
	return refusal
}
