// Package pgpipe is a database/sql driver for PostgreSQL that can hold writes back.
//
// A statement executed with a context of [Defer] is not waited for: it stays in the
// connection until the next statement that needs an answer, or until there are some
// dozens, and travels in one pipeline with them. So a transaction that reads twice and
// writes ten times waits for the network three times. Statements are prepared once a connection, in the pipeline
// that first uses them.
//
// No round trip waits without end: a server that is silent for as long as [Limits] say
// has lost the connection, and the others that were opened before it went silent are not
// used again either. Sessions that errors made useless (package sqlstate) are closed, too.
//
// Everything else behaves as with any driver, so that rows are scanned by database/sql
// and by bun as on SQLite.
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

// DeferredError is the failure of a statement that was held back. Owner is what
// Defer was given for it.
type DeferredError struct {
	Owner int
	Err   error
}

// Error gives the text of the cause.
func (e *DeferredError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *DeferredError) Unwrap() error { return e.Err }

type deferKey struct{}

// Defer makes statements executed with the context wait for the next one that needs
// an answer. They report no result. The owner names who is to blame for a failure.
func Defer(ctx context.Context, owner int) context.Context {
	return context.WithValue(ctx, deferKey{}, owner)
}

type promptKey struct{}

// Prompt makes a transaction that is begun with the context begin at once: on a
// connection that works for certain, one journey later.
func Prompt(ctx context.Context) context.Context {
	return context.WithValue(ctx, promptKey{}, true)
}

// NewConnector reads a connection URL or a list of keywords and values. What it says of
// time limits wins over the limits.
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

// Driver is needed by the interface; the connector is the only way in.
func (c *Connector) Driver() driver.Driver { return noDriver{} }

type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("pgpipe: open with sql.OpenDB(pgpipe.NewConnector(url))")
}

// Drop forgets the waiting statements of the owner, which are the last of all. It
// tells false when some have been sent already: then only a rollback undoes them.
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

// Rollback forgets everything that waits and ends the transaction, if one is open.
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

// Alive tells whether the connection still works.
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
