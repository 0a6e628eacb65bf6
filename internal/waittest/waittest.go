// Package waittest waits for what a test can only observe from time to time, such as the state of
// another process. What can report itself, by a channel for example, is waited for directly.
package waittest

import (
	"testing"
	"time"
)

// Most is how long a test waits for what takes well under a second on a quiet machine. It bounds
// tests that fail, on a machine of any speed.
const Most = time.Minute

// every is the time between two checks.
const every = 5 * time.Millisecond

// Until waits until ok returns true. It ends the test if that takes longer than Most.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !Within(Most, ok) {
		t.Fatalf("not within %v: %s", Most, what)
	}
}

// Within reports whether ok returns true before a time has passed. It calls ok at least once.
func Within(most time.Duration, ok func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for end := time.Now().Add(most); !ok(); <-tick.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
