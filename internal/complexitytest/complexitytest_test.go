package complexitytest_test

import (
	"testing"

	"github.com/b2b-protocol/b2b/internal/complexitytest"
)

func TestGrowth(t *testing.T) {
	// Not parallel: it measures time.
	sum := 0
	linear := complexitytest.Growth(5_000, func(size int) {
		for i := range size {
			sum += i
		}
	})
	if linear > 32 {
		t.Errorf("linear work grows by %.0f", linear)
	}
	quadratic := complexitytest.Growth(60, func(size int) {
		for range size {
			for i := range size {
				sum += i
			}
		}
	})
	if quadratic < 32 {
		t.Errorf("quadratic work grows by %.0f", quadratic)
	}
	if sum == 0 {
		t.Error("the work was left out")
	}
}
