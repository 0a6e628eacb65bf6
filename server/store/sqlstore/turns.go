package sqlstore

// turns gives out waiting changes by organisation in turn, each organisation's in the order
// they came, so that one with many delays another by no more than its own share of a batch
// (B2B-LIM-020). It is for one goroutine.
type turns struct {
	jobs  map[string][]*job
	order []string // organisations with jobs; the first is next
	n     int      // jobs in all
}

// turnsMax bounds how many changes wait in turns; more wait in the queue of the writer.
const turnsMax = 4 * queueMax

func (t *turns) add(j *job) {
	if t.jobs == nil {
		t.jobs = map[string][]*job{}
	}
	waiting := t.jobs[j.org]
	if len(waiting) == 0 {
		t.order = append(t.order, j.org)
	}
	t.jobs[j.org] = append(waiting, j)
	t.n++
}

// take appends at most most-len(batch) jobs to the batch and removes them.
func (t *turns) take(batch []*job, most int) []*job {
	for len(batch) < most && t.n > 0 {
		org := t.order[0]
		waiting := t.jobs[org]
		batch = append(batch, waiting[0])
		waiting[0] = nil
		t.n--
		t.order = t.order[1:]
		if len(waiting) == 1 {
			delete(t.jobs, org)
			continue
		}
		t.jobs[org] = waiting[1:]
		t.order = append(t.order, org)
	}
	if t.n == 0 {
		t.order = nil
	}
	return batch
}
