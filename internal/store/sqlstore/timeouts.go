package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore/pgpipe"
)

// timeouts limit how long calls wait for PostgreSQL (B2B-LIFE-030). All are fractions or
// multiples of answer. The zero value sets no limits.
type timeouts struct {
	answer  time.Duration // from the call of Update or of a read to its result
	wait    time.Duration // until a change begins
	run     time.Duration // least time that a change has after it has begun
	silence time.Duration // without a response while a batch waits for the lock of its org
	read    time.Duration // a read, including the wait for a connection
	long    time.Duration // a read marked by long, while PostgreSQL answers other calls
}

// responseTime is the default of answer. Of the 5 s of B2B-LIFE-030 it leaves 0.5 s to the
// other layers.
const responseTime = 4500 * time.Millisecond

func newTimeouts(cfg Config) timeouts {
	if cfg.NoTimeouts {
		return timeouts{}
	}
	a := cfg.Answer
	if a <= 0 {
		a = responseTime
	}
	return timeouts{answer: a, wait: a * 5 / 9, run: a * 4 / 9, silence: a * 4 / 9, read: a * 8 / 9, long: 8 * a}
}

// session returns the limits for new connections.
func (l timeouts) session() pgpipe.Limits {
	return pgpipe.Limits{
		Connect: l.answer * 2 / 3, RoundTrip: l.answer * 2 / 3, Statement: l.long, Lock: l.silence,
		// A frozen node keeps the lock of an org no longer than other nodes wait for it.
		Idle: l.silence,
	}
}

const (
	// readsMax is how many reads may run or wait for a connection.
	readsMax = 4096
	// silentMax bounds reads and changes while the database is silent. Further calls fail at
	// once, so that they take no memory.
	silentMax = 256
)

// silentAfter is the time without any response after which the database counts as silent.
const silentAfter = time.Second

var (
	errLate    = errors.New("store: PostgreSQL did not respond in time")
	errManyPG  = errors.New("store: too many calls wait for PostgreSQL")
	errFailing = errors.New("store: PostgreSQL takes no changes")
	errNewerPG = errors.New("store: a newer program has changed the schema")
)

// pgReads limits the number and the time of reads outside of changes.
type pgReads struct {
	timeouts
	connector *pgpipe.Connector
	waiting   atomic.Int64
}

// activeRead is a read between enter and leave.
type activeRead struct {
	pool  *pool // nil: the read is part of a snapshot or a change
	place fair.Slot
	reads *pgReads // nil: nothing is bounded
	ctx   context.Context
	stop  func()
}

// enter waits until the share of the org allows another read, and begins it. Reads inside a
// snapshot or a change pass at once: the snapshot or change has entered before.
func enter(ctx context.Context, c conn) (_ context.Context, a activeRead, err error) {
	p, ok := c.(*pool)
	if !ok {
		return ctx, activeRead{}, nil
	}
	if p.reads != nil && p.reads.read != 0 {
		if ctx, a, err = p.reads.enter(ctx); err != nil {
			return ctx, a, err
		}
	}
	a.pool = p
	if a.place, err = p.shares.enter(ctx); err != nil {
		a.leave(&err)
	}
	return ctx, a, err
}

func (r *pgReads) enter(ctx context.Context) (context.Context, activeRead, error) {
	if n := r.waiting.Add(1); n > readsMax || n > silentMax && r.connector.Silent(silentAfter) {
		r.waiting.Add(-1)
		return ctx, activeRead{}, &store.Outage{Err: errManyPG}
	}
	a := activeRead{reads: r}
	if ctx.Value(longKey{}) != nil {
		bounded, stop := context.WithTimeoutCause(ctx, r.long, errLate)
		own, cancel := context.WithCancelCause(bounded)
		go r.watch(own, cancel)
		a.ctx, a.stop = pgpipe.Slow(own), func() { cancel(nil); stop() }
		return a.ctx, a, nil
	}
	a.ctx, a.stop = context.WithTimeoutCause(ctx, r.read, errLate)
	return a.ctx, a, nil
}

// watch cancels a long read when PostgreSQL stops answering all calls.
func (r *pgReads) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(r.read / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r.connector.Silent(r.read) {
				cancel(errLate)
			}
		}
	}
}

// leave ends a read. It turns the error of a timeout into a store.Outage.
func (a *activeRead) leave(err *error) {
	if a.pool != nil {
		a.place.Leave()
		a.pool.health.note(*err)
	}
	if a.reads == nil {
		return
	}
	if *err != nil && context.Cause(a.ctx) == errLate {
		*err = &store.Outage{Err: errors.Join(errLate, *err)}
	}
	a.stop()
	a.reads.waiting.Add(-1)
}

// retryCrowded calls get, and repeats it until ctx ends while PostgreSQL refuses new
// connections because all are taken: one of the pool may become free (B2B-LIFE-034).
func retryCrowded[T any](ctx context.Context, get func() (T, error)) (T, error) {
	for {
		out, err := get()
		if err == nil || !pgpipe.IsCrowded(err) {
			return out, err
		}
		if _, bounded := ctx.Deadline(); !bounded || !pause(ctx, crowdedPause) {
			return out, err
		}
	}
}

const crowdedPause = 20 * time.Millisecond

// pause waits for between d/2 and 3d/2. It returns false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
