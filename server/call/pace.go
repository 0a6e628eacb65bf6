package call

import "time"

const (
	// Stall is how long what is under way may stand still.
	Stall = 30 * time.Second
	// leastPace is how fast it must come on the whole, in bytes a second, after a
	// start of one Stall.
	leastPace = 32 << 10
)

// Pace bounds how long a long body may take, whatever its length: a client that sends
// a byte now and then must not hold what others wait for.
type Pace struct {
	start time.Time
	n     int64
}

// NewPace begins now.
func NewPace() *Pace { return &Pace{start: time.Now()} }

// Add tells of bytes that have come.
func (p *Pace) Add(n int) { p.n += int64(n) }

// Deadline is when the next bytes must have come.
func (p *Pace) Deadline() time.Time {
	whole := p.start.Add(Stall + time.Duration(p.n/leastPace)*time.Second)
	if next := time.Now().Add(Stall); next.Before(whole) {
		return next
	}
	return whole
}
