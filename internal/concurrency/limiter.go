// Package concurrency limits the calls that run at the same time, so that an org which sends as
// many calls as it can leaves processors to other orgs (B2B-LIM-020).
//
// # What it limits
//
// Calls that read need a slot of a [fair.Pool]: one org alone can keep every processor busy, and as
// many slots stay free. Heavy work, which needs a processor for a millisecond or more, needs a slot
// of a second, smaller pool: calls whose previous response was large, those that search or read the
// event log if one of the org took long within the last seconds, and the decoding of large bodies.
// While other orgs send calls, too, the heavy work of one org gets half of the processors.
//
// Changes are committed together, so that a change of an org waits for all of another org that came
// before it or are in its batch. While other orgs send calls, an org that has more than half of all
// changes runs as many at the same time as the others have ([fair.Majority]). Uploads are exempt: a
// slow body would hold up the other changes of its org.
//
// # Why the scheduler does not suffice
//
// The Go scheduler runs a goroutine for up to 10 ms, and polls the network only when one of its
// threads has nothing to run. So a few calls that compute delay every other call by 10 ms and more,
// however short that is. A server calls [Prepare]: then there are more threads than processors, one
// of which is always free to poll the network, and the operating system gives it a processor at
// once. While heavy calls, or more calls than the share of an org, run beside those of other orgs,
// further threads make the kernel decide more often which thread runs.
package concurrency

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/fair"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// HeavyBytes is the size from which a body or a response is heavy, in bytes: it takes about a
	// millisecond to decode or encode.
	HeavyBytes = 64 << 10

	maxWaiting = 16384 // calls of one org per pool: enough for all its bots to reconnect at once
	wait       = 30 * time.Second
	retryAfter = 1 // seconds
	maxCostly  = 10_000

	// slowCall is the time from which a call of Config.Long is slow: several times what a search of
	// a small org takes on a server in use.
	slowCall = 10 * time.Millisecond
	// slowSpan is how long calls are heavy after a slow one. One slow call in slowSpan is not limited.
	slowSpan = 10 * time.Second
	// longWait is the time from which a call that waited for its org's slots shows that the org
	// sends more than its share, and keeps processors busy with short calls.
	longWait = 5 * time.Millisecond

	// longChangeWait is the same for a change that waited for those of its org, and is less than a
	// call with ticks beside it waits for a processor.
	longChangeWait = 500 * time.Microsecond

	// changesOfOrg is how many changes an org runs at the same time in any case: while one is
	// committed, the next can be received.
	changesOfOrg = 2

	// remoteReads is the least number of slots for calls that read if the database is remote: such
	// calls wait for the database rather than for a processor.
	remoteReads = 16
)

// Config configures a limiter. The zero value is for a database in this process.
type Config struct {
	Scheduler Scheduler
	Remote    bool     // the database is in another process
	Long      []string // procedures that are heavy for orgs with much data
}

// Limiter shares processors between orgs. It is safe for concurrent use.
type Limiter struct {
	reads   *fair.Pool
	heavy   *fair.Pool
	changes *fair.Majority // nil: not limited
	spare   *fair.Pool     // additional slots for heavy work while no other org is active; nil: none
	long    map[string]bool
	slices  bool // heavy calls get long time slices
	ticks   *ticks
	now     func() time.Time

	mu     sync.Mutex
	costly map[orgCall]cost // those whose next call is heavy
	// callers are the last two orgs that called, the latest first.
	callers [2]caller
}

// orgCall is a procedure that an org calls.
type orgCall struct{ org, procedure string }

// cost is why a call is heavy.
type cost struct {
	bytes int64     // of the last response, if that was heavy
	until time.Time // slowSpan after the last slow call; zero: none was slow
}

type caller struct {
	org  string
	last time.Time
}

