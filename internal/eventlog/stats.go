package eventlog

import (
	"maps"
	"slices"
	"sync/atomic"
)

// counts are numbers of events since the hub began.
type counts struct{ slow, refused, relistened atomic.Int64 }

// Stats are the numbers of a hub, for monitoring.
type Stats struct {
	Logs          int // with subscriptions on this node
	Subscriptions int // those of webhooks included
	Replaying     int // subscriptions that read older events from the store
	Queued        int // items that wait for readers
	QueuedMost    int // for one reader
	QueuedBytes   int
	Committed     int   // events of this node that wait for the tails
	Slow          int64 // subscriptions that ended since their reader was slow
	Refused       int64 // subscriptions that were refused since there were too many
	Relistened    int64 // lost connections of the notifier
}

// Stats returns the numbers of the hub. It holds no lock for long: with many subscriptions they
// are not all of one moment.
func (h *Hub) Stats() Stats {
	s := Stats{Slow: h.counts.slow.Load(), Refused: h.counts.refused.Load(), Relistened: h.counts.relistened.Load()}
	h.mu.RLock()
	tails := slices.Collect(maps.Values(h.tails))
	h.mu.RUnlock()
	s.Logs = len(tails)
	for _, t := range tails {
		t.inbox.mu.Lock()
		s.Committed += t.inbox.waiting
		t.inbox.mu.Unlock()
		t.mu.Lock()
		subs := slices.Collect(maps.Keys(t.all))
		t.mu.Unlock()
		for _, sub := range subs {
			sub.addTo(&s)
		}
	}
	return s
}

// addTo adds the numbers of a subscription.
func (s *Subscription) addTo(sum *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	n := len(s.queue) - s.head
	sum.Subscriptions++
	sum.Queued += n
	sum.QueuedMost = max(sum.QueuedMost, n)
	sum.QueuedBytes += s.bytes
	if !s.live {
		sum.Replaying++
	}
}
