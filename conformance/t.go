package conformance

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// T is passed to a check. It sends requests to the server, creates fixtures and records failures.
// It is safe for concurrent use inside [T.Concurrently].
type T struct {
	ctx      context.Context
	target   *target
	profiles []string // of the check; nil: a fixture that needs none

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

// stop is the value of the panic that ends a check after its failure is recorded.
type stop struct{}

// Context returns a context that ends at the time limit of the check or when the run is cancelled.
func (t *T) Context() context.Context { return t.ctx }

// URL returns the URL of the server, without a trailing slash.
func (t *T) URL() string { return t.target.url }

// AdminSecret returns the admin secret of the server.
func (t *T) AdminSecret() string { return t.target.adminSecret }

// hasProfile reports whether the server is held to a profile. A check of other requirements asks it before
// it uses the routes of the profile.
func (t *T) hasProfile(name string) bool {
	if !slices.Contains(t.target.held, name) {
		return false
	}
	t.profiles = append(t.profiles, name)
	return true
}

// Errorf records a failure. The check continues.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

// Fatalf records a failure and ends the check.
func (t *T) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(stop{})
}

// Cleanup registers a function to run after the check. The last one registered runs first.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Sleep waits for d. It ends the check at the time limit.
func (t *T) Sleep(d time.Duration) {
	select {
	case <-t.ctx.Done():
		t.Fatalf("waiting: %v", t.ctx.Err())
	case <-time.After(d):
	}
}

// Concurrently calls f(0) … f(n-1) at the same time and returns when all have returned. When one of
// them ended early, because of a failure or a panic, so does the check: what it asserts next depends
// on what was not done, as when a message that the server refused is missing in a stream.
func (t *T) Concurrently(n int, f func(i int)) {
	var wg sync.WaitGroup
	var ended atomic.Bool
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if !t.guard(func() { f(i) }) {
				ended.Store(true)
			}
		})
	}
	close(start)
	wg.Wait()
	if ended.Load() {
		panic(stop{})
	}
}

// background calls f at the same time as what follows. The check calls wait when f should have
// returned; if f ended early, so does the check. The check does not end before f has.
func (t *T) background(f func()) (wait func()) {
	done := make(chan struct{})
	returned := false
	go func() {
		defer close(done)
		returned = t.guard(f)
	}()
	t.Cleanup(func() { <-done })
	return func() {
		if <-done; !returned {
			panic(stop{})
		}
	}
}

// guard calls f and records a panic as a failure. It reports whether f returned.
func (t *T) guard(f func()) (returned bool) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil, stop:
		default:
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	f()
	return true
}

// run runs one check and returns its failures.
func (t *T) run(c Check) []string {
	t.guard(func() { c.Run(t) })
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.guard(t.cleanups[i])
	}
	return t.failures
}

// patient returns the time limit of this run for what takes at most limit with the default patience.
func (t *T) patient(limit time.Duration) time.Duration { return t.target.patient(limit) }

// eventually calls ok every 100 ms until it returns true. It records a failure after the limit, which
// the patience of the run multiplies.
func (t *T) eventually(limit time.Duration, failure string, ok func() bool) {
	limit = t.patient(limit)
	for end := time.Now().Add(limit); !ok(); t.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%s within %s", failure, limit)
			return
		}
	}
}
