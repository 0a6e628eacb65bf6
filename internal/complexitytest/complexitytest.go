// Package complexitytest measures how the running time of a function grows with the size of its
// input, so that tests find quadratic loops over untrusted input.
package complexitytest

import (
	"math"
	"time"
)

// Growth returns the running time of work for 8*size units of input divided by that for size units:
// about 8 for linear work, about 64 for quadratic work. It compares the fastest of 30 runs of each,
// so that a busy machine or a garbage collection does not matter. Choose size so that the larger
// run takes about a millisecond.
func Growth(size int, work func(size int)) float64 {
	best := func(size int) time.Duration {
		least := time.Duration(math.MaxInt64)
		for range 30 {
			start := time.Now()
			work(size)
			least = min(least, time.Since(start))
		}
		return least
	}
	return float64(best(8*size)) / float64(max(best(size), time.Microsecond))
}
