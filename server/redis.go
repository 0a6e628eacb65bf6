package server

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	redisTime = time.Second // timeout of a command
	redisRest = time.Second // how long no command is sent after a failure
)

// newRedis returns a client for what nodes keep in Redis. Nothing there is required, so no call
// waits for it long.
func newRedis(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the URL of Redis: %w", err)
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = redisTime, redisTime, redisTime
	options.MaxRetries, options.DialerRetries = -1, 1
	options.Limiter = &breaker{start: time.Now()}
	return redis.NewClient(options), nil
}

var errResting = errors.New("server: Redis failed a moment ago")

// breaker refuses commands for a while after Redis has failed. It implements redis.Limiter.
type breaker struct {
	start time.Time    // until counts from here, since the system clock may be set back
	until atomic.Int64 // nanoseconds
}

// Allow refuses a command for a while after a failure.
func (b *breaker) Allow() error {
	if int64(time.Since(b.start)) < b.until.Load() {
		return errResting
	}
	return nil
}

// ReportResult records the result of a command.
func (b *breaker) ReportResult(err error) {
	var answered redis.Error
	if err != nil && !errors.As(err, &answered) && !errors.Is(err, context.Canceled) {
		b.until.Store(int64(time.Since(b.start) + redisRest))
	}
}
