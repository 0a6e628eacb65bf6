package upkeep

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for _, c := range []struct {
		size size
		held time.Duration
		want size
	}{
		{200, 0, 250},
		{200, holdTime / 4, 250},
		{200, holdTime / 2, 200},
		{200, holdTime, 200},
		{400, 2 * holdTime, 200},
		{400, 5 * holdTime, 80},
		{400, 40 * holdTime, leastSize},
		{400, time.Hour, leastSize},
		{leastSize, 3 * holdTime, leastSize},
		{mostSize, 0, mostSize},
		{mostSize - 1, 0, mostSize},
	} {
		if got := c.size.after(c.held); got != c.want {
			t.Errorf("%d after %v: %d, want %d", c.size, c.held, got, c.want)
		}
	}
}

// Whatever a row costs, steps come to take about as long as they may: between a quarter
// of that and all of it, or they are as small or as large as they get.
func TestSizeSettles(t *testing.T) {
	for row := time.Duration(1); row < time.Second; row *= 3 {
		s := leastSize
		for range 50 {
			s = s.after(time.Duration(s) * row)
		}
		held := time.Duration(s) * row
		if held > holdTime && s > leastSize || held < holdTime/4 && s < mostSize {
			t.Errorf("rows of %v: steps of %d rows take %v", row, s, held)
		}
	}
}
