package eventlog

import (
	"sync"

	"github.com/b2b-protocol/b2b/internal/store"
)

// inbox is the queue of a tail: the commits of this node, in order, and items that must come
// after them. Adding never blocks.
type inbox struct {
	wake chan struct{} // holds one token when the tail must look

	mu      sync.Mutex
	entries []entry
	waiting int   // events in entries
	bytes   int   // of their payloads and bodies
	behind  bool  // the tail must read the log from the store
	handled int64 // seq up to which the tail is done; older notifications are ignored
}

// entry is committed events, or an item for one subscription.
type entry struct {
	events []store.Event
	item   *Item
	to     *Subscription
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// events adds committed events. When too many wait it drops them, and the tail reads them from
// the store.
func (b *inbox) events(events []store.Event) {
	bytes := 0
	for i := range events {
		bytes += events[i].Size()
	}
	b.mu.Lock()
	if b.waiting+len(events) > inboxMost || b.waiting > 0 && b.bytes+bytes > inboxBytes {
		b.behind = true
	} else {
		b.waiting += len(events)
		b.bytes += bytes
		b.entries = append(b.entries, entry{events: events})
	}
	b.mu.Unlock()
	b.signal()
}

// add adds an entry after all others.
func (b *inbox) add(e entry) {
	b.mu.Lock()
	b.entries = append(b.entries, e)
	b.mu.Unlock()
	b.signal()
}

// notify takes a notification that the log has reached seq (0: not known). It ignores those
// of this node's own commits, which come back after the events.
func (b *inbox) notify(seq int64) {
	b.mu.Lock()
	known := b.handled
	if n := len(b.entries); n > 0 {
		if events := b.entries[n-1].events; len(events) > 0 {
			known = max(known, events[len(events)-1].Seq)
		}
	}
	news := seq == 0 || seq > known
	b.behind = b.behind || news
	b.mu.Unlock()
	if news {
		b.signal()
	}
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox. handled is the seq up to which the tail is done. behind reports
// whether the tail must read the log from the store.
func (b *inbox) take(handled int64) (entries []entry, behind bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries, behind = b.entries, b.behind
	b.entries, b.waiting, b.bytes, b.behind = nil, 0, 0, false
	b.handled = handled
	for _, e := range entries {
		if n := len(e.events); n > 0 {
			b.handled = max(b.handled, e.events[n-1].Seq)
		}
	}
	return entries, behind
}
