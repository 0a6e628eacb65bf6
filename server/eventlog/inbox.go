package eventlog

import (
	"sync"

	"github.com/b2b-protocol/b2b/server/store"
)

// inbox is what waits for a tail: what this node committed, in order, and what has
// to come behind it. Adding never waits.
type inbox struct {
	wake chan struct{} // holds one token when there is something

	mu      sync.Mutex
	entries []entry
	waiting int   // events in entries
	bytes   int   // of their payloads
	rung    bool  // the log has to be read from the store
	handled int64 // what the tail is done with, for rings that come late
}

// entry is one of: committed events; an item for everybody; an item for one.
type entry struct {
	events []store.Event
	item   *Item
	to     *Subscription
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// events adds what was committed. When too much waits, it is dropped: the tail will
// read it from the store.
func (b *inbox) events(events []store.Event) {
	bytes := 0
	for i := range events {
		bytes += len(events[i].Payload)
	}
	b.mu.Lock()
	if b.waiting+len(events) > inboxMost || b.waiting > 0 && b.bytes+bytes > inboxBytes {
		b.rung = true
	} else {
		b.waiting += len(events)
		b.bytes += bytes
		b.entries = append(b.entries, entry{events: events})
	}
	b.mu.Unlock()
	b.signal()
}

// add adds an item that comes behind everything before it.
func (b *inbox) add(e entry) {
	b.mu.Lock()
	b.entries = append(b.entries, e)
	b.mu.Unlock()
	b.signal()
}

// ring says that the log has reached seq (0: unknown). The rings of what this node
// wrote itself come back late and mean nothing.
func (b *inbox) ring(seq int64) {
	b.mu.Lock()
	known := b.handled
	if n := len(b.entries); n > 0 {
		if events := b.entries[n-1].events; len(events) > 0 {
			known = max(known, events[len(events)-1].Seq)
		}
	}
	news := seq == 0 || seq > known
	b.rung = b.rung || news
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

// take empties the inbox. handled is what the tail has done so far.
func (b *inbox) take(handled int64) (entries []entry, rung bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries, rung = b.entries, b.rung
	b.entries, b.waiting, b.bytes, b.rung = nil, 0, 0, false
	b.handled = handled
	for _, e := range entries {
		if n := len(e.events); n > 0 {
			b.handled = max(b.handled, e.events[n-1].Seq)
		}
	}
	return entries, rung
}
