package upkeep

import "time"

// size is how many rows a step removes: as many as take about holdTime, whatever the
// database and what else it does, so that nobody waits for a step for long.
type size int

const (
	holdTime = 2 * time.Millisecond
	// Below leastSize a step costs more than what it removes; above mostSize there is
	// nothing more to win.
	leastSize size = 20
	mostSize  size = 500
)

// after is the size of the step behind one that held the org for some time. It grows
// slowly, for a step may have had little to do, and shrinks at once.
func (s size) after(held time.Duration) size {
	switch {
	case held > holdTime:
		s = size(float64(s) * float64(holdTime) / float64(held))
	case held < holdTime/2:
		s += s / 4
	}
	return min(max(s, leastSize), mostSize)
}
