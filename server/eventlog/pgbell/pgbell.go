// Package pgbell is the doorbell of nodes that share a PostgreSQL database: LISTEN and
// NOTIFY, on two connections that are used for nothing else.
//
// NOTIFY follows the commit instead of being part of it: notifications queue in the
// order of commits under a lock of the whole database, which would hold up the
// writers. A notification without other changes costs a round trip and no flush, and
// while one is under way the next rings gather. What a crash loses in between, the
// tails find at their next look.
package pgbell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/b2b-protocol/b2b/server/eventlog/rings"
)

const (
	channel     = "b2b_log"
	connectTime = 3 * time.Second
	quietTime   = 5 * time.Second // after which a quiet connection is tried
	replyTime   = 3 * time.Second // after which one that is tried counts as lost
	closeTime   = time.Second
)

// Bell is a doorbell (eventlog.Doorbell).
type Bell struct {
	url    string
	outbox *rings.Outbox
	conn   *pgx.Conn // to ring with; the outbox's own
	quiet  time.Duration
	reply  time.Duration
}

// New makes a bell. It connects when it is first used. Close ends it.
func New(url string, log *slog.Logger) (*Bell, error) {
	if _, err := pgx.ParseConfig(url); err != nil {
		return nil, fmt.Errorf("read the database's URL for the doorbell: %w", err)
	}
	b := &Bell{url: url, quiet: quietTime, reply: replyTime}
	b.outbox = rings.New(b.send, log)
	return b, nil
}

// Ring says that the log of org has reached seq.
func (b *Bell) Ring(org string, seq int64) { b.outbox.Ring(org, seq) }

// Close ends the ringing; Listen is ended by its context.
func (b *Bell) Close() error {
	b.outbox.Close()
	return b.hangUp()
}

func (b *Bell) send(ctx context.Context, message string) (err error) {
	if b.conn == nil {
		if b.conn, err = b.connect(ctx); err != nil {
			return err
		}
	}
	if _, err := b.conn.Exec(ctx, "SELECT pg_notify($1, $2)", channel, message); err != nil {
		return errors.Join(fmt.Errorf("notify: %w", err), b.hangUp())
	}
	return nil
}

func (b *Bell) hangUp() error {
	conn := b.conn
	b.conn = nil
	return closeConn(conn)
}

func closeConn(conn *pgx.Conn) error {
	if conn == nil || conn.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		return fmt.Errorf("close the doorbell's connection: %w", err)
	}
	return nil
}

func (b *Bell) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.url)
	if err != nil {
		return nil, fmt.Errorf("connect the doorbell: %w", err)
	}
	return conn, nil
}

// Listen calls fn for every ring until ctx is done or the connection is lost. It
// begins with a ring for everybody: what rang before it listened was not heard.
func (b *Bell) Listen(ctx context.Context, fn func(org string, seq int64)) (err error) {
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeConn(conn)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fn("", 0)
	for {
		quiet, cancel := context.WithTimeout(ctx, b.quiet)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			if err := rings.Read(n.Payload, fn); err != nil {
				return err
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case conn.IsClosed():
			return fmt.Errorf("wait for a notification: %w", err)
		default: // nothing came: is anybody there?
			if err := b.alive(ctx, conn); err != nil {
				return err
			}
		}
	}
}

func (b *Bell) alive(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, b.reply)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("try the doorbell's connection: %w", err)
	}
	return nil
}
