package conformance

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// T is what one check sees of a run: the server, the fixtures, and a place to say what was wrong. It is safe for concurrent use
// inside [T.Concurrently].
type T struct {
	ctx    context.Context
	target *target

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

// stop is the panic that ends a check whose failure is recorded already.
type stop struct{}

// Context ends when the check's time is up or the run is cancelled.
func (t *T) Context() context.Context { return t.ctx }

// URL is the server under test, without a trailing slash.
func (t *T) URL() string { return t.target.url }

// AdminSecret is the platform's admin secret.
func (t *T) AdminSecret() string { return t.target.adminSecret }

// Errorf records a failure and lets the check go on.
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

// Cleanup runs f after the check, last registered first.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Sleep waits for d, or less when the check's time is up.
func (t *T) Sleep(d time.Duration) {
	select {
	case <-t.ctx.Done():
		t.Fatalf("waiting: %v", t.ctx.Err())
	case <-time.After(d):
	}
}

// Concurrently runs f(0) … f(n-1) at the same moment and returns when all are done.
func (t *T) Concurrently(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			t.guard(func() { f(i) })
		})
	}
	close(start)
	wg.Wait()
}

// guard turns a panic of f into a recorded failure.
func (t *T) guard(f func()) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil, stop:
		default:
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	f()
}

// run drives one check and returns its failures.
func (t *T) run(c Check) []string {
	t.guard(func() { c.Run(t) })
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.guard(t.cleanups[i])
	}
	return t.failures
}

// eventually tries ok every 100 ms until it holds, and records a failure when that takes longer than the limit.
func (t *T) eventually(limit time.Duration, failure string, ok func() bool) {
	for end := time.Now().Add(limit); !ok(); t.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%s within %s", failure, limit)
			return
		}
	}
}
