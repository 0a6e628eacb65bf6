// Package upkeep is the caller that is no client: time. It removes what is worthless
// (expired sessions and tickets, remembered answers, events older than is promised),
// does in every org what its settings ask for (package service), and removes what
// orgs that were destroyed have left behind.
//
// Every job is done by one node at a time: who does it holds it in the store until a
// time that it moves on while it works. A node that dies holds its jobs for a minute
// more. That clocks differ does no harm: every step is a change of its own that is
// right whoever makes it, twice too.
//
// Steps are small, for an org waits for a change of it (on SQLite all do): as many
// rows as can be removed in some milliseconds. The runner rests after each several
// times as long as others waited for it.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

const (
	// held is how long a job of a dead node waits for another one.
	held = time.Minute
	// orgsAtOnce is how many orgs are listed together.
	orgsAtOnce = 500
)

// Orgs does what the settings of orgs ask for; service.Retention does.
type Orgs interface {
	// KeepOrg makes each of its changes through step, and stops with its error.
	KeepOrg(ctx context.Context, org string, step Step) error
}

// Step makes a change of an org, when it is time for the next one: one of so many rows
// at most, or of as much work.
type Step = func(ctx context.Context, change func(tx store.Tx, rows int) error) error

// Config is what a Runner works with.
type Config struct {
	Store store.Store
	Orgs  Orgs
	Node  string // names this run of this process
	Now   func() time.Time
	Log   *slog.Logger
	// Left removes what an org that was destroyed has left outside of the store. It
	// is called, again until it succeeds, before the org's last rows go. Nil: nothing.
	Left func(ctx context.Context, org string) error
	// Sweep removes what is outside of the store and belongs to nothing in it; it asks
	// between before each of its steps, and stops with its error. Nil: nothing.
	Sweep func(ctx context.Context, between func(context.Context) error) error
	// Grace is how long an org that was destroyed is left alone, so that every node
	// reads in its log that it has ended. It is longer than nodes take to look.
	Grace time.Duration
}

// Runner does the upkeep of one node.
type Runner struct {
	Config
	wake chan struct{}
	jobs []*job
}

// New makes a runner that has done nothing yet.
func New(c Config) *Runner {
	r := &Runner{Config: c, wake: make(chan struct{}, 1)}
	r.jobs = []*job{
		{name: "ended", every: time.Minute, do: r.removeEnded, due: r.anyEnded},
		{name: "expired", every: 15 * time.Minute, do: r.removeExpired},
		{name: "lifecycle", first: 30 * time.Second, every: 6 * time.Hour, do: r.keepOrgs},
	}
	if c.Sweep != nil {
		r.jobs = append(r.jobs, &job{name: "sweep", every: time.Hour, do: func(ctx context.Context, s *shift) error { return c.Sweep(ctx, s.next) }})
	}
	return r
}

// Wake says that an org was destroyed.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// job is done by one node every so often.
type job struct {
	name  string
	first time.Duration // after the start
	every time.Duration
	do    func(ctx context.Context, s *shift) error
	due   func(ctx context.Context) (bool, error) // nil: always
	next  time.Time
}

// Run does the jobs until ctx ends. A failure is logged and tried again next time.
func (r *Runner) Run(ctx context.Context) error {
	for _, j := range r.jobs {
		j.next = r.Now().Add(j.first)
	}
	for {
		next := r.Now().Add(time.Hour)
		for _, j := range r.jobs {
			if !r.Now().Before(j.next) {
				r.try(ctx, j)
				j.next = r.Now().Add(min(j.every, time.Hour)) // another node may have died doing it
			}
			if j.next.Before(next) {
				next = j.next
			}
		}
		timer := time.NewTimer(next.Sub(r.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-r.wake:
			timer.Stop()
			r.jobs[0].next = r.Now()
		case <-timer.C:
		}
	}
}

func (r *Runner) try(ctx context.Context, j *job) {
	start := r.Now()
	did, err := r.Do(ctx, j.name)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.Log.ErrorContext(ctx, "upkeep failed, and is tried again", "job", j.name, "error", err)
	case did:
		r.Log.DebugContext(ctx, "upkeep", "job", j.name, "took", r.Now().Sub(start))
	}
}

