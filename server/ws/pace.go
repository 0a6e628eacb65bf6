package ws

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// stall is how long a message that is under way may stand still.
	stall = 30 * time.Second
	// leastPace is how fast it must come on the whole, in bytes a second, after a start of
	// one stall.
	leastPace = 32 << 10
)

var endSlowMessage = &ending{websocket.StatusPolicyViolation, "The message came too slowly"}

// pace watches how the message comes that is under way (B2B-LIM-042). The goroutine that
// reads it says what has come; Server.beat looks at it, so that no message has a timer.
// Times are those since the connection was opened.
type pace struct {
	from  io.Reader
	epoch time.Time
	begun atomic.Int64 // 0: no message is under way
	last  atomic.Int64 // when bytes came last
	n     atomic.Int64 // how many have come
}

func (p *pace) now() int64 { return int64(max(1, time.Since(p.epoch))) }

// begin says that a message has begun. It is read from what begin returns, until end.
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

// slow reports whether the message that is under way comes too slowly.
func (p *pace) slow(stall time.Duration) bool {
	begun := p.begun.Load()
	if begun == 0 {
		return false
	}
	whole := begun + int64(stall) + p.n.Load()*int64(time.Second)/leastPace
	return p.now() > min(whole, p.last.Load()+int64(stall))
}
