package sqlstore

// fairQueue returns waiting changes of the orgs in turn, those of one org in their order of
// arrival. So an org with many changes delays another org by no more than its share of a
// batch (B2B-LIM-020). It is not safe for concurrent use.
type fairQueue struct {
	jobs  map[string][]*job
	order []string // orgs with jobs; the first is next
	n     int      // jobs in all
}

// fairQueueMax bounds the changes in a fairQueue; further ones wait in the writer's channel.
const fairQueueMax = 4 * queueMax

func (q *fairQueue) add(j *job) {
	if q.jobs == nil {
		q.jobs = map[string][]*job{}
	}
	waiting := q.jobs[j.org]
	if len(waiting) == 0 {
		q.order = append(q.order, j.org)
	}
	q.jobs[j.org] = append(waiting, j)
	q.n++
}

// take moves jobs to the batch, until that has the given number.
func (q *fairQueue) take(batch []*job, most int) []*job {
	for len(batch) < most && q.n > 0 {
		org := q.order[0]
		waiting := q.jobs[org]
		batch = append(batch, waiting[0])
		waiting[0] = nil
		q.n--
		q.order = q.order[1:]
		if len(waiting) == 1 {
			delete(q.jobs, org)
			continue
		}
		q.jobs[org] = waiting[1:]
		q.order = append(q.order, org)
	}
	if q.n == 0 {
		q.order = nil
	}
	return batch
}