// errLost says that another node took the job: this one was too slow to hold it.
var errLost = errors.New("upkeep: the job is another node's now")

// Do does a job now, if it is due and no other node is at it; did tells.
func (r *Runner) Do(ctx context.Context, name string) (did bool, err error) {
	var j *job
	for _, candidate := range r.jobs {
		if candidate.name == name {
			j = candidate
		}
	}
	if j == nil {
		return false, fmt.Errorf("upkeep: there is no job %q", name)
	}
	if j.due != nil {
		if due, err := j.due(ctx); err != nil || !due {
			return false, err
		}
	}
	s := &shift{runner: r, job: j, size: leastSize, doneBefore: r.Now().Add(-j.every)}
	if j.due != nil {
		s.doneBefore = r.Now().Add(held) // it says itself when it is due
	}
	if err := s.take(ctx); err != nil {
		if errors.Is(err, errLost) {
			return false, nil
		}
		return false, err
	}
	s.stepped = time.Now()
	done := j.do(ctx, s)
	if done == nil {
		err = r.Store.Update(ctx, "", func(tx store.Tx) error {
			return tx.FinishJob(ctx, j.name, r.Node, r.Now().UnixMilli())
		})
	}
	return done == nil, errors.Join(done, err)
}

// shift is one run of a job that this node holds.
type shift struct {
	runner     *Runner
	job        *job
	doneBefore time.Time
	size       size // of the next step
	taken      time.Time
	stepped    time.Time     // on the machine's clock: how long a step took is no matter of Now
	held       time.Duration // how long others waited for the last step
}

// take takes the job, or holds it for longer.
func (s *shift) take(ctx context.Context) error {
	now := s.runner.Now()
	err := s.runner.Store.Update(ctx, "", func(tx store.Tx) error {
		ok, err := tx.TakeJob(ctx, s.job.name, s.runner.Node, now.UnixMilli(), now.Add(held).UnixMilli(), s.doneBefore.UnixMilli())
		if err == nil && !ok {
			err = errLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("take job %s: %w", s.job.name, err)
	}
	s.taken = now
	return nil
}

// step makes a change of an org after the rest that is due.
func (s *shift) step(ctx context.Context, org string, change func(tx store.Tx, rows int) error) error {
	if err := s.next(ctx); err != nil {
		return err
	}
	begin := time.Now() // again when it is its turn
	err := s.runner.Store.Update(ctx, org, func(tx store.Tx) error {
		begin = time.Now()
		return change(tx, int(s.size))
	})
	s.held = time.Since(begin) // with the commit, which is most of it on SQLite
	s.size = s.size.after(s.held)
	return err
}

// of is step for one org.
func (s *shift) of(org string) Step {
	return func(ctx context.Context, change func(tx store.Tx, rows int) error) error {
		return s.step(ctx, org, change)
	}
}

const (
	// restFactor is how long the rest is, in times of what others waited for the step:
	// one in twenty meets one.
	restFactor  = 19
	longestRest = time.Second
)

// rest is as long as the step took, its commit and all, and longer when others waited
// for it.
func (s *shift) rest() time.Duration {
	return min(max(time.Since(s.stepped), restFactor*s.held), longestRest)
}

// next rests after a step, and makes sure before the next one that the job is still
// this node's.
func (s *shift) next(ctx context.Context) error {
	rest := time.NewTimer(s.rest())
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-rest.C:
	}
	if s.runner.Now().Sub(s.taken) > held/4 {
		if err := s.take(ctx); err != nil {
			return err
		}
	}
	s.stepped = time.Now()
	return nil
}
