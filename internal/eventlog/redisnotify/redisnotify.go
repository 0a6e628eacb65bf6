// Package redisnotify is a notifier over the pub/sub of Redis, for installations that have
// one. It relieves PostgreSQL of notifications.
package redisnotify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/b2b-protocol/b2b/internal/eventlog/notification"
)

const (
	channel   = "b2b:log"
	quietTime = 30 * time.Second // without a message, after which the connection is pinged
)

// Notifier is an eventlog.Notifier.
type Notifier struct {
	client *redis.Client
	queue  *notification.Queue
}

// CheckURL returns an error for a URL that New refuses.
func CheckURL(url string) error {
	_, err := redis.ParseURL(url)
	return err
}

// New returns a notifier for a URL: "redis://[[user]:password@]host[:port][/db]", or
// "rediss://" with TLS. It connects at its first use. The caller closes it.
func New(url string, log *slog.Logger) (*Notifier, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("parse the URL of Redis: %w", err)
	}
	n := &Notifier{client: redis.NewClient(options)}
	n.queue = notification.New(func(ctx context.Context, message string) error {
		return n.client.Publish(ctx, channel, message).Err()
	}, log)
	return n, nil
}

// Notify queues that the log of org has reached seq.
func (n *Notifier) Notify(org string, seq int64) { n.queue.Notify(org, seq) }

// Close stops sending and disconnects. Listen must have returned.
func (n *Notifier) Close() error {
	n.queue.Close()
	if err := n.client.Close(); err != nil {
		return fmt.Errorf("close Redis: %w", err)
	}
	return nil
}

// Listen calls fn for every notification until ctx is done or the connection is lost. Its
// first call is for every org, since earlier notifications were not received.
func (n *Notifier) Listen(ctx context.Context, fn func(org string, seq int64)) (err error) {
	sub := n.client.Subscribe(ctx, channel)
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // ends ReceiveTimeout
	defer func() {
		if stop() {
			err = errors.Join(err, sub.Close())
		}
	}()
	pinged := false
	for {
		message, err := sub.ReceiveTimeout(ctx, quietTime)
		var slow net.Error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &slow) && slow.Timeout() && !pinged:
			if err := sub.Ping(ctx); err != nil {
				return fmt.Errorf("ping Redis for the notifier: %w", err)
			}
			pinged = true
			continue
		case err != nil:
			return fmt.Errorf("listen to Redis: %w", err)
		}
		pinged = false
		switch m := message.(type) {
		case *redis.Subscription:
			fn("", 0)
		case *redis.Message:
			if err := notification.Read(m.Payload, fn); err != nil {
				return err
			}
		}
	}
}
