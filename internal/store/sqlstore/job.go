package sqlstore

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	counts "github.com/b2b-protocol/b2b/internal/tally"
)

// job is one change that waits or runs.
type job struct {
	org   string
	fn    func(store.Tx) error
	since time.Time  // when it was submitted
	done  chan error // receives the one result
	state atomic.Int32

	began time.Time // when its batch began; zero: it was cancelled before
	batch int       // changes that its batch began with
}

const (
	jobWaiting int32 = iota
	jobTaken
	jobCancelled
)

func newJob(org string, fn func(store.Tx) error) *job {
	return &job{org: org, fn: fn, since: time.Now(), done: make(chan error, 1)}
}

// take marks a waiting job as running. It returns false when the caller has cancelled it.
func (j *job) take() bool { return j.state.CompareAndSwap(jobWaiting, jobTaken) }

// cancel cancels a waiting job. It returns false when the job is running.
func (j *job) cancel() bool {
	if !j.state.CompareAndSwap(jobWaiting, jobCancelled) {
		return false
	}
	j.fn = nil // frees what the function refers to; the job stays queued until it is skipped
	return true
}

// taken marks the jobs as running and returns those that were not cancelled.
func taken(jobs []*job) []*job {
	jobs = slices.DeleteFunc(jobs, func(j *job) bool { return !j.take() })
	now := time.Now()
	for _, j := range jobs {
		j.began, j.batch = now, len(jobs)
	}
	return jobs
}

// call runs fn and turns a panic into an error.
func call(fn func(store.Tx) error, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: change panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.failed
}

// errExit is the result of the changes of a batch in which one called runtime.Goexit (as
// t.Fatal does in a test).
var errExit = errors.New("store: a change ended the goroutine that ran it")

// undone counts the batches that could not be committed as one.
func undone(log *slog.Logger) *counts.Log {
	return counts.New(log, "a batch could not be committed, running its changes alone")
}

// fail sends an error to the jobs that have no result yet.
func fail(jobs []*job, err error) {
	for _, j := range jobs {
		select {
		case j.done <- err:
		default:
		}
	}
}

// hooks are the functions registered by OnCommit.
type hooks struct {
	mu       sync.Mutex
	all      atomic.Pointer[[]*hook]
	watching atomic.Pointer[[]*watcher] // the functions registered by OnChange
	versions versions
}

// watcher is a function registered by OnChange.
type watcher func(org string, c store.Changes)

func (h *hooks) watch(fn watcher) (remove func()) {
	change := func(change func([]*watcher) []*watcher) {
		h.mu.Lock()
		defer h.mu.Unlock()
		var all []*watcher
		if p := h.watching.Load(); p != nil {
			all = slices.Clone(*p)
		}
		all = change(all)
		h.watching.Store(&all)
	}
	change(func(all []*watcher) []*watcher { return append(all, &fn) })
	return func() {
		change(func(all []*watcher) []*watcher {
			return slices.DeleteFunc(all, func(o *watcher) bool { return o == &fn })
		})
	}
}

type hook struct {
	fn func(org string, events []store.Event)
}

func (h *hooks) add(fn func(string, []store.Event)) (remove func()) {
	k := &hook{fn}
	h.change(func(all []*hook) []*hook { return append(all, k) })
	return func() {
		h.change(func(all []*hook) []*hook {
			return slices.DeleteFunc(all, func(o *hook) bool { return o == k })
		})
	}
}

func (h *hooks) change(fn func([]*hook) []*hook) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*hook
	if p := h.all.Load(); p != nil {
		all = slices.Clone(*p)
	}
	all = fn(all)
	h.all.Store(&all)
}

func (h *hooks) call(org string, events []store.Event) {
	p := h.all.Load()
	if p == nil || len(events) == 0 {
		return
	}
	for _, k := range *p {
		k.fn(org, events)
	}
}
