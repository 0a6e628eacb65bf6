package intake_test

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/intake"
)

// The numbers of a budget follow what requests take, and count those without room.
func TestStats(t *testing.T) {
	t.Parallel()
	b := intake.New(sizes, nil)
	small, _ := take(t, b, orgA, 1<<10)
	large, _ := take(t, b, orgA, 60<<10)
	take(t, b, orgA, 60<<10) // no room in the share
	for _, p := range []payer{orgB, {"org c", false}} {
		take(t, b, p, 90<<10)
	}
	take(t, b, payer{"org d", false}, 90<<10) // no room in the total
	got := b.Stats()
	want := intake.Stats{Small: 1 << 10, Large: 240 << 10, MostSmall: sizes.Small, MostLarge: sizes.Whole, RefusedShare: 1, RefusedTotal: 1}
	if got != want {
		t.Errorf("the numbers are %+v, want %+v", got, want)
	}
	small.End()
	large.End()
	if got := b.Stats(); got.Small != 0 || got.Large != 180<<10 {
		t.Errorf("after two requests: %+v", got)
	}
}
