// Package pgpipe is a database/sql driver for PostgreSQL that can defer writes.
//
// A statement executed with a context of [Defer] is queued in the connection. The queue is
// sent in one pipeline with the next statement that needs a result, or when it has some
// dozens of statements. So a transaction that reads twice and writes ten times waits for the
// network three times. Each connection prepares a statement in the pipeline that first uses it.
//
// Every round trip has a time limit. When the server sends nothing for the time in [Limits],
// the connection is closed, and connections opened before are not used again. Sessions that an
// error has made useless (package sqlstate) are closed, too.
//
// In all else it behaves as other drivers do.
package pgpipe

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// DeferredError is the failure of a deferred statement. Owner is the argument of its Defer.
type DeferredError struct {
	Owner int
	Err   error
}

// Error returns the text of the cause.
func (e *DeferredError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *DeferredError) Unwrap() error { return e.Err }

type deferKey struct{}

// Defer queues statements executed with the context until the next one that needs a result.
// They return no result of their own. When one fails, the DeferredError has its owner.
func Defer(ctx context.Context, owner int) context.Context {
	return context.WithValue(ctx, deferKey{}, owner)
}

type promptKey struct{}

// Prompt makes BeginTx wait for the response to BEGIN. This costs a round trip, and ensures
// that the connection works.
func Prompt(ctx context.Context) context.Context {
	return context.WithValue(ctx, promptKey{}, true)
}

// NewConnector parses a connection URL or a list of keywords and values. Its time limits take
// precedence over limits.
func NewConnector(url string, limits Limits) (*Connector, error) {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read PostgreSQL address: %w", err)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "b2b"
	}
	if cfg.ConnectTimeout == 0 {
		if cfg.ConnectTimeout = limits.Connect; cfg.ConnectTimeout == 0 {
			cfg.ConnectTimeout = connectTimeout
		}
	}
	c := &Connector{cfg: cfg, limits: limits, pulse: pulse{start: time.Now()}, settings: settings(cfg.RuntimeParams, limits)}
	if limits.RoundTrip > 0 {
		cfg.DialFunc = dialer(limits.RoundTrip).DialContext
	}
	return c, nil
}

// Driver implements driver.Connector. The driver cannot open connections by itself.
func (c *Connector) Driver() driver.Driver { return noDriver{} }

type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("pgpipe: open with sql.OpenDB(pgpipe.NewConnector(url))")
}

// Drop removes the queued statements of the owner, which are the last in the queue. It returns
// false when some have already been sent: then only a rollback undoes them.
func Drop(c *sql.Conn, owner int) (dropped bool, err error) {
	err = raw(c, func(c *conn) error {
		if n := len(c.inFlight); n > 0 && c.inFlight[n-1].owner == owner {
			return nil
		}
		n := len(c.queue)
		for n > 0 && c.queue[n-1].owner == owner {
			n--
		}
		clear(c.queue[n:])
		c.queue = c.queue[:n]
		dropped = true
		return nil
	})
	return dropped, err
}

// Rollback empties the queue and ends the transaction, if one is open.
func Rollback(ctx context.Context, c *sql.Conn) error {
	return raw(c, func(c *conn) error {
		c.abandon()
		if c.pc.IsClosed() || c.pc.TxStatus() == 'I' {
			return nil
		}
		return c.Script(ctx, "ROLLBACK")
	})
}

// Script runs statements without arguments, separated by semicolons.
func Script(ctx context.Context, c *sql.Conn, text string) error {
	return raw(c, func(c *conn) error { return c.Script(ctx, text) })
}

// Alive reports whether the connection still works.
func Alive(c *sql.Conn) bool {
	alive := false
	err := raw(c, func(c *conn) error { alive = !c.broken && !c.pc.IsClosed(); return nil })
	return err == nil && alive
}

func raw(c *sql.Conn, fn func(*conn) error) error {
	return c.Raw(func(dc any) error {
		pc, ok := dc.(*conn)
		if !ok {
			return fmt.Errorf("pgpipe: foreign connection %T", dc)
		}
		return fn(pc)
	})
}
