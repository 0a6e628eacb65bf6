// Package redisbell is a doorbell over the pub/sub of Redis, for installations that
// have one: PostgreSQL is then not asked to pass messages on.
package redisbell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/b2b-protocol/b2b/server/eventlog/rings"
)

const (
	channel   = "b2b:log"
	quietTime = 30 * time.Second // after which a silent connection is tried
)

// Bell is a doorbell (eventlog.Doorbell).
type Bell struct {
	client *redis.Client
	outbox *rings.Outbox
}

// CheckURL tells what is wrong with a URL for New.
func CheckURL(url string) error {
	_, err := redis.ParseURL(url)
	return err
}

// New makes a bell of a URL, "redis://[[user]:password@]host[:port][/db]" or
// "rediss://" with TLS. It connects when it is first used. Close ends it.
func New(url string, log *slog.Logger) (*Bell, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the URL of Redis: %w", err)
	}
	b := &Bell{client: redis.NewClient(options)}
	b.outbox = rings.New(func(ctx context.Context, message string) error {
		return b.client.Publish(ctx, channel, message).Err()
	}, log)
	return b, nil
}

// Ring says that the log of org has reached seq.
func (b *Bell) Ring(org string, seq int64) { b.outbox.Ring(org, seq) }

// Close ends the ringing; Listen must have ended.
func (b *Bell) Close() error {
	b.outbox.Close()
	if err := b.client.Close(); err != nil {
		return fmt.Errorf("close Redis: %w", err)
	}
	return nil
}

// Listen calls fn for every ring until ctx is done or the connection is lost. It
// begins with a ring for everybody: what rang before it listened was not heard.
func (b *Bell) Listen(ctx context.Context, fn func(org string, seq int64)) (err error) {
	sub := b.client.Subscribe(ctx, channel)
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // which ends the wait below
	defer func() {
		if stop() {
			err = errors.Join(err, sub.Close())
		}
	}()
	asked := false
	for {
		message, err := sub.ReceiveTimeout(ctx, quietTime)
		var slow net.Error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &slow) && slow.Timeout() && !asked: // is anybody there?
			if err := sub.Ping(ctx); err != nil {
				return fmt.Errorf("try the doorbell's connection: %w", err)
			}
			asked = true
			continue
		case err != nil:
			return fmt.Errorf("listen to Redis: %w", err)
		}
		asked = false
		switch m := message.(type) {
		case *redis.Subscription:
			fn("", 0)
		case *redis.Message:
			if err := rings.Read(m.Payload, fn); err != nil {
				return err
			}
		}
	}
}
