package threadcontext

import (
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// lifecycle has the types of the events of the life of a thread, in their order in a delivery.
var lifecycle = []string{"thread_created", "thread_updated", "thread_status_changed", "thread_participant", "thread_artifact"}

// mostDelivered is how many delivered messages and events of a thread are remembered, to ignore
// them when they come again.
const mostDelivered = 256

// everything is an order after all others.
const everything = math.MaxInt64

// message and event are what waits in a thread. The order says when it was taken in.
type message struct {
	order int64
	*b2bv1.ThreadMessage
}

type event struct {
	order    int64
	kind     string
	position string
	reason   Reason // why it was delivered at once; empty: it was not
	*b2bv1.Event
}

// state is what is known of a thread, and what waits in it. Its messages are never changed, since
// deliveries share them.
type state struct {
	thread          *b2bv1.Thread
	participants    []*b2bv1.ThreadParticipant // nil: not known
	artifacts       []*b2bv1.Artifact
	artifactsLoaded bool
	invited         bool
	names           map[string]string // of bots, by id

	messages []message
	events   []event

	mark      int64 // the time of the last delivered message, in milliseconds
	marked    map[string]bool
	delivered []string // ids of messages and positions of events

	touched int64         // the order of what was taken in last
	pending int           // deliveries that were asked for and have not ended
	upTo    int64         // what a delivery in progress has: nothing later is rendered
	turn    chan struct{} // is full during a delivery
}

// delivery is one that was asked for, of all up to an order.
type delivery struct {
	threadID string
	state    *state
	reason   Reason
	message  *b2bv1.ThreadMessage
	order    int64
}

func newState() *state {
	return &state{names: map[string]string{}, mark: -1, upTo: everything, turn: make(chan struct{}, 1)}
}

func (s *state) ask(threadID string, why Reason, m *b2bv1.ThreadMessage, order int64) *delivery {
	s.pending++
	return &delivery{threadID: threadID, state: s, reason: why, message: m, order: order}
}

// due reports whether something is left to deliver: an earlier delivery can have had it, or it fell
// out.
func (s *state) due(d *delivery) bool {
	if d.message != nil {
		return slices.ContainsFunc(s.messages, func(m message) bool { return m.order <= d.order && m.GetId() == d.message.GetId() })
	}
	messages, events := s.waiting(d.order)
	return len(messages)+len(events) > 0
}

// waiting returns what waits up to an order.
func (s *state) waiting(order int64) (messages []*b2bv1.ThreadMessage, events []*b2bv1.Event) {
	for _, m := range s.messages {
		if m.order <= order {
			messages = append(messages, m.ThreadMessage)
		}
	}
	return messages, coalesce(s.events, order)
}

// coalesce returns events without those that a later one makes obsolete.
func coalesce(all []event, order int64) (events []*b2bv1.Event) {
	type key struct{ kind, about string }
	latest := map[key]*b2bv1.Event{}
	var keys []key
	for _, e := range all {
		if e.order > order {
			continue
		}
		k := key{e.kind, e.GetThreadParticipant().GetBotId() + e.GetThreadArtifact().GetArtifact().GetArtifactKey()}
		next := e.Event
		if before, has := latest[k]; !has {
			keys = append(keys, k)
		} else if e.kind == "thread_updated" {
			next = proto.CloneOf(next)
			changes := slices.Clone(before.GetThreadUpdated().GetChanges())
			for _, change := range next.GetThreadUpdated().GetChanges() {
				if !slices.Contains(changes, change) {
					changes = append(changes, change)
				}
			}
			next.GetThreadUpdated().Changes = changes
		}
		latest[k] = next
	}
	slices.SortStableFunc(keys, func(a, b key) int { return slices.Index(lifecycle, a.kind) - slices.Index(lifecycle, b.kind) })
	for _, k := range keys {
		events = append(events, latest[k])
	}
	return events
}

func (s *state) collect(d *delivery) *Delivery {
	messages, events := s.waiting(d.order)
	found := &Delivery{
		ThreadID: d.threadID, Reason: d.reason, Message: d.message, Thread: s.thread, Participants: slices.Clone(s.participants),
		Artifacts: slices.Clone(s.artifacts), Messages: messages, Events: events,
	}
	if found.Thread == nil {
		found.Thread = &b2bv1.Thread{Id: d.threadID, Topic: "unknown"}
	}
	if found.Message == nil && len(messages) > 0 {
		found.Message = messages[len(messages)-1]
	}
	return found
}

// succeeded removes what was delivered. What a handler failed for stays instead.
func (s *state) succeeded(d *delivery, found *Delivery) {
	for _, m := range found.Messages {
		s.remember(m.GetId())
	}
	for _, e := range s.events {
		if e.order <= d.order && e.position != "" {
			s.remember(e.position)
		}
	}
	s.messages = slices.DeleteFunc(s.messages, func(m message) bool { return m.order <= d.order })
	s.events = slices.DeleteFunc(s.events, func(e event) bool { return e.order <= d.order })
	if n := len(found.Messages); n > 0 {
		s.mark, s.marked = at(found.Messages[n-1]), map[string]bool{}
		for _, m := range found.Messages {
			if at(m) == s.mark {
				s.marked[m.GetId()] = true
			}
		}
	}
}

func at(m *b2bv1.ThreadMessage) int64 { return m.GetCreatedAt().AsTime().UnixMilli() }

// remember keeps the key of something that was delivered.
func (s *state) remember(key string) {
	if slices.Contains(s.delivered, key) {
		return
	}
	if s.delivered = append(s.delivered, key); len(s.delivered) > mostDelivered {
		s.delivered = slices.Delete(s.delivered, 0, 1)
	}
}

func (s *state) loaded(thread *b2bv1.Thread) {
	s.participants = append([]*b2bv1.ThreadParticipant{}, thread.GetParticipants().GetValues()...)
	s.thread = thread
	for _, p := range s.participants {
		if p.GetName() != "" {
			s.names[p.GetBotId()] = p.GetName()
		}
	}
}

// newest keeps an artifact unless a later version is known.
func (s *state) newest(a *b2bv1.Artifact) {
	i := slices.IndexFunc(s.artifacts, func(b *b2bv1.Artifact) bool { return b.GetArtifactKey() == a.GetArtifactKey() })
	switch {
	case i < 0:
		s.artifacts = append(s.artifacts, a)
	case s.artifacts[i].GetVersion() <= a.GetVersion():
		s.artifacts[i] = a
	}
}

// state returns the state of a thread, and makes it the one that was quiet for the shortest.
func (c *Context) state(threadID string) *state {
	s := c.threads[threadID]
	if s == nil {
		s = newState()
		c.threads[threadID] = s
	}
	c.orders++
	s.touched = c.orders
	for len(c.threads) > c.options.MaxThreads {
		oldest := ""
		for id, other := range c.threads {
			if id != threadID && other.pending == 0 && (oldest == "" || other.touched < c.threads[oldest].touched) {
				oldest = id
			}
		}
		if oldest == "" {
			break
		}
		delete(c.threads, oldest)
	}
	return s
}

// Active returns the ids of the threads in which something waits, those with messages first.
func (c *Context) Active() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(c.threads), func(a, b string) int { return int(c.threads[a].touched - c.threads[b].touched) })
	var messages, events []string
	for _, id := range ids {
		switch s := c.threads[id]; {
		case len(s.messages) > 0:
			messages = append(messages, id)
		case len(s.events) > 0:
			events = append(events, id)
		}
	}
	return append(messages, events...)
}

// keep appends to a buffer, whose oldest elements fall out.
func keep[T any](buffer []T, one T, most int) []T {
	buffer = append(buffer, one)
	return slices.Delete(buffer, 0, max(0, len(buffer)-most))
}
