package edge

import "time"

// pace measures how fast an authenticated caller reads one response (B2B-LIM-045). It counts only
// the time that writes are blocked, which depends on the client, and not the time that the server
// needs to produce the response or to read a file.
//
// The first write of a response is not measured, since the system buffers it at once: so a small
// response needs no clock reading. Its deadline is one Stall nevertheless.
type pace struct {
	taken  int64 // bytes
	waited int64 // nanoseconds
	begun  int64 // start of the current write; 0: it is not measured
}

// begin returns how long the next write may take, in nanoseconds.
func (p *pace) begin(now int64, l *Limits) int64 {
	p.begun = 0
	if p.taken > 0 {
		p.begun = now
	}
	stall := int64(l.Stall)
	return min(stall, stall+p.ahead(l))
}

// wrote records that n bytes were written.
func (p *pace) wrote(n int64, l *Listener) {
	p.taken += n
	if p.begun != 0 {
		p.waited += l.now() - p.begun
	}
}

// ahead returns how far the client is ahead of the required pace, in nanoseconds; negative if it is
// too slow.
func (p *pace) ahead(l *Limits) int64 {
	return p.taken*(int64(time.Second)/int64(l.Pace)) - p.waited
}
