package main

import (
	"context"
	"fmt"
	"log/slog"
)

// redisLog lets the Redis client, which has one logger for the whole process, write
// where the server writes. What it tells are failures that it tries to mend; what
// becomes of them the server says itself.
type redisLog struct{ log *slog.Logger }

// Printf implements the logger of go-redis.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, args...))
}
