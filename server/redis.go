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
	redisTime = time.Second // how long Redis may take
	redisRest = time.Second // how long it is left alone after it has failed
)

// newRedis makes a client for what nodes keep in Redis. Everything that is kept there
// does without it, so nobody waits for it for long.
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

var errResting = errors.New("a moment ago Redis failed")

// breaker spares the callers a Redis that has just failed. It implements redis.Limiter.
type breaker struct {
	start time.Time    // what until counts from: the clock of the system may be put back
	until atomic.Int64 // nanoseconds
}

// Allow refuses a command while Redis is left alone.
func (b *breaker) Allow() error {
	if int64(time.Since(b.start)) < b.until.Load() {
		return errResting
	}
	return nil
}

// ReportResult hears what became of a command.
func (b *breaker) ReportResult(err error) {
	var answered redis.Error
	if err != nil && !errors.As(err, &answered) && !errors.Is(err, context.Canceled) {
		b.until.Store(int64(time.Since(b.start) + redisRest))
	}
}
