// Package growth tells tests how the time of some work grows with its input, so
// that a quadratic loop over what strangers send is found before they find it.
package growth

import (
	"math"
	"time"
)

// Of is how many times longer work takes on eight times the input: near 8 when it
// is linear, near 64 when it is quadratic. work is run on small and on 8*small
// units of input. The best of many short runs counts, so that neither a busy
// machine nor a collection of garbage does; choose small so that the larger run
// takes about a millisecond.
func Of(small int, work func(size int)) float64 {
	best := func(size int) time.Duration {
		least := time.Duration(math.MaxInt64)
		for range 30 {
			start := time.Now()
			work(size)
			least = min(least, time.Since(start))
		}
		return least
	}
	return float64(best(8*small)) / float64(max(best(small), time.Microsecond))
}
