// Package retention removes data in the background: expired sessions, tickets and saved
// responses, events past their retention, the old data that the settings of an org name
// (package service), and the rows and files of destroyed orgs. It also completes the index of
// logs that few events are appended to, ends leases, on named things and of deliveries, and
// decisions that have expired, and reports messages that are overdue.
//
// One node at a time runs a job: it holds the job in the store while its lease is live (package
// node). Clock differences between nodes do no harm: each step is a change of its own that any node
// may make, and repeat.
//
// Jobs that others wait for (leases, inboxes, decisions, deadlines, the index) do not wait for the others, which
// may take hours: each kind has a goroutine.
//
// Steps are small, because other changes of the org wait for a step (on SQLite those of
// all orgs): a step removes as many rows as takes some milliseconds. After each step the
// runner pauses for several times as long.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/tracing"
)

const (
	// recheck is how often a node that works reads whether it still holds the job.
	recheck = 15 * time.Second
	// orgsAtOnce is the length of a page of orgs.
	orgsAtOnce = 500
)

// Orgs applies the retention settings of orgs; service.Retention implements it.
type Orgs interface {
	// KeepOrg makes each of its changes through step, and returns the first error of step.
	KeepOrg(ctx context.Context, org string, step Step) error
	// SettleLeases ends leases of an org that have expired, at most a hundred at once, and grants
	// those that were waited for.
	SettleLeases(ctx context.Context, org string) error
	// SettleInboxes ends leases of deliveries of an org that have ended, and adds events to its
	// inboxes; some at once.
	SettleInboxes(ctx context.Context, org string) error
	// SettleDecisions closes decisions of an org that have expired, at most a hundred at once.
	SettleDecisions(ctx context.Context, org string) error
	// SettleDeadlines looks at messages of an org that should be acknowledged by now, some at once.
	SettleDeadlines(ctx context.Context, org string) error
}

// Step waits until the next step may begin, then calls change, which makes one change of the org
// that writes at most rows rows, or does as much other work. change calls begun as the first act
// of its transaction: the wait for the transaction is not part of the step's work.
type Step = func(ctx context.Context, change func(rows int, begun func()) error) error

// Config holds the dependencies and settings of a Runner.
type Config struct {
	Store Store
	Orgs  Orgs
	Node  *node.Node
	Now   func() time.Time
	Log   *slog.Logger
	// Tracer records a span for each run of a job; nil: none.
	Tracer *tracing.Tracer
	// RemoveFiles removes the files of a destroyed org. It is called before the last rows of
	// the org are removed, and repeated until it succeeds. Nil: there are no files.
	RemoveFiles func(ctx context.Context, org string) error
	// Sweep removes files that no row of the store names. It calls between before each of
	// its steps, and returns the first error of between. Nil: there are no files.
	Sweep func(ctx context.Context, between func(context.Context) error) error
	// Grace is the time between the destruction of an org and the removal of its rows. It is
	// longer than nodes take to poll the log, so that every node reads that the org has ended.
	Grace time.Duration
}

// Runner runs the retention jobs of one node.
type Runner struct {
	Config
	wake    chan struct{}
	jobs    []*job
	indexed string // the org of which the log was indexed last
}

// New returns a Runner; Run starts its jobs.
func New(c Config) *Runner {
	r := &Runner{Config: c, wake: make(chan struct{}, 1)}
	r.jobs = []*job{
		{name: "ended", every: time.Minute, do: r.removeEnded, due: r.anyEnded},
		{name: "index", prompt: true, every: 2 * time.Second, do: r.indexLogs, due: r.anyBehind},
		{name: "leases", prompt: true, every: 2 * time.Second, do: r.settleAll(r.leases()), due: r.due(r.leases())},
		{name: "inboxes", prompt: true, every: 2 * time.Second, do: r.settleAll(r.inboxes()), due: r.due(r.inboxes())},
		{name: "decisions", prompt: true, every: 2 * time.Second, do: r.settleAll(r.decisions()), due: r.due(r.decisions())},
		{name: "deadlines", prompt: true, every: 2 * time.Second, do: r.settleAll(r.deadlines()), due: r.due(r.deadlines())},
		{name: "expired", every: 15 * time.Minute, do: r.removeExpired},
		{name: "lifecycle", first: 30 * time.Second, every: 6 * time.Hour, do: r.keepOrgs},
	}
	if c.Sweep != nil {
		sweep := func(ctx context.Context, s *shift) error { return c.Sweep(ctx, s.next) }
		r.jobs = append(r.jobs, &job{name: "sweep", every: time.Hour, do: sweep})
	}
	return r
}

// Wake makes Run look for destroyed orgs at once.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// job is run by one node at a time, once in each period.
type job struct {
	name   string
	prompt bool          // others wait for it; a run takes no longer than some seconds
	first  time.Duration // between the start of Run and the first run of the job
	every  time.Duration // the period
	do     func(ctx context.Context, s *shift) error
	due    func(ctx context.Context) (bool, error) // replaces the period; nil: the period decides
	next   time.Time                               // of the next attempt by this node
}

