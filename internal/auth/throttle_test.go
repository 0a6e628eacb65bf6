package auth

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

// throttleFixture is two nodes on one database, with a clock that the test sets.
type throttleFixture struct {
	*testing.T
	now      atomic.Int64
	store    *sqlstore.Store // of one
	one, two *Throttle
}

func newThrottleFixture(t *testing.T, url string) *throttleFixture {
	w := &throttleFixture{T: t}
	w.now.Store(start)
	clock := func() time.Time { return time.UnixMilli(w.now.Load()) }
	first := newStore(t, url)
	second := first
	if url[0] != '/' { // SQLite has one node
		second = sqltest.Open(t, url)
	}
	on := func(s store.Store) *Throttle {
		return &Throttle{Store: store.Narrow(s, func(tx store.Tx) ThrottleTx { return tx }), Now: clock}
	}
	w.store, w.one, w.two = first, on(first), on(second)
	return w
}

func (w *throttleFixture) wait(at *Throttle, a []Attempt, want time.Duration) {
	w.Helper()
	if got, err := at.Wait(w.Context(), a); err != nil || got != want {
		w.Errorf("the wait is %v (%v), want %v", got, err, want)
	}
}

// fail counts a failure while there is no lock.
func (w *throttleFixture) fail(at *Throttle, a []Attempt) {
	w.Helper()
	w.wait(at, a, 0)
	if wait, err := at.Failed(w.Context(), a); wait != 0 || err != nil {
		w.Errorf("a failure returned the wait %v (%v)", wait, err)
	}
}

func (w *throttleFixture) pass(at *Throttle, a []Attempt) {
	w.Helper()
	if err := at.Passed(w.Context(), a); err != nil {
		w.Error(err)
	}
}

func (w *throttleFixture) later(d time.Duration) { w.now.Add(d.Milliseconds()) }

func onBoth(t *testing.T, test func(w *throttleFixture)) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) { test(newThrottleFixture(t, url(t))) })
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *throttleFixture) {
		here, other := Attempts("192.0.2.1", false, "org_admin", "a"), Attempts("192.0.2.1", false, "org_admin", "b")
		for i := range 5 {
			w.fail([]*Throttle{w.one, w.two}[i%2], here)
		}
		for _, at := range []*Throttle{w.one, w.two} {
			w.wait(at, here, 15*time.Minute)
			w.wait(at, other, 0)
			w.wait(at, Attempts("192.0.2.2", false, "org_admin", "a"), 0)
			w.wait(at, Attempts("192.0.2.1", false, "bot", "a"), 0)
		}
		w.later(10 * time.Minute)
		w.wait(w.one, here, 5*time.Minute)
		if wait, err := w.two.Failed(t.Context(), here); wait != 5*time.Minute || err != nil {
			w.Errorf("a failure during a lock returned the wait %v (%v)", wait, err)
		}
		w.wait(w.one, here, 5*time.Minute)
		w.later(5 * time.Minute)
		w.wait(w.one, here, 0)
		for range 4 { // the count started again
			w.fail(w.one, here)
			w.wait(w.two, here, 0)
		}
		w.pass(w.two, here) // on the other node than the failures
		w.pass(w.two, here)
		for range 5 {
			w.fail(w.one, here)
		}
		w.wait(w.one, here, 15*time.Minute)

		operator := Attempts("2001:db8::1", false, "super_admin", "")
		for range 3 {
			w.fail(w.one, operator)
		}
		w.wait(w.one, operator, 30*time.Minute)
		w.wait(w.one, Attempts("2001:db8::ffff:2", false, "super_admin", ""), 30*time.Minute)
		w.wait(w.one, Attempts("2001:db8:0:1::1", false, "super_admin", ""), 0)

		// B2B-AUTH-081: strangers behind a proxy that is not trusted, and the operator on its
		// machine.
		strangers := Attempts("127.0.0.1", true, "super_admin", "")
		for range 3 {
			w.fail(w.one, strangers)
		}
		for i := range 17 {
			w.fail(w.one, Attempts("127.0.0.1", true, "bot", fmt.Sprint(i)))
		}
		w.wait(w.one, strangers, 30*time.Minute)
		w.wait(w.one, Attempts("127.0.0.1", true, "bot", "new"), 15*time.Minute)
		w.wait(w.one, Attempts("127.0.0.1", false, "super_admin", ""), 0)

		for i := range 20 {
			a := Attempts("192.0.2.3", false, "bot", fmt.Sprint(i))
			w.fail(w.one, a)
			w.pass(w.one, a)
		}
		w.wait(w.two, Attempts("192.0.2.3", false, "bot", "new"), 15*time.Minute)
	})
}

// Of concurrent failures, those after the lock return its wait and are not counted.
func TestThrottleFlood(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *throttleFixture) {
		a := Attempts("192.0.2.1", false, "bot", "t")
		var counted atomic.Int64
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				switch wait, err := []*Throttle{w.one, w.two}[i%2].Failed(t.Context(), a); {
				case err != nil:
					w.Error(err)
				case wait == 0:
					counted.Add(1)
				case wait != 15*time.Minute:
					w.Errorf("the wait is %v", wait)
				}
			})
		}
		all.Wait()
		if n := counted.Load(); n != 5 {
			w.Errorf("%d failures were counted, want 5", n)
		}
	})
}

// When the counts cannot be read or written, every method fails, so that no login is tried.
func TestThrottleWithoutStore(t *testing.T) {
	t.Parallel()
	w := newThrottleFixture(t, filepath.Join(t.TempDir(), "b2b.db"))
	a := Attempts("192.0.2.1", false, "bot", "t")
	w.fail(w.one, a)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, waited := w.one.Wait(t.Context(), a)
	_, failed := w.one.Failed(t.Context(), a)
	if passed := w.one.Passed(t.Context(), a); waited == nil || failed == nil || passed == nil {
		t.Errorf("with a closed store some methods succeeded: %v", errors.Join(waited, failed, passed))
	}
}

// B2B-LIFE-020: a clock that is put back does not lengthen a lock: a lock that would last longer
// than a new one is dropped.
func TestThrottleWhenTheClockIsPutBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		back, want time.Duration
	}{
		{0, 15 * time.Minute}, {5 * time.Second, 15*time.Minute + 5*time.Second}, {time.Minute, 0}, {2 * time.Hour, 0},
	} {
		w := newThrottleFixture(t, filepath.Join(t.TempDir(), "b2b.db"))
		a := Attempts("192.0.2.1", false, "org_admin", "org")
		for range 5 {
			w.fail(w.one, a)
		}
		w.later(-c.back)
		w.wait(w.one, a, c.want)
		if c.want == 0 { // the count starts again
			for range 5 {
				w.fail(w.one, a)
			}
			w.wait(w.one, a, 15*time.Minute)
		}
	}
}