// NewLimiter returns a limiter.
func NewLimiter(c Config) *Limiter {
	processors := c.Scheduler.Processors
	if processors <= 0 {
		processors = runtime.GOMAXPROCS(0)
	}
	reads, heavy := 2*processors, max(processors, 2)
	if c.Remote {
		reads, heavy = max(reads, remoteReads), 2*heavy
	}
	pool := func(slots int) *fair.Pool {
		return fair.New(fair.Sizes{Slots: slots, Queue: maxWaiting, Wait: wait})
	}
	l := &Limiter{
		reads: pool(reads), heavy: pool(heavy), long: make(map[string]bool, len(c.Long)),
		slices: c.Scheduler.Slices, ticks: &ticks{processors: c.Scheduler.ticked, tick: tick, room: moreThreads},
		now: time.Now, costly: make(map[orgCall]cost),
	}
	if !c.Remote {
		l.changes = fair.NewMajority(fair.Sizes{Share: changesOfOrg, Queue: maxWaiting, Wait: wait})
	}
	// A pool gives a single org half of its slots, so a single org has heavy/2 heavy calls at
	// once. spare is what it lacks to use every processor while no other org calls.
	if spare := processors - heavy/2; spare > 0 {
		l.spare = pool(2 * spare)
	}
	for _, procedure := range c.Long {
		l.long[procedure] = true
	}
	return l
}

// Stats are the numbers of a limiter, for monitoring.
type Stats struct {
	Reads   fair.Stats // calls that read
	Heavy   fair.Stats // heavy work
	Changes fair.Stats // calls that change something; zero: not limited
}

// Stats returns the numbers of the limiter.
func (l *Limiter) Stats() Stats {
	s := Stats{Reads: l.reads.Stats(), Heavy: l.heavy.Stats()}
	if l.changes != nil {
		s.Changes = l.changes.Stats()
	}
	return s
}

// Permit is the slots that one call has taken. The zero Permit has none. It must be used by one
// goroutine only.
type Permit struct {
	limiter     *Limiter
	info        *call.Info
	read, heavy fair.Slot
	change      fair.Turn
	ticks       *ticks    // count it as busy; nil: do not
	long        bool      // its thread has a long time slice
	last        int64     // bytes of the last response of the procedure to the org, if that was heavy
	begun       time.Time // of a call of Config.Long; else zero
}

// Begin waits until a call of a known caller may run. Its error can be sent to the caller.
func (l *Limiter) Begin(ctx context.Context, info *call.Info) (Permit, error) {
	if call.Public(info.Operation.Access) {
		return Permit{}, nil
	}
	org := info.Caller.OrgID
	procedure := ""
	if info.Operation.Reads {
		procedure = info.Operation.Procedure
	}
	alone, last := l.note(org, procedure)
	if !info.Operation.Reads {
		return l.enterChanges(ctx, org, alone)
	}
	s := Permit{limiter: l, info: info, last: last.bytes}
	var err error
	if last != (cost{}) { // first, so that a waiting heavy call does not occupy a slot for reads
		if s.heavy, err = l.enterHeavy(ctx, org, alone); err != nil {
			return Permit{}, refusal(err)
		}
	}
	var waited time.Duration
	if s.read, waited, err = l.enterReads(ctx, org); err != nil {
		s.heavy.Leave()
		return Permit{}, refusal(err)
	}
	switch {
	case s.heavy != (fair.Slot{}):
		l.compute(&s, alone)
	case waited >= longWait:
		l.tick(&s, alone)
	}
	if l.long[procedure] {
		s.begun = l.now()
	}
	return s, nil
}

// enterChanges waits until a call that changes something may run. While other orgs are active, too,
// an org that sends more changes than all of them must not fill each batch that is committed, and
// the processors before and after it. With a remote database each org has batches of its own.
func (l *Limiter) enterChanges(ctx context.Context, org string, alone bool) (Permit, error) {
	if l.changes == nil {
		return Permit{}, nil
	}
	var begun time.Time
	if !alone {
		begun = l.now()
	}
	turn, err := l.changes.Enter(ctx, org, alone)
	if err != nil {
		return Permit{}, refusal(err)
	}
	s := Permit{change: turn}
	if !alone && l.now().Sub(begun) >= longChangeWait {
		l.tick(&s, alone)
	}
	return s, nil
}

// Decode waits until a body of n bytes may be decoded. Its error can be sent to the caller. The org
// of unauthenticated callers is "".
func (l *Limiter) Decode(ctx context.Context, org string, n int64) (Permit, error) {
	if n < HeavyBytes {
		return Permit{}, nil
	}
	alone, _ := l.note(org, "")
	slot, err := l.enterHeavy(ctx, org, alone)
	if err != nil {
		return Permit{}, refusal(err)
	}
	s := Permit{heavy: slot}
	l.compute(&s, alone)
	return s, nil
}

