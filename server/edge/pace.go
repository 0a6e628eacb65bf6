package edge

import "time"

// pace measures how fast a known caller takes one answer (B2B-LIM-045). Only the time for
// which a write waits counts, which is the client's: what the server needs to make an
// answer, or to read a file, is not held against whoever asked for it.
//
// The first write of an answer is not measured, for the system takes it at once: so a small
// answer costs no look at the clock. Stall bounds it nevertheless.
type pace struct {
	taken  int64 // bytes
	waited int64 // nanoseconds
	begun  int64 // when the write under way began; 0: it is not measured
}

// begin returns for how long the write that begins may wait, in nanoseconds.
func (p *pace) begin(now int64, l *Limits) int64 {
	p.begun = 0
	if p.taken > 0 {
		p.begun = now
	}
	stall := int64(l.Stall)
	return min(stall, stall+p.ahead(l))
}

// wrote says how much the write has got rid of.
func (p *pace) wrote(n int64, l *Listener) {
	p.taken += n
	if p.begun != 0 {
		p.waited += l.now() - p.begun
	}
}

// ahead is how much time what was taken is worth, less the time it took, in nanoseconds.
func (p *pace) ahead(l *Limits) int64 {
	return p.taken*(int64(time.Second)/int64(l.Pace)) - p.waited
}
