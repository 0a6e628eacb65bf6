package ws

import (
	"io"
	"sync/atomic"
	"time"
)

const (
	// stall is the longest time without progress while a message is being received.
	stall = 30 * time.Second
	// leastPace is the least speed of a message, in bytes a second, averaged from one stall after
	// its start.
	leastPace = 32 << 10
)

// pace measures how fast the current message arrives (B2B-LIM-042). The reading goroutine updates
// it and Server.beat checks it, so no message needs a timer. Times are nanoseconds since the
// connection was opened.
type pace struct {
	from  io.Reader
	epoch time.Time
	begun atomic.Int64 // start of the message; 0: there is none
	last  atomic.Int64 // when bytes arrived last
	n     atomic.Int64 // bytes received
}

func (p *pace) now() int64 { return int64(max(1, time.Since(p.epoch))) }

// begin marks the start of a message, which must be read from the returned reader until end.
func (p *pace) begin(from io.Reader) io.Reader {
	now := p.now()
	p.from = from
	p.n.Store(0)
	p.last.Store(now)
	p.begun.Store(now)
	return p
}

func (p *pace) end() {
	p.begun.Store(0)
	p.from = nil
}

// Read implements io.Reader.
func (p *pace) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	if n > 0 {
		p.n.Add(int64(n))
		p.last.Store(p.now())
	}
	return n, err
}

// slow reports whether the current message arrives too slowly.
func (p *pace) slow(stall time.Duration) bool {
	begun := p.begun.Load()
	if begun == 0 {
		return false
	}
	whole := begun + int64(stall) + p.n.Load()*int64(time.Second)/leastPace
	return p.now() > min(whole, p.last.Load()+int64(stall))
}
