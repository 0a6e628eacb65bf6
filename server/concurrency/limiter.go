// Package concurrency decides which calls work at the same moment, so that an org that
// asks for all it can leaves processors to the others (B2B-LIM-020).
//
// # What it limits
//
// Calls that read have places, shared by [fair.Pool]: an org alone keeps every processor
// busy, and as many places again are left. Of them, heavy calls keep a processor busy for a
// millisecond and more: those that search or read a log, those whose last answer was large,
// and bodies that are large, while they are decoded. While other orgs call, too, the heavy
// calls of one org have half of the processors.
//
// # Why the scheduler does not do that
//
// The Go scheduler gives a goroutine up to 10 ms, and looks for what has come from the
// network only when a thread of it has nothing to run. A few calls that compute therefore
// delay every other call by 10 ms and more, however little that needs. A program that serves
// calls [Prepare]: there are more threads than processors then, one of which waits for the
// network whatever computes, and the operating system gives it a processor at once.
package concurrency

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/fair"
)

const (
	// HeavyBytes is from what size on a body or an answer is heavy: it takes about a
	// millisecond to decode or encode.
	HeavyBytes = 64 << 10

	waiting    = 16384 // calls of one org in each pool: as many as come when all its bots connect again
	wait       = 30 * time.Second
	retryAfter = 1 // seconds
	largeMost  = 10_000

	// remoteReads is how many places calls that read have at least where the database is
	// elsewhere: they wait for it rather than for a processor.
	remoteReads = 16
)

// Config is what a limiter works with. Its zero value is for a database in this process.
type Config struct {
	Scheduler Scheduler
	Remote    bool     // the database is in another process
	Long      []string // procedures that may take long whatever they answer
}

// Limiter shares processors between orgs. It is safe for concurrent use.
type Limiter struct {
	reads  *fair.Pool
	heavy  *fair.Pool
	spare  *fair.Pool // for heavy calls while no other org calls; nil: none
	long   map[string]bool
	slices bool // heavy calls get long slices
	now    func() time.Time

	mu    sync.Mutex
	large map[largeCall]struct{} // whose last answer was heavy
	// callers are the two orgs that called last, the latest first.
	callers [2]caller
}

type largeCall struct{ org, procedure string }

type caller struct {
	org  string
	last time.Time
}

// NewLimiter makes a limiter.
func NewLimiter(c Config) *Limiter {
	processors := c.Scheduler.Processors
	if processors <= 0 {
		processors = runtime.GOMAXPROCS(0)
	}
	reads, heavy := 2*processors, max(processors, 2)
	if c.Remote {
		reads, heavy = max(reads, remoteReads), 2*heavy
	}
	pool := func(places int) *fair.Pool {
		return fair.New(fair.Sizes{Places: places, Queue: waiting, Wait: wait})
	}
	l := &Limiter{
		reads: pool(reads), heavy: pool(heavy), long: make(map[string]bool, len(c.Long)),
		slices: c.Scheduler.Slices, now: time.Now, large: make(map[largeCall]struct{}),
	}
	if spare := processors - heavy/2; spare > 0 { // of each pool one org alone gets half
		l.spare = pool(2 * spare)
	}
	for _, procedure := range c.Long {
		l.long[procedure] = true
	}
	return l
}

// Slot is what one call has of a limiter. The zero Slot has nothing. It is for one
// goroutine.
type Slot struct {
	limiter     *Limiter
	info        *call.Info
	read, heavy fair.Place
	long        bool // its thread has a long slice
}

// Begin waits until a call whose caller is known may be done. The error can be told to the
// caller.
func (l *Limiter) Begin(ctx context.Context, info *call.Info) (Slot, error) {
	if call.Public(info.Operation.Access) {
		return Slot{}, nil
	}
	org := info.Caller.OrgID
	procedure := ""
	if info.Operation.Reads {
		procedure = info.Operation.Procedure
	}
	alone, heavy := l.note(org, procedure)
	if !info.Operation.Reads {
		return Slot{}, nil
	}
	s := Slot{limiter: l, info: info}
	var err error
	if heavy || l.long[procedure] { // first: who waits for it keeps none of its org's other reads waiting
		if s.heavy, err = l.enterHeavy(ctx, org, alone); err != nil {
			return Slot{}, refusal(err)
		}
	}
	if s.read, err = l.reads.Enter(ctx, org); err != nil {
		s.heavy.Leave()
		return Slot{}, refusal(err)
	}
	s.long = s.heavy != (fair.Place{}) && l.slices && beginLong()
	return s, nil
}

// Decode waits until a body of n bytes may be decoded. The error can be told to the caller.
// Strangers have an org of "".
func (l *Limiter) Decode(ctx context.Context, org string, n int64) (Slot, error) {
	if n < HeavyBytes {
		return Slot{}, nil
	}
	alone, _ := l.note(org, "")
	place, err := l.enterHeavy(ctx, org, alone)
	if err != nil {
		return Slot{}, refusal(err)
	}
	return Slot{heavy: place, long: l.slices && beginLong()}, nil
}

func (l *Limiter) enterHeavy(ctx context.Context, org string, alone bool) (fair.Place, error) {
	if alone && l.spare != nil {
		if place, ok := l.spare.Try(org); ok {
			return place, nil
		}
	}
	return l.heavy.Enter(ctx, org)
}

// together is for how long an org counts as one that calls, after a call.
const together = time.Second

// note notes that an org calls, and reports whether no other one has lately, and whether the
// last answer to the procedure was heavy.
func (l *Limiter) note(org, procedure string) (alone, heavy bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.callers[0].org != org {
		l.callers[1] = l.callers[0]
		l.callers[0].org = org
	}
	l.callers[0].last = now
	if procedure != "" && len(l.large) > 0 {
		_, heavy = l.large[largeCall{org, procedure}]
	}
	return now.Sub(l.callers[1].last) > together || l.callers[1].org == org, heavy
}

// Answered notes how many bytes an encoded answer has, and ends the slot.
func (s *Slot) Answered(n int64) {
	if s.limiter != nil {
		s.limiter.answered(s.info, n)
	}
	s.End()
}

func (l *Limiter) answered(info *call.Info, n int64) {
	c := largeCall{info.Caller.OrgID, info.Operation.Procedure}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < HeavyBytes {
		if len(l.large) > 0 {
			delete(l.large, c)
		}
		return
	}
	if len(l.large) >= largeMost {
		clear(l.large) // each is noted again with its next answer
	}
	l.large[c] = struct{}{}
}

// End gives back the places; a second time it does nothing. It is called by the goroutine
// that got the slot.
func (s *Slot) End() {
	if s.long {
		s.long = false
		endLong()
	}
	s.read.Leave()
	s.heavy.Leave()
}

// refusal is what a caller is told who waited too long.
func refusal(err error) error {
	if !errors.Is(err, fair.ErrBusy) {
		return err
	}
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "Too many calls of this org at once").
		WithHint("Send fewer at once, or try again.")
	e.RetryAfter = retryAfter
	return e
}
