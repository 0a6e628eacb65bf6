package search

import (
	"sync"

	"github.com/b2b-protocol/b2b/internal/store"
)

const (
	// tailBytes bounds the memory for events that wait to be indexed. Those that do not fit are read from
	// the log.
	tailBytes = 8 << 20
	// eventBytes is what an event takes besides its payload and body.
	eventBytes = 256
)

// tail is the newest events of the orgs, as this node has committed them, so that the log need not be read
// for them.
type tail struct {
	mu    sync.Mutex
	orgs  map[string][]store.Event // with seqs that follow each other
	bytes int
}

// add adds what was committed. Of an org of which too much waits, or of which another node has committed
// something meanwhile, it forgets what it had.
func (t *tail) add(org string, events []store.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range events {
		e := events[i]
		e.Decoded = nil
		if kept := t.orgs[org]; len(kept) > 0 && kept[len(kept)-1].Seq+1 != e.Seq {
			t.forget(org)
		}
		if t.bytes += e.Size() + eventBytes; t.bytes > tailBytes {
			t.bytes -= e.Size() + eventBytes
			t.forget(org)
			continue
		}
		t.orgs[org] = append(t.orgs[org], e)
	}
}

// after returns events that follow a seq, at most limit, and forgets those before; none if it does not
// have the next one. They must not be changed.
func (t *tail) after(org string, seq int64, limit int) []store.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.orgs[org]
	if len(kept) == 0 {
		return nil
	}
	done := max(0, int(min(seq+1-kept[0].Seq, int64(len(kept)))))
	for i := range kept[:done] {
		t.bytes -= kept[i].Size() + eventBytes
		kept[i] = store.Event{}
	}
	if kept = kept[done:]; len(kept) == 0 {
		delete(t.orgs, org)
		return nil
	}
	t.orgs[org] = kept
	if kept[0].Seq != seq+1 {
		return nil
	}
	n := min(limit, len(kept))
	return kept[:n:n]
}

// forget forgets the events of an org.
func (t *tail) forget(org string) {
	for i := range t.orgs[org] {
		t.bytes -= t.orgs[org][i].Size() + eventBytes
	}
	delete(t.orgs, org)
}
