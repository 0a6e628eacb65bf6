package retention

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size size
		took time.Duration
		want size
	}{
		{200, 0, 250},
		{200, stepTime / 4, 250},
		{200, stepTime / 2, 200},
		{200, stepTime, 200},
		{400, 2 * stepTime, 200},
		{400, 5 * stepTime, 80},
		{400, 40 * stepTime, leastSize},
		{400, time.Hour, leastSize},
		{leastSize, 3 * stepTime, leastSize},
		{mostSize, 0, mostSize},
		{mostSize - 1, 0, mostSize},
	} {
		if got := c.size.after(c.took); got != c.want {
			t.Errorf("%d after %v: %d, want %d", c.size, c.took, got, c.want)
		}
	}
}

// For any cost of a row, the time of a step converges to between stepTime/4 and stepTime,
// unless the size is at one of its bounds.
func TestSizeConverges(t *testing.T) {
	t.Parallel()
	for row := time.Duration(1); row < time.Second; row *= 3 {
		s := leastSize
		for range 50 {
			s = s.after(time.Duration(s) * row)
		}
		took := time.Duration(s) * row
		if took > stepTime && s > leastSize || took < stepTime/4 && s < mostSize {
			t.Errorf("rows of %v: steps of %d rows take %v", row, s, took)
		}
	}
}
