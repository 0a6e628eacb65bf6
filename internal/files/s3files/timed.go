package s3files

import (
	"net"
	"time"
)

// timed is a connection to the store that breaks off when nothing comes and nothing goes
// for longer than a stall, whatever is asked over it: so a list that stops in its middle
// does not hold up the retention of a node (B2B-LIM-047). The deadlines of single requests, which
// say more of what is wrong, come before it.
type timed struct {
	net.Conn
	stall time.Duration
}

// Read waits for bytes; a Write meanwhile gives it more time.
func (c *timed) Read(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *timed) Write(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *timed) extend() error { return c.SetDeadline(time.Now().Add(c.stall + c.stall/4)) }
