package retention

import "time"

// size is the number of rows that a step removes. It adapts to the speed of the database,
// so that a step takes about stepTime and other changes of the org wait no longer.
type size int

const (
	stepTime = 2 * time.Millisecond
	// Below leastSize the fixed cost of a step dominates; above mostSize larger steps are
	// not faster.
	leastSize size = 20
	mostSize  size = 500
)

// after returns the size of the next step, from the time that the last one took. It grows
// by a quarter, because the last step may have found few rows, and shrinks in proportion.
func (s size) after(took time.Duration) size {
	switch {
	case took > stepTime:
		s = size(float64(s) * float64(stepTime) / float64(took))
	case took < stepTime/2:
		s += s / 4
	}
	return min(max(s, leastSize), mostSize)
}
