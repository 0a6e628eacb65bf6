package waittest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/waittest"
)

func TestWithin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		after := func(d time.Duration) func() bool {
			return func() bool { return time.Since(begun) >= d }
		}
		if !waittest.Within(time.Second, after(0)) || time.Since(begun) != 0 {
			t.Errorf("what holds takes %v", time.Since(begun))
		}
		if !waittest.Within(time.Second, after(time.Second)) {
			t.Error("what holds at the end is not found")
		}
		begun = time.Now()
		if waittest.Within(time.Second, after(time.Hour)) {
			t.Error("what never holds is found")
		}
		if took := time.Since(begun); took < time.Second || took > 2*time.Second {
			t.Errorf("it ended after %v", took)
		}
		waittest.Until(t, "a minute less", after(waittest.Most-time.Second))
	})
}
