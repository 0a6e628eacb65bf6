package a2apeer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/cmd/b2b/internal/runner"
	"github.com/b2b-protocol/b2b/internal/jstext"
	"github.com/b2b-protocol/b2b/internal/limits"
	b2b "github.com/b2b-protocol/b2b/sdk/go"
)

const (
	threadLook   = 5 * time.Second // between looks whether people have ended the thread
	progressRest = 2 * time.Second // between two progress texts
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
	patience     = 2 * time.Minute // that an agent can be out of reach while an item waits
)

// errTooLong is the cause of the end of work that took longer than it may.
var errTooLong = errors.New("the agent took too long")

// Peer is a runner.Executor that hands items to an agent elsewhere.
type Peer struct {
	Agent  *Agent
	Client *b2b.Client
	Bot    string // its id
	Tasks  *Tasks
	// Prompt sends the context of an item with it, as a text for a model.
	Prompt bool
	// MostTime is how long an item may take; 0: as long as it takes.
	MostTime time.Duration
}

// Execute sends an item to the agent and follows its task.
func (p *Peer) Execute(ctx context.Context, j *runner.Job) (*runner.Answer, error) {
	scope := j.Scope()
	if scope == "" {
		return &runner.Answer{}, nil // there is no place for what the agent would say
	}
	release, err := p.Tasks.hold(ctx, scope)
	if err != nil {
		return nil, err
	}
	defer release()
	v := &visit{
		p: p, j: j, scope: scope, entry: p.Tasks.of(scope),
		place: place{client: p.Client, bot: p.Bot, thread: j.Delivery.GetThreadId()},
	}
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	if p.MostTime > 0 {
		var cancel context.CancelFunc
		working, cancel = context.WithTimeoutCause(working, p.MostTime, errTooLong)
		defer cancel()
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	defer end(nil)
	v.progress = make(chan string, 1)
	beside.Go(func() { v.tell(working) })
	if v.place.thread != "" {
		beside.Go(func() { v.watch(working, end) })
	}
	answer, err := v.run(working)
	switch cause := context.Cause(working); {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(cause, errThreadEnded):
		return nil, v.drop(ctx, &runner.Failure{Reason: errThreadEnded.Error(), Final: true, Err: errThreadEnded})
	case errors.Is(cause, errTooLong):
		return nil, v.drop(ctx, &runner.Failure{Reason: errTooLong.Error(), Err: errTooLong})
	}
	return nil, failureOf(err)
}

// hold returns when the thread or channel is free: a runner that also follows threads can have two items
// of one.
func (t *Tasks) hold(ctx context.Context, scope string) (release func(), err error) {
	for {
		t.mu.Lock()
		free, ok := t.busy[scope]
		if !ok {
			mine := make(chan struct{})
			t.busy[scope] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.busy, scope)
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// tell says what the agent does: the newest text, not too often.
func (v *visit) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-v.progress:
			text, _ = jstext.Cut(text, limits.MaxDeliveryText)
			if err := v.j.Progress(ctx, text); err != nil && ctx.Err() == nil {
				v.j.Log.Warn("the progress was not accepted", "error", err)
			}
		}
		if wait(ctx, progressRest) != nil {
			return
		}
	}
}

// watch ends the work when people have ended the thread.
func (v *visit) watch(ctx context.Context, end context.CancelCauseFunc) {
	for wait(ctx, threadLook) == nil {
		switch err := v.place.open(ctx); {
		case errors.Is(err, errThreadEnded):
			end(err)
			return
		case err != nil && ctx.Err() == nil:
			v.j.Log.Warn("the thread was not read", "error", err)
		}
	}
}

// drop cancels the task of an item that is given up, so that the next attempt begins a new one.
func (v *visit) drop(ctx context.Context, f *runner.Failure) error {
	if v.turn.task != "" && !v.turn.settled() {
		if err := v.p.Agent.cancel(ctx, v.turn.task); err != nil {
			v.j.Log.Warn("the task was not canceled", "task", v.turn.task, "error", brief(err))
		} else {
			v.j.Log.Info("the task was canceled", "task", v.turn.task, "reason", f.Reason)
		}
	}
	v.entry.State, v.entry.Written = "", nil
	v.entry.again()
	if err := v.save(); err != nil {
		f.Err = errors.Join(f.Err, err)
	}
	return f
}

// wait returns after a time, or with the cause of the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// brief returns an error for the log: agents can put a lot into one.
func brief(err error) string { return clean(fmt.Sprint(withoutAddress(err)), 500) }
