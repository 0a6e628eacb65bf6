package conformance

import "testing"

// TestLiveChecks holds that the checks of live events can be told apart.
func TestLiveChecks(t *testing.T) {
	names := map[string]bool{}
	for _, c := range append(Checks(), liveChecks()...) {
		if names[c.Name] {
			t.Errorf("two checks are named %s", c.Name)
		}
		names[c.Name] = true
	}
}
