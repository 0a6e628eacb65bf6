package edge

import "time"

// Limits are the bounds of a [Listener]. A zero field has the default.
type Limits struct {
	Connections int // open at once; default: by the number of files that may be open

	Headers   time.Duration // until the first request has come; default 10 s
	Body      time.Duration // of a stranger, until it has come whole; default 10 s
	Anonymous time.Duration // anything of a stranger, plus one Sweep; default 13 s
	Stall     time.Duration // how long a known caller may stand still; default 30 s
	Pace      int           // how fast it must take an answer on the whole, in bytes a second; default 4 KiB
	Idle      time.Duration // a known caller's connection without a request; default 2 min
	Sweep     time.Duration // how often connections are looked through; default 1 s
}

const (
	// leastPace is how fast a known caller's body must come on the whole, in bytes a
	// second, after a start of one Stall.
	leastPace = 32 << 10
	// piece is how much of an answer must be taken within one Stall, in bytes.
	piece = 64 << 10
	// answerPace is the default of Limits.Pace. It is half of what mobile networks leave to
	// a subscriber who has used up what was paid for (64 kbit/s), so that such a link gets
	// its answers, with its overhead and while it does something else besides. A list of
	// 4 MiB lives for 18 minutes at most.
	answerPace = 4 << 10

	connectionCap = 1 << 16
	anonymousCap  = 8192
)

// DefaultConnections is how many connections may be open at once unless told: by the number of
// files that this process may have open.
func DefaultConnections() int { return min(openFiles()/4*3, connectionCap) }

func (l Limits) withDefaults() Limits {
	if l.Connections <= 0 {
		l.Connections = DefaultConnections()
	}
	if l.Pace <= 0 {
		l.Pace = answerPace
	}
	for _, d := range []struct {
		value  *time.Duration
		preset time.Duration
	}{
		{&l.Headers, 10 * time.Second},
		{&l.Body, 10 * time.Second},
		{&l.Anonymous, 13 * time.Second},
		{&l.Stall, 30 * time.Second},
		{&l.Idle, 2 * time.Minute},
		{&l.Sweep, time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.preset
		}
	}
	return l
}

// maxAnonymous is how many connections maxAnonymous may have: the rest is the reserve of those
// who have proved who they are.
func (l Limits) maxAnonymous() int { return max(1, min(l.Connections/2, anonymousCap)) }

// maxPerAddress is how many strangers may come from one address.
func (l Limits) maxPerAddress() int { return max(1, l.maxAnonymous()/4) }
