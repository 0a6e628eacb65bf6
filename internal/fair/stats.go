package fair

// Stats are the numbers of a pool or of a [Majority], for monitoring.
type Stats struct {
	Slots   int // in all; 0: no limit
	InUse   int
	Waiting int   // requests that wait for slots
	Refused int64 // requests that got ErrBusy
}

// Stats returns the numbers of the pool.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{InUse: p.sizes.Slots - p.free, Refused: p.refused}
	if p.limited {
		s.Slots = p.sizes.Slots
	}
	for _, m := range p.queue {
		s.Waiting += m.waits.n
	}
	return s
}

// Stats returns the numbers of the requests.
func (m *Majority) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{InUse: m.total, Refused: m.refused}
	if m.waits != nil {
		s.Waiting = m.waits.waiting.n
		s.InUse -= s.Waiting
	}
	return s
}
