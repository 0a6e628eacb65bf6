package sqlstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/server/fair"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/sqlstore/pgpipe"
)

// patience says how long PostgreSQL may take (B2B-LIFE-030). All follow from the time after
// which a caller must have an answer. The zero value sets no limits.
type patience struct {
	answer  time.Duration // from the call to its answer
	wait    time.Duration // of it, until a change is begun
	run     time.Duration // what a change has at least from then on
	silence time.Duration // of a connection that is asked for the lock of an organisation
	read    time.Duration // one read, with the wait for a connection
	long    time.Duration // one that is marked as long, as long as others are answered
}

// answerTime leaves half a second of five to everybody else.
const answerTime = 4500 * time.Millisecond

func newPatience(cfg Config) patience {
	if cfg.Patient {
		return patience{}
	}
	a := cfg.Answer
	if a <= 0 {
		a = answerTime
	}
	return patience{answer: a, wait: a * 5 / 9, run: a * 4 / 9, silence: a * 4 / 9, read: a * 8 / 9, long: 8 * a}
}

// session is what a connection is opened with.
func (l patience) session() pgpipe.Limits {
	return pgpipe.Limits{
		Connect: l.answer * 2 / 3, RoundTrip: l.answer * 2 / 3, Statement: l.long, Lock: l.silence,
		// A node that is frozen holds the lock of an organisation no longer than others
		// wait for it.
		Idle: l.silence,
	}
}

const (
	// readsMost is how many reads may be under way or wait for a connection.
	readsMost = 4096
	// silentMost is the same, and for changes, while the database is silent: those who
	// come then are told so at once and take no memory.
	silentMost = 256
)

// quiet is after how long without any answer the database counts as silent.
const quiet = time.Second

var (
	errLate    = errors.New("store: PostgreSQL did not get to it in time")
	errManyPG  = errors.New("store: too much waits for PostgreSQL")
	errFailing = errors.New("store: changes fail")
	errNewerPG = errors.New("store: a newer program has changed the schema")
)

// pgReads bounds the reads outside of changes, in number and in time.
type pgReads struct {
	patience
	connector *pgpipe.Connector
	waiting   atomic.Int64
}

// turn is one read under way.
type turn struct {
	pool  *pool // nil: the read is part of a snapshot or a change
	place fair.Place
	reads *pgReads // nil: nothing is bounded
	ctx   context.Context
	stop  func()
}

// enter begins a read, when its organisation has its turn. Reads of a snapshot or a change
// are part of what was begun before.
func enter(ctx context.Context, c conn) (_ context.Context, t turn, err error) {
	p, ok := c.(*pool)
	if !ok {
		return ctx, turn{}, nil
	}
	if p.reads != nil && p.reads.read != 0 {
		if ctx, t, err = p.reads.enter(ctx); err != nil {
			return ctx, t, err
		}
	}
	t.pool = p
	if t.place, err = p.shares.enter(ctx); err != nil {
		t.leave(&err)
	}
	return ctx, t, err
}

func (r *pgReads) enter(ctx context.Context) (context.Context, turn, error) {
	if n := r.waiting.Add(1); n > readsMost || n > silentMost && r.connector.Silent(quiet) {
		r.waiting.Add(-1)
		return ctx, turn{}, &store.Outage{Err: errManyPG}
	}
	t := turn{reads: r}
	if ctx.Value(longKey{}) != nil {
		bounded, stop := context.WithTimeoutCause(ctx, r.long, errLate)
		own, cancel := context.WithCancelCause(bounded)
		go r.watch(own, cancel)
		t.ctx, t.stop = pgpipe.Slow(own), func() { cancel(nil); stop() }
		return t.ctx, t, nil
	}
	t.ctx, t.stop = context.WithTimeoutCause(ctx, r.read, errLate)
	return t.ctx, t, nil
}

// watch ends a long read when nobody is answered any more.
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

// leave ends a read. One that took too long is an outage.
func (t *turn) leave(err *error) {
	if t.pool != nil {
		t.place.Leave()
		t.pool.health.note(*err)
	}
	if t.reads == nil {
		return
	}
	if *err != nil && context.Cause(t.ctx) == errLate {
		*err = &store.Outage{Err: errors.Join(errLate, *err)}
	}
	t.stop()
	t.reads.waiting.Add(-1)
}

// patiently gets something of a pool. While PostgreSQL has no connection left for us, one
// of the pool may come free: it is waited for as long as ctx lets (B2B-LIFE-034).
func patiently[T any](ctx context.Context, get func() (T, error)) (T, error) {
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

// pause waits for about d; false when ctx ended.
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
