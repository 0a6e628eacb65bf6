package webhook

import (
	"sync/atomic"

	"github.com/b2b-protocol/b2b/internal/fair"
)

// Outcome is the outcome of one attempt to deliver an event.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Refused   Outcome = "refused"     // the receiver responded with a status other than 2xx
	Failed    Outcome = "no_response" // there was no response
	Blocked   Outcome = "blocked"     // the URL may not be used, so nothing was sent
)

func (r *result) outcome() Outcome {
	switch {
	case r.reason == "":
		return Delivered
	case r.blocked:
		return Blocked
	case r.status != 0:
		return Refused
	}
	return Failed
}

// counts are numbers of all readers of a dispatcher.
type counts struct {
	waiting atomic.Int64 // events that are set aside for a retry
	dead    atomic.Int64 // dead letters that were made
}

// countWaiting updates how many events of the webhook are set aside.
func (r *reader) countWaiting(n int) {
	if n != r.counted {
		r.d.counts.waiting.Add(int64(n - r.counted))
		r.counted = n
	}
}

// Stats are the numbers of a dispatcher, for monitoring.
type Stats struct {
	Serving     int   // webhooks that this node serves
	Waiting     int64 // events of these that are set aside for a retry, as far as they are in memory
	DeadLetters int64 // made by this node since it started
	// Responding are the places for attempts to receivers that responded last time, Failing those
	// for attempts to the others.
	Responding, Failing fair.Stats
}

// Stats returns the numbers of the dispatcher.
func (d *Dispatcher) Stats() Stats {
	return Stats{
		Serving: len(d.serving()), Waiting: d.counts.waiting.Load(), DeadLetters: d.counts.dead.Load(),
		Responding: d.places.Stats(), Failing: d.failingPlaces.Stats(),
	}
}
