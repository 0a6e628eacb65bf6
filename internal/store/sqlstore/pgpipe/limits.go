package pgpipe

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/b2b-protocol/b2b/internal/store/sqlstore/sqlstate"
)

// Limits are the time limits of connections. 0 is no limit.
type Limits struct {
	// Connect is how long a connection may take to open; 0: ten seconds.
	Connect time.Duration
	// RoundTrip is how long a response may take. After it the connection is closed, and the
	// call fails with ErrSilent.
	RoundTrip time.Duration
	// Statement, Lock and Idle are enforced by the server, also while this process is frozen
	// or cut off: for a statement, for a wait for a lock, and for the time between two
	// statements of a transaction.
	Statement, Lock, Idle time.Duration
}

const (
	// connectTimeout is the default of Limits.Connect.
	connectTimeout = 10 * time.Second
	closeTimeout   = 300 * time.Millisecond
	// suspectTimeout is closeTimeout for connections of an old generation.
	suspectTimeout = 20 * time.Millisecond
	// crowdedTime is how long no further connection is tried after the server had none left.
	crowdedTime = 50 * time.Millisecond
)

// ErrSilent reports that no response came in time. The connection is closed. The server may
// still have run the last statements.
var ErrSilent = errors.New("pgpipe: the server is silent")

// Connector opens connections for sql.OpenDB.
type Connector struct {
	cfg      *pgconn.Config
	limits   Limits
	settings string // statements that set up a session
	pulse    pulse
	// generation is raised when all open sessions have become useless.
	generation atomic.Uint64
	crowded    atomic.Pointer[refusal]

	// Sent gets the number of statements of each pipeline; nil: nobody does. It is set before the
	// first connection is opened.
	Sent func(statements int)
}

// refusal records that the server had no connection left.
type refusal struct {
	err   error
	until time.Time
}

// settings returns the statements that set up a session. Poolers refuse the same settings as
// parameters of the connection.
func settings(given map[string]string, l Limits) string {
	var b strings.Builder
	set := func(name, value string) {
		if _, ok := given[name]; !ok {
			fmt.Fprintf(&b, "SET %s = '%s'; ", name, value)
		}
	}
	limit := func(name string, d time.Duration) {
		if d > 0 {
			set(name, strconv.FormatInt(max(d.Milliseconds(), 1), 10))
		}
	}
	// A commit must be durable before it is confirmed, whatever the server's default is.
	delete(given, "synchronous_commit")
	set("synchronous_commit", "on")
	// All statements are short. Compiling one takes longer than any of them runs.
	set("jit", "off")
	limit("statement_timeout", l.Statement)
	limit("lock_timeout", l.Lock)
	limit("idle_in_transaction_session_timeout", l.Idle)
	if l.RoundTrip > 0 {
		// Makes the server notice that a client is gone.
		set("tcp_keepalives_idle", "10")
		set("tcp_keepalives_interval", "3")
		set("tcp_keepalives_count", "3")
		set("tcp_user_timeout", "15000")
	}
	return b.String()
}

// dialer returns a dialer with TCP keep-alive. Where the system supports it, a connection is
// closed when sent data is not acknowledged for the given time.
func dialer(unheard time.Duration) *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control:         userTimeout(2 * unheard),
	}
}

// Connect opens a connection.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	if r := c.crowded.Load(); r != nil && time.Now().Before(r.until) {
		return nil, r.err
	}
	own, err := c.open(ctx)
	if IsCrowded(err) {
		c.crowded.Store(&refusal{err, time.Now().Add(crowdedTime)})
	}
	if err != nil {
		return nil, err
	}
	return own, nil
}

