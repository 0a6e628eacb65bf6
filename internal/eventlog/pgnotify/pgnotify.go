// Package pgnotify is the notifier of nodes that share a PostgreSQL database. It uses LISTEN
// and NOTIFY on two connections of its own.
//
// NOTIFY follows the commit instead of being part of it. Within a commit PostgreSQL orders
// notifications under a lock of the whole database, which would delay other writers. A NOTIFY
// of its own costs a round trip and no flush; notifications that come meanwhile are merged.
// When a crash loses one, the tails find the events at their next poll.
package pgnotify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/b2b-protocol/b2b/internal/eventlog/notification"
)

const (
	channel     = "b2b_log"
	connectTime = 3 * time.Second
	quietTime   = 5 * time.Second // without a notification, after which the connection is pinged
	replyTime   = 3 * time.Second // without a reply to a ping, after which it counts as lost
	closeTime   = time.Second
)

// Notifier is an eventlog.Notifier.
type Notifier struct {
	url   string
	queue *notification.Queue
	conn  *pgx.Conn // for NOTIFY; used by the queue's goroutine alone
	quiet time.Duration
	reply time.Duration
}

// New returns a notifier that connects at its first use. The caller closes it.
func New(url string, log *slog.Logger) (*Notifier, error) {
	if _, err := pgx.ParseConfig(url); err != nil {
		return nil, fmt.Errorf("parse the database URL for the notifier: %w", err)
	}
	n := &Notifier{url: url, quiet: quietTime, reply: replyTime}
	n.queue = notification.New(n.send, log)
	return n, nil
}

// Notify queues that the log of org has reached seq.
func (n *Notifier) Notify(org string, seq int64) { n.queue.Notify(org, seq) }

// Close stops sending. Listen ends by its context.
func (n *Notifier) Close() error {
	n.queue.Close()
	return n.disconnect()
}

func (n *Notifier) send(ctx context.Context, message string) (err error) {
	if n.conn == nil {
		if n.conn, err = n.connect(ctx); err != nil {
			return err
		}
	}
	if _, err := n.conn.Exec(ctx, "SELECT pg_notify($1, $2)", channel, message); err != nil {
		return errors.Join(fmt.Errorf("notify: %w", err), n.disconnect())
	}
	return nil
}

func (n *Notifier) disconnect() error {
	conn := n.conn
	n.conn = nil
	return closeConn(conn)
}

func closeConn(conn *pgx.Conn) error {
	if conn == nil || conn.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		return fmt.Errorf("close the notifier's connection: %w", err)
	}
	return nil
}

func (n *Notifier) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, n.url)
	if err != nil {
		return nil, fmt.Errorf("connect the notifier: %w", err)
	}
	return conn, nil
}

// Listen calls fn for every notification until ctx is done or the connection is lost. Its
// first call is for every org, since earlier notifications were not received.
func (n *Notifier) Listen(ctx context.Context, fn func(org string, seq int64)) (err error) {
	conn, err := n.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeConn(conn)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fn("", 0)
	for {
		quiet, cancel := context.WithTimeout(ctx, n.quiet)
		message, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			if err := notification.Read(message.Payload, fn); err != nil {
				return err
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case conn.IsClosed():
			return fmt.Errorf("wait for a notification: %w", err)
		default: // nothing came within n.quiet
			if err := n.ping(ctx, conn); err != nil {
				return err
			}
		}
	}
}

func (n *Notifier) ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, n.reply)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping PostgreSQL for the notifier: %w", err)
	}
	return nil
}
