package eventlog

import (
	"time"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
)

// A window is as long as it takes to wake the subscriptions of the org at one per windowPerReader,
// within these bounds (B2B-PRES-009). So a storm of bots that connect costs each second at most
// 10,000 writes for an org, or one per connection.
const (
	windowPerReader = 100 * time.Microsecond
	shortestWindow  = 20 * time.Millisecond
	longestWindow   = time.Second
)

// presenceWindow collects the presence events of an org while others have just been delivered. The first
// event after a quiet time is delivered at once. Guarded by tail.mu, except end.
type presenceWindow struct {
	pending *round // nil: no event
	open    bool
	end     *time.Timer // of the open window; used by the goroutine of the tail alone
}

func newPresenceWindow() presenceWindow {
	w := presenceWindow{end: time.NewTimer(time.Hour)}
	w.end.Stop()
	return w
}

// addPresence takes a presence event of the log. mu is held.
func (t *tail) addPresence(e *store.Event) {
	it, err := newPresence(e)
	switch {
	case err != nil:
		t.hub.Logger.Error("an event cannot be delivered", "error", err)
		return
	case it == nil: // an unknown type, of a newer node
		return
	}
	if t.window.pending == nil {
		t.window.pending = newRound()
	}
	t.window.pending.add(presenceOf(it.row), it)
}

// openWindow delivers the presence events that the tail has just taken, unless a window is open.
func (t *tail) openWindow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.window.open && t.window.pending != nil {
		t.nextWindow()
	}
}

// closeWindow ends a window. If there were events in it, it delivers them and another one begins.
func (t *tail) closeWindow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.window.open = t.window.pending != nil; t.window.open {
		t.nextWindow()
	}
}

// nextWindow delivers the pending events and begins a window. mu is held.
func (t *tail) nextWindow() {
	t.flushPresence()
	t.window.open = true
	t.window.end.Reset(min(max(time.Duration(len(t.all))*windowPerReader, shortestWindow), longestWindow))
}

// flushPresence delivers the pending presence events. mu is held.
func (t *tail) flushPresence() {
	r := t.window.pending
	if r == nil {
		return
	}
	t.window.pending = nil
	for s := range t.all {
		if r.concerns(s) {
			s.pushPresence(r)
		}
	}
}

// followsPresence reports whether an event of the log must come after the presence events that were
// committed before it: a bot that was deleted must not come back, nor a name that was changed
// (B2B-PRES-010). A bot that registers was not present before.
func followsPresence(e *store.Event) bool {
	return e.Audience == store.AudienceOrg && e.Type != eventtype.BotRegistered
}
