package edge

import "time"

// Limits are the limits of a [Listener]. A zero field has its default.
type Limits struct {
	Connections int // open at once; default: DefaultConnections

	Headers   time.Duration // until the headers of the first request arrive; default 10 s
	Body      time.Duration // until the whole body of an anonymous request arrives; default 10 s
	Anonymous time.Duration // any activity of an anonymous connection, plus one Sweep; default 13 s
	Stall     time.Duration // the longest time without progress of an authenticated caller; default 30 s
	Pace      int           // the least average speed of reading a response, in bytes a second; default 4 KiB
	Idle      time.Duration // an authenticated connection without a request; default 2 min
	Sweep     time.Duration // the interval at which connections are inspected; default 1 s
}

const (
	// leastPace is the least speed of an authenticated caller's body, in bytes a second, averaged
	// from one Stall after its start.
	leastPace = 32 << 10
	// piece is how much of a response must be written within one Stall, in bytes.
	piece = 64 << 10
	// answerPace is the default of Limits.Pace. It is half of the 64 kbit/s to which mobile
	// networks throttle a subscriber, so that such a link can read its responses beside other
	// traffic. A list of 4 MiB may take 18 minutes.
	answerPace = 4 << 10

	connectionCap = 1 << 16
	anonymousCap  = 8192
)

// DefaultConnections returns the default of Limits.Connections, which depends on the number of
// files that the process may open.
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

// maxAnonymous returns how many anonymous connections there may be. The rest is reserved for
// authenticated callers.
func (l Limits) maxAnonymous() int { return max(1, min(l.Connections/2, anonymousCap)) }

// maxPerAddress returns how many anonymous connections may come from one address.
func (l Limits) maxPerAddress() int { return max(1, l.maxAnonymous()/4) }
