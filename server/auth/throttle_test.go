package auth

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server/store/storetest/sqltest"
)

// throttles are two nodes on one database, and how time goes by.
type throttles struct {
	*testing.T
	now      atomic.Int64
	one, two *Throttle
}

func newThrottles(t *testing.T, url string) *throttles {
	w := &throttles{T: t}
	w.now.Store(start)
	clock := func() time.Time { return time.UnixMilli(w.now.Load()) }
	first := ticketsOn(t, url, nil).Store
	second := first
	if url[0] != '/' { // SQLite has one node
		second = sqltest.Open(t, url)
	}
	w.one, w.two = &Throttle{Store: first, Now: clock}, &Throttle{Store: second, Now: clock}
	return w
}

func (w *throttles) wait(at *Throttle, a []Attempt, want time.Duration) {
	w.Helper()
	if got, err := at.Wait(w.Context(), a); err != nil || got != want {
		w.Errorf("has to wait %v (%v), want %v", got, err, want)
	}
}

// fail counts a failure that is the first to hear of no lock.
func (w *throttles) fail(at *Throttle, a []Attempt) {
	w.Helper()
	w.wait(at, a, 0)
	if wait, err := at.Failed(w.Context(), a); wait != 0 || err != nil {
		w.Errorf("a failure has to wait %v (%v)", wait, err)
	}
}

func (w *throttles) pass(at *Throttle, a []Attempt) {
	w.Helper()
	if err := at.Passed(w.Context(), a); err != nil {
		w.Error(err)
	}
}

func (w *throttles) later(d time.Duration) { w.now.Add(d.Milliseconds()) }

func onBoth(t *testing.T, test func(w *throttles)) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "b2b.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) { test(newThrottles(t, url(t))) })
	}
}

func TestThrottle(t *testing.T) {
	onBoth(t, func(w *throttles) {
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
			w.Errorf("a failure behind a lock has to wait %v (%v)", wait, err)
		}
		w.wait(w.one, here, 5*time.Minute)
		w.later(5 * time.Minute)
		w.wait(w.one, here, 0)
		for range 4 { // the count began anew
			w.fail(w.one, here)
			w.wait(w.two, here, 0)
		}
		w.pass(w.two, here) // whichever node it is
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

		// B2B-AUTH-081: strangers behind a proxy that nobody named, and the operator beside it.
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

// Of failures that come at the same moment, those behind the lock hear of it.
func TestThrottleFlood(t *testing.T) {
	onBoth(t, func(w *throttles) {
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
					w.Errorf("has to wait %v", wait)
				}
			})
		}
		all.Wait()
		if n := counted.Load(); n != 5 {
			w.Errorf("%d failures were counted, want 5", n)
		}
	})
}

// Who cannot count lets nobody try.
func TestThrottleWithoutStore(t *testing.T) {
	w := newThrottles(t, filepath.Join(t.TempDir(), "b2b.db"))
	a := Attempts("192.0.2.1", false, "bot", "t")
	w.fail(w.one, a)
	if err := w.one.Store.Close(); err != nil {
		t.Fatal(err)
	}
	_, waited := w.one.Wait(t.Context(), a)
	_, failed := w.one.Failed(t.Context(), a)
	if passed := w.one.Passed(t.Context(), a); waited == nil || failed == nil || passed == nil {
		t.Errorf("a store that is closed was asked: %v", errors.Join(waited, failed, passed))
	}
}

// B2B-LIFE-020: a clock that is put back lengthens no lock: what would last longer than a
// lock can is from before, and over.
func TestThrottleWhenTheClockIsPutBack(t *testing.T) {
	for _, c := range []struct {
		back, want time.Duration
	}{
		{0, 15 * time.Minute}, {5 * time.Second, 15*time.Minute + 5*time.Second}, {time.Minute, 0}, {2 * time.Hour, 0},
	} {
		w := newThrottles(t, filepath.Join(t.TempDir(), "b2b.db"))
		a := Attempts("192.0.2.1", false, "org_admin", "org")
		for range 5 {
			w.fail(w.one, a)
		}
		w.later(-c.back)
		w.wait(w.one, a, c.want)
		if c.want == 0 { // it counts anew
			for range 5 {
				w.fail(w.one, a)
			}
			w.wait(w.one, a, 15*time.Minute)
		}
	}
}