// compute prepares for a heavy call, which has got its slots: what takes a processor for long must
// not delay other calls for as long.
func (l *Limiter) compute(s *Permit, alone bool) {
	l.tick(s, alone)
	s.long = l.slices && beginLong()
}

// tick counts a call that has got its slots as one beside which short calls need ticks.
func (l *Limiter) tick(s *Permit, alone bool) {
	s.ticks = l.ticks
	l.ticks.busy.Add(1)
	if !alone {
		l.ticks.needed(l.now())
	}
}

// enterReads takes a slot for a call that reads. It also returns how long the call waited for it.
func (l *Limiter) enterReads(ctx context.Context, org string) (fair.Slot, time.Duration, error) {
	if slot, ok := l.reads.Try(org); ok {
		return slot, 0, nil
	}
	begun := l.now()
	slot, err := l.reads.Enter(ctx, org)
	return slot, l.now().Sub(begun), err
}

func (l *Limiter) enterHeavy(ctx context.Context, org string, alone bool) (fair.Slot, error) {
	if alone && l.spare != nil {
		if slot, ok := l.spare.Try(org); ok {
			return slot, nil
		}
	}
	return l.heavy.Enter(ctx, org)
}

// activeSpan is how long after its last call an org counts as active.
const activeSpan = time.Second

// note records a call of an org. It reports whether no other org is active, and returns why the
// procedure is heavy for this org; zero if it is not.
func (l *Limiter) note(org, procedure string) (alone bool, last cost) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callers[0].org != org {
		l.callers[1] = l.callers[0]
		l.callers[0].org = org
	}
	l.callers[0].last = now
	if procedure != "" && len(l.costly) > 0 {
		if last = l.costly[orgCall{org, procedure}]; !now.Before(last.until) {
			last.until = time.Time{}
		}
	}
	alone = now.Sub(l.callers[1].last) > activeSpan || l.callers[1].org == org
	if !alone {
		l.ticks.needed(now)
	}
	return alone, last
}

// Expected returns how many bytes the response probably has: those of the last one, if that was
// heavy, and 0 if not. The number of calls that expect a heavy response at the same time is limited.
func (s *Permit) Expected() int64 { return s.last }

// Answered records the size of the encoded response in bytes, and ends the permit.
func (s *Permit) Answered(n int64) {
	if s.limiter != nil {
		s.limiter.answered(s.info, n)
	}
	s.End()
}

// answered records the size of a response in bytes.
func (l *Limiter) answered(info *call.Info, n int64) {
	key := orgCall{info.Caller.OrgID, info.Operation.Procedure}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.costly[key]
	if c.bytes = 0; n >= HeavyBytes {
		c.bytes = n
	}
	l.keep(key, c)
}

// ended records how long a call of Config.Long took, now that it ends.
func (l *Limiter) ended(info *call.Info, took time.Duration, now time.Time) {
	key := orgCall{info.Caller.OrgID, info.Operation.Procedure}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.costly[key]
	if took >= slowCall {
		c.until = now.Add(slowSpan)
	} else if !now.Before(c.until) {
		c.until = time.Time{}
	}
	l.keep(key, c)
}

// keep stores the cost of a call; the zero value is stored as no entry. l.mu must be locked.
func (l *Limiter) keep(key orgCall, c cost) {
	if c == (cost{}) {
		delete(l.costly, key)
		return
	}
	if _, known := l.costly[key]; !known && len(l.costly) >= maxCostly {
		clear(l.costly) // each is recorded again with its next response
	}
	l.costly[key] = c
}

// End returns the slots. Further calls do nothing. It must be called by the goroutine that got the
// permit.
func (s *Permit) End() {
	if !s.begun.IsZero() {
		now := s.limiter.now()
		s.limiter.ended(s.info, now.Sub(s.begun), now)
		s.begun = time.Time{}
	}
	if s.long {
		s.long = false
		endLong()
	}
	if s.ticks != nil {
		s.ticks.busy.Add(-1)
		s.ticks = nil
	}
	s.change.Leave()
	s.read.Leave()
	s.heavy.Leave()
}

// refusal is the error for a caller that waited too long.
func refusal(err error) error {
	if !errors.Is(err, fair.ErrBusy) {
		return err
	}
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "Too many calls of this org at once").
		WithHint("Send fewer at once, or try again.")
	e.RetryAfter = retryAfter
	return e
}
