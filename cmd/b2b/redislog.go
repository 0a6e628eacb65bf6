package main

import (
	"context"
	"fmt"
	"log/slog"
)

// redisLog passes the messages of the Redis client, which has one logger per process, to the logger
// of the server. They are about failures that the client retries; the server itself logs the
// outcome.
type redisLog struct{ log *slog.Logger }

// Printf implements the logger of go-redis.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, args...))
}