func (c *Connector) open(ctx context.Context) (_ *conn, err error) {
	born := c.generation.Load()
	c.pulse.asked()
	pc, err := pgconn.ConnectConfig(ctx, c.cfg.Copy())
	c.pulse.answered(answers(err))
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded): // the limit of the connector, not the caller's
		return nil, fmt.Errorf("connect to PostgreSQL: %w: %w", ErrSilent, err)
	case err != nil:
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	own := &conn{pc: pc, from: c, born: born, stmts: map[string]*prepared{}}
	if err := own.Script(ctx, c.settings); err != nil {
		return nil, errors.Join(fmt.Errorf("set up a session of PostgreSQL: %w", err), own.Close())
	}
	return own, nil
}

// Silent reports whether requests are in flight and the server has not responded to any for
// the time d.
func (c *Connector) Silent(d time.Duration) bool { return c.pulse.silent(time.Now(), d) }

// IsCrowded reports whether an error means that the server, or the role, has no connection
// left. One of the pool may soon be free.
func IsCrowded(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == sqlstate.TooManyConnections
}

// Expire limits the round trips of a connection until it returns to the pool: each fails at
// end, or after the time least if that is later.
func Expire(c *sql.Conn, end time.Time, least time.Duration) error {
	return raw(c, func(c *conn) error { c.until, c.least = end, least; return nil })
}

type slowKey struct{}

// Slow makes the deadline of the context the limit of its statements, instead of
// Limits.RoundTrip.
func Slow(ctx context.Context) context.Context { return context.WithValue(ctx, slowKey{}, true) }

// arm sets the deadline of the round trip that begins.
func (c *conn) arm(ctx context.Context) {
	end, least := c.until, c.least
	if end.IsZero() {
		least = c.from.limits.RoundTrip
		if longer, ok := ctx.Deadline(); ok && least > 0 && ctx.Value(slowKey{}) != nil {
			end = longer
		}
	}
	if least > 0 {
		if soonest := time.Now().Add(least); soonest.After(end) {
			end = soonest
		}
	}
	_ = c.pc.Conn().SetDeadline(end) // fails only if the connection is closed, which the next write reports
}

// heard ends a round trip that arm has begun, and returns its error.
func (c *conn) heard(ctx context.Context, err error) error {
	c.from.pulse.answered(answers(err))
	return c.lost(ctx, err)
}

// answers reports whether the server has responded, possibly with an error.
func answers(err error) bool {
	var pg *pgconn.PgError
	return err == nil || errors.As(err, &pg)
}

// lost marks the connection as broken, and starts a new generation, if the error means so.
func (c *conn) lost(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		means := sqlstate.Of(pg.Code)
		c.broken = c.broken || means.Discard
		if means.All {
			c.from.renew(c.born)
		}
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		c.broken = true
		c.from.renew(c.born)
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return err
}

// renew starts a new generation, so that connections of this one are not used again.
func (c *Connector) renew(born uint64) { c.generation.CompareAndSwap(born, born+1) }

// statementName returns the name of a statement, a hash of its text. It is short, because it
// is sent with each use.
func statementName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// wire returns the name of the statement on the server.
func (p *prepared) wire() string {
	if p.tries == 0 {
		return p.name
	}
	return p.name + "_" + strconv.Itoa(p.tries)
}

// pulse detects that a server is silent. Times are nanoseconds since start, by the monotonic
// clock.
type pulse struct {
	start  time.Time
	asking atomic.Int64 // round trips in flight
	since  atomic.Int64 // time of the last response, or of the first request after idleness
	unsaid atomic.Bool  // the last request had no response
}

func (p *pulse) asked() {
	if p.asking.Add(1) == 1 && !p.unsaid.Load() {
		p.since.Store(p.steady(time.Now()))
	}
}

func (p *pulse) answered(something bool) {
	if something {
		p.since.Store(p.steady(time.Now()))
	}
	if p.unsaid.Load() == something {
		p.unsaid.Store(!something)
	}
	p.asking.Add(-1)
}

func (p *pulse) silent(now time.Time, d time.Duration) bool {
	return p.asking.Load() > 0 && p.steady(now)-p.since.Load() >= d.Nanoseconds()
}

// steady returns the time since start by the monotonic clock.
func (p *pulse) steady(now time.Time) int64 { return int64(now.Sub(p.start)) }
