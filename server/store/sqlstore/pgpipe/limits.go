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

	"github.com/b2b-protocol/b2b/server/store/sqlstore/sqlstate"
)

// Limits bound what a connection may take. A limit of 0 is none.
type Limits struct {
	// Connect is how long a server may take to let somebody in; 0: ten seconds.
	Connect time.Duration
	// RoundTrip is how long an answer may take. After it the connection is closed, and
	// the call fails with ErrSilent.
	RoundTrip time.Duration
	// Statement, Lock and Idle are limits that the server keeps by itself, also while
	// this process is frozen or cut off: for a statement, for a wait for a lock, and for
	// the time between two statements of a transaction.
	Statement, Lock, Idle time.Duration
}

const (
	// connectTimeout is how long a server may take to let somebody in, unless the address
	// or the limits say otherwise.
	connectTimeout = 10 * time.Second
	closeTimeout   = 300 * time.Millisecond
	// suspectTimeout is closeTimeout for a server that went silent.
	suspectTimeout = 20 * time.Millisecond
	// crowdedTime is how long nobody else asks a server that has no connection left.
	crowdedTime = 50 * time.Millisecond
)

// ErrSilent says that no answer came in time. The connection is closed; what it was
// asked last may have been done.
var ErrSilent = errors.New("pgpipe: the server is silent")

// Connector opens connections for sql.OpenDB.
type Connector struct {
	cfg      *pgconn.Config
	limits   Limits
	settings string // statements that set up a session
	pulse    pulse
	// generation counts the times that all sessions became useless.
	generation atomic.Uint64
	crowded    atomic.Pointer[refusal]
}

// refusal is that the server had no connection left.
type refusal struct {
	err   error
	until time.Time
}

// settings are statements and not parameters of the connection, which poolers refuse.
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
	// An answer is sent only after the commit: whatever the server's default is.
	delete(given, "synchronous_commit")
	set("synchronous_commit", "on")
	limit("statement_timeout", l.Statement)
	limit("lock_timeout", l.Lock)
	limit("idle_in_transaction_session_timeout", l.Idle)
	if l.RoundTrip > 0 {
		// The server's side of a connection whose other end is gone.
		set("tcp_keepalives_idle", "10")
		set("tcp_keepalives_interval", "3")
		set("tcp_keepalives_count", "3")
		set("tcp_user_timeout", "15000")
	}
	return b.String()
}

// dialer opens connections whose other end is asked whether it is there. What was sent
// and is not received for so long loses the connection, where the system can do that.
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
	case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded): // our limit, not the caller's
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

// Silent reports whether the server is asked something and has answered nothing for so
// long.
func (c *Connector) Silent(d time.Duration) bool { return c.pulse.silent(time.Now(), d) }

// IsCrowded reports whether an error says that the server, or the role, has no connection
// left: one of the pool may soon be free.
func IsCrowded(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == sqlstate.TooManyConnections
}

// Expire bounds the round trips of a connection until it is given back to the pool: each
// ends by then, or after least when that is later.
func Expire(c *sql.Conn, end time.Time, least time.Duration) error {
	return raw(c, func(c *conn) error { c.until, c.least = end, least; return nil })
}

type slowKey struct{}

// Slow lets a statement take until the deadline of its context, instead of the limit of
// the connector.
func Slow(ctx context.Context) context.Context { return context.WithValue(ctx, slowKey{}, true) }

// arm bounds the round trip that begins.
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
	_ = c.pc.Conn().SetDeadline(end) // of a connection that is closed: it is found out at once
}

// heard ends what arm has begun.
func (c *conn) heard(ctx context.Context, err error) error {
	c.from.pulse.answered(answers(err))
	return c.lost(ctx, err)
}

// answers reports whether a server said something, if only that it failed.
func answers(err error) bool {
	var pg *pgconn.PgError
	return err == nil || errors.As(err, &pg)
}

// lost gives up a connection, and those that are no better, when an error says so.
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

// renew makes the connections of a generation useless.
func (c *Connector) renew(born uint64) { c.generation.CompareAndSwap(born, born+1) }

// statementName names a statement by its text. It is short, as it travels with each use.
func statementName(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// wire is the name that the server is told.
func (p *prepared) wire() string {
	if p.tries == 0 {
		return p.name
	}
	return p.name + "_" + strconv.Itoa(p.tries)
}

// pulse notices that a server is silent. Times are nanoseconds since start: the clock of the
// system may be put forward or back.
type pulse struct {
	start  time.Time
	asking atomic.Int64 // round trips under way
	since  atomic.Int64 // the last answer, or the first question after a rest
	unsaid atomic.Bool  // the last question had no answer
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

// steady is the time since start, which has a reading of the clock that only goes on.
func (p *pulse) steady(now time.Time) int64 { return int64(now.Sub(p.start)) }
