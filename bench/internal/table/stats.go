package table

import (
	"math"
	"slices"
)

// Median returns the middle of the values, NaN if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// toDeviation scales the median absolute deviation of normally distributed values to their standard
// deviation.
const toDeviation = 1.4826

// Spread estimates the standard deviation of the values by their median absolute deviation, which a
// single round beside other load does not change.
func Spread(values []float64) float64 {
	middle := Median(values)
	off := make([]float64, len(values))
	for i, v := range values {
		off[i] = math.Abs(v - middle)
	}
	return toDeviation * Median(off)
}

// medianFactor is the standard error of a median relative to that of a mean, for many normally
// distributed values.
const medianFactor = 1.2533

// Error estimates the standard error of the median of the values.
func Error(values []float64) float64 {
	return medianFactor * Spread(values) / math.Sqrt(float64(len(values)))
}
