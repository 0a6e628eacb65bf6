package runner

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Access is whose items the command is run for. Senders and threads are ids: names can change hands.
type Access struct {
	Senders []string // of items; empty: all
	Threads []string // of items in threads; empty: all
	// Direct reports whether direct messages are accepted.
	Direct bool
}

// refusal returns why an item is not accepted; empty: it is.
func (a Access) refusal(i *Item) string {
	thread := i.Delivery.GetThreadId()
	switch {
	case len(a.Senders) > 0 && !slices.Contains(a.Senders, i.Sender):
		return "this agent does not work for the sender"
	case thread == "" && !a.Direct:
		return "this agent does not take direct messages"
	case thread != "" && len(a.Threads) > 0 && !slices.Contains(a.Threads, thread):
		return "this agent does not work in the thread"
	}
	return ""
}

// Rate limits how often the command is run for a sender.
type Rate struct {
	Burst int           // runs at once; 0: no limit
	Every time.Duration // until one more is possible
}

// mostSenders is how many senders a limiter remembers. Those who have not used it for longest are
// forgotten: they have all their runs again by then, or soon.
const mostSenders = 10_000

// limiter counts the runs of each sender.
type limiter struct {
	rate Rate
	now  func() time.Time

	mu   sync.Mutex
	full map[string]time.Time // when a sender has all its runs again
}

// take counts a run, or returns how long until one is possible.
func (l *limiter) take(sender string) time.Duration {
	if l.rate.Burst <= 0 || l.rate.Every <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := l.full[sender]
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.rate.Every)
	if over := full.Sub(now) - l.rate.Every*time.Duration(l.rate.Burst); over > 0 {
		return over
	}
	if len(l.full) >= mostSenders {
		l.forget()
	}
	l.full[sender] = full
	return 0
}

// forget removes the sender that has all its runs first.
func (l *limiter) forget() {
	oldest, first := "", time.Unix(math.MaxInt32, 0)
	for sender, full := range l.full {
		if full.Before(first) {
			oldest, first = sender, full
		}
	}
	delete(l.full, oldest)
}
