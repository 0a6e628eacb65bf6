package fair

// before reports whether m is served before o: it has fewer slots, or as many and was served longer
// ago.
func (m *member) before(o *member) bool {
	if m.used != o.used {
		return m.used < o.used
	}
	return m.turn < o.turn
}

// enqueue adds w to the end of the queue of its key.
func (p *Pool) enqueue(m *member, w *waiter) {
	m.waits.push(w)
	if m.waits.n == 1 {
		p.turns++
		m.turn = p.turns
		m.at = len(p.queue)
		p.queue = append(p.queue, m)
		p.up(m.at)
	}
}

// leaveQueue removes w from the queue of its key.
func (p *Pool) leaveQueue(m *member, w *waiter) {
	m.waits.remove(w)
	if m.waits.n > 0 {
		return
	}
	at, end := m.at, len(p.queue)-1
	p.swap(at, end)
	p.queue[end] = nil
	p.queue = p.queue[:end]
	m.at = -1
	if at < end {
		p.fix(p.queue[at])
	}
}

// fix moves a member to its position in the heap after its order has changed.
func (p *Pool) fix(m *member) {
	if m.at < 0 {
		return
	}
	p.up(m.at)
	p.down(m.at)
}

func (p *Pool) up(i int) {
	for i > 0 {
		above := (i - 1) / 2
		if !p.queue[i].before(p.queue[above]) {
			return
		}
		p.swap(i, above)
		i = above
	}
}

func (p *Pool) down(i int) {
	for {
		least := i
		for below := 2*i + 1; below <= 2*i+2 && below < len(p.queue); below++ {
			if p.queue[below].before(p.queue[least]) {
				least = below
			}
		}
		if least == i {
			return
		}
		p.swap(i, least)
		i = least
	}
}

func (p *Pool) swap(i, j int) {
	p.queue[i], p.queue[j] = p.queue[j], p.queue[i]
	p.queue[i].at, p.queue[j].at = i, j
}