// Run runs the jobs until ctx ends. A failure is logged, and the job runs again at its next time.
func (r *Runner) Run(ctx context.Context) error {
	var prompt, long []*job
	for _, j := range r.jobs {
		j.next = r.Now().Add(j.first)
		if j.prompt {
			prompt = append(prompt, j)
		} else {
			long = append(long, j)
		}
	}
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx, prompt, nil) })
	r.run(ctx, long, r.wake)
	running.Wait()
	return nil
}

// run runs jobs one after the other until ctx ends. wake makes the first of them due.
func (r *Runner) run(ctx context.Context, jobs []*job, wake <-chan struct{}) {
	for {
		next := r.Now().Add(time.Hour)
		for _, j := range jobs {
			if !r.Now().Before(j.next) {
				r.try(ctx, j)
				j.next = r.Now().Add(min(j.every, time.Hour)) // the node that runs it may stop half way
			}
			if j.next.Before(next) {
				next = j.next
			}
		}
		timer := time.NewTimer(next.Sub(r.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-wake:
			timer.Stop()
			jobs[0].next = r.Now()
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
		r.Log.ErrorContext(ctx, "a retention job failed and will be retried", "job", j.name, "error", err)
	case did:
		r.Log.DebugContext(ctx, "a retention job is done", "job", j.name, "took", r.Now().Sub(start))
	}
}

// errLost reports that another node has the job, or may have it since the lease of this node ended.
var errLost = errors.New("retention: this node does not hold the job")

// Do runs a job, if it is due and no other live node holds it. The result did reports whether the
// job ran to its end.
func (r *Runner) Do(ctx context.Context, name string) (did bool, err error) {
	var j *job
	for _, candidate := range r.jobs {
		if candidate.name == name {
			j = candidate
		}
	}
	if j == nil {
		return false, fmt.Errorf("retention: there is no job %q", name)
	}
	if j.due != nil {
		if due, err := j.due(ctx); err != nil || !due {
			return false, err
		}
	}
	s := &shift{runner: r, job: j, size: leastSize, doneBefore: r.Now().Add(-j.every)}
	if j.due != nil {
		s.doneBefore = r.Now().Add(j.every) // due decides, not the time of the last run
	}
	if err := s.take(ctx); err != nil {
		if errors.Is(err, errLost) {
			return false, nil
		}
		return false, err
	}
	s.stepped = time.Now()
	done := r.traced(ctx, s)
	err = r.Store.Update(ctx, "", func(tx Tx) error {
		if done != nil {
			return tx.ReleaseJob(ctx, j.name, r.Node.ID)
		}
		return tx.FinishJob(ctx, j.name, r.Node.ID, r.Now().UnixMilli())
	})
	return done == nil, errors.Join(done, err)
}

// traced does the work of a shift in a span. Its steps have none: there may be thousands.
func (r *Runner) traced(ctx context.Context, s *shift) error {
	if r.Tracer == nil {
		return s.job.do(ctx, s)
	}
	_, span := r.Tracer.Job(ctx, "retention "+s.job.name)
	defer span.End()
	err := s.job.do(ctx, s)
	if err != nil && ctx.Err() == nil {
		span.SetStatus(codes.Error, "") // the log has the error
	}
	return err
}

// shift is one run of a job.
type shift struct {
	runner     *Runner
	job        *job
	doneBefore time.Time
	size       size          // of the next step
	taken      time.Time     // when the job was taken, or found to be held
	stepped    time.Time     // when the last step began, by time.Now: Runner.Now may be a test's
	blocked    time.Duration // how long the last step made other changes wait
}

// take takes the job, or checks that this node holds it.
func (s *shift) take(ctx context.Context) error {
	now := s.runner.Now()
	err := s.runner.Store.Update(ctx, "", func(tx Tx) error {
		ok, err := tx.TakeJob(ctx, s.job.name, s.runner.Node.ID, s.runner.Node.Live(), s.doneBefore.UnixMilli())
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

// step is a Step.
func (s *shift) step(ctx context.Context, change func(rows int, begun func()) error) error {
	if err := s.next(ctx); err != nil {
		return err
	}
	begin := time.Now() // set again when the transaction begins
	err := change(int(s.size), func() { begin = time.Now() })
	s.blocked = time.Since(begin) // includes the commit, which is most of it on SQLite
	s.size = s.size.after(s.blocked)
	return err
}

// change pauses, then makes a change of an org.
func (s *shift) change(ctx context.Context, org string, fn func(tx Tx, rows int) error) error {
	return s.step(ctx, func(rows int, begun func()) error {
		return s.runner.Store.Update(ctx, org, func(tx Tx) error {
			begun()
			return fn(tx, rows)
		})
	})
}

const (
	// pauseFactor is the length of a pause in times of the step before it: steps take one
	// twentieth of the time, so one in twenty of other changes meets a step.
	pauseFactor  = 19
	longestPause = time.Second
)

// pause returns how long to wait after a step: as long as the step took, and pauseFactor
// times as long as it made others wait.
func (s *shift) pause() time.Duration {
	return min(max(time.Since(s.stepped), pauseFactor*s.blocked), longestPause)
}

// next pauses after a step, and from time to time checks that this node holds the job.
func (s *shift) next(ctx context.Context) error {
	pause := time.NewTimer(s.pause())
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
	}
	if s.runner.Now().Sub(s.taken) > recheck {
		if err := s.take(ctx); err != nil {
			return err
		}
	}
	s.stepped = time.Now()
	return nil
}
