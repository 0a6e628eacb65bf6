package eventlog

import (
	"slices"
	"sync"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
)

// presenceChange has the newest presence event of a bot. If that brings the bot back to the state
// before the first of its events, it also has the event before, so that a reader sees both changes.
type presenceChange struct {
	bot    string
	before *Item // may be nil
	newest *Item
}

// add adds a later event of the bot. Events of one bot usually alternate.
func (c *presenceChange) add(it *Item) {
	switch {
	case it.row.Type == c.newest.row.Type: // its name may be newer
		c.newest = it
	case c.before == nil:
		c.before, c.newest = c.newest, it
	default:
		c.before, c.newest = nil, it
	}
}

// round has the presence events of one window, or of several, as state: keyed by bot. Subscriptions
// share it, so it does not change once it has been delivered.
type round struct {
	changes []presenceChange
	at      map[string]int // index of a bot in changes
	lowest  int64          // seq of the first event

	join   sync.Once
	joined [][]byte // encodings of all events, made by Presence.Join
	places []place  // of each change in joined
}

// place is a place in round.joined.
type place struct{ part, from, to int }

func newRound() *round { return &round{at: map[string]int{}} }

// add adds a later event of a bot.
func (r *round) add(bot string, it *Item) {
	if i, known := r.at[bot]; known {
		r.changes[i].add(it)
		return
	}
	if len(r.changes) == 0 {
		r.lowest = it.row.Seq
	}
	r.at[bot] = len(r.changes)
	r.changes = append(r.changes, presenceChange{bot: bot, newest: it})
}

// mergeRounds returns the state after consecutive rounds.
func mergeRounds(rounds []*round) *round {
	if len(rounds) == 1 {
		return rounds[0]
	}
	out := newRound()
	for _, r := range rounds {
		for i := range r.changes {
			c := &r.changes[i]
			if c.before != nil {
				out.add(c.bot, c.before)
			}
			out.add(c.bot, c.newest)
		}
	}
	return out
}

// presenceTypes is which presence events a subscription receives.
type presenceTypes struct{ online, offline bool }

func presenceTypesOf(v Viewer, f *filter) presenceTypes {
	sees := func(kind string) bool {
		return !v.Webhook && (v.human() || InScope(kind, v.Scopes)) && f.passes(&store.Event{Type: kind})
	}
	return presenceTypes{online: sees(eventtype.BotOnline), offline: sees(eventtype.BotOffline)}
}

// seesPresence reports whether a subscription receives a presence event of another bot. Those of
// before the subscription are not delivered (B2B-PRES-004).
func (s *Subscription) seesPresence(it *Item) bool {
	if it.row.Seq <= s.since {
		return false
	}
	if it.row.Type == eventtype.BotOnline {
		return s.presence.online
	}
	return s.presence.offline
}

// each calls fn for each event of the round that a subscription receives, until fn returns false.
func (r *round) each(s *Subscription, fn func(*Item) bool) {
	for i := range r.changes {
		c := &r.changes[i]
		if c.bot == s.owner.BotID {
			continue
		}
		if c.before != nil && s.seesPresence(c.before) && !fn(c.before) {
			return
		}
		if s.seesPresence(c.newest) && !fn(c.newest) {
			return
		}
	}
}

// concerns reports whether a subscription receives an event of the round.
func (r *round) concerns(s *Subscription) bool {
	found := false
	r.each(s, func(*Item) bool {
		found = true
		return false
	})
	return found
}

// Presence is the presence events that wait for a reader, as state: of each bot the newest event,
// after the one before it if the bot is back in its earlier state (B2B-PRES-009).
type Presence struct {
	round *round
	of    *Subscription
}

// Each calls fn for each event. Events of different bots have no order.
func (p *Presence) Each(fn func(*Item)) {
	p.round.each(p.of, func(it *Item) bool {
		fn(it)
		return true
	})
}

// joinedBytes is the size up to which encodings are joined, in bytes.
const joinedBytes = 32 << 10

// Join returns the encodings of the events, joined to parts of some 32 KB, to save system calls.
// Readers of the same events share the parts, so all callers pass the same function.
func (p *Presence) Join(encode func(*Item) []byte) [][]byte {
	r := p.round
	if r.lowest <= p.of.since || p.of.presence != (presenceTypes{online: true, offline: true}) {
		var j joiner
		p.Each(func(it *Item) { j.add(encode(it)) })
		return j.parts
	}
	r.join.Do(func() {
		var j joiner
		r.places = make([]place, len(r.changes))
		for i := range r.changes {
			c := &r.changes[i]
			first := encode(c.newest)
			if c.before != nil {
				first = slices.Concat(encode(c.before), first)
			}
			r.places[i] = j.add(first)
		}
		r.joined = j.parts
	})
	i, own := r.at[p.of.owner.BotID]
	if !own {
		return r.joined
	}
	at := r.places[i]
	part := r.joined[at.part]
	out := slices.Clone(r.joined[:at.part])
	for _, b := range [][]byte{part[:at.from], part[at.to:]} {
		if len(b) > 0 {
			out = append(out, b)
		}
	}
	return append(out, r.joined[at.part+1:]...)
}

// joiner joins encodings.
type joiner struct{ parts [][]byte }

func (j *joiner) add(b []byte) place {
	last := len(j.parts) - 1
	if last < 0 || len(j.parts[last])+len(b) > joinedBytes {
		j.parts = append(j.parts, nil)
		last++
	}
	from := len(j.parts[last])
	j.parts[last] = append(j.parts[last], b...)
	return place{part: last, from: from, to: from + len(b)}
}

// placeholder is in the queue of a subscription where presence events are.
var placeholder = &Item{}

// mostRounds is the number of rounds that wait for a placeholder before they are merged.
const mostRounds = 64

// pushPresence adds presence events to the queue. As they are state, a reader that takes none has
// only the newest of each bot waiting, and they do not count as items that wait for it.
func (s *Subscription) pushPresence(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.ending != nil {
		return
	}
	n := len(s.rounds)
	if n == 0 || s.rounds[n-1] == nil {
		s.rounds = append(s.rounds, r)
		s.marks++
		s.append(placeholder)
		return
	}
	s.rounds = append(s.rounds, r)
	from := n
	for from > 0 && s.rounds[from-1] != nil {
		from--
	}
	if n+1-from >= mostRounds {
		s.rounds = append(s.rounds[:from], mergeRounds(s.rounds[from:]))
	}
}

// separate keeps later presence events after an item that follows the ones before it. mu is held.
func (s *Subscription) separate(it *Item) {
	if n := len(s.rounds); n > 0 && s.rounds[n-1] != nil && it.logged() && it.row.Audience == store.AudienceOrg {
		s.rounds = append(s.rounds, nil)
	}
}

// takePresence returns the presence events of a placeholder: together, or the first one, with the
// others next. mu is held.
func (s *Subscription) takePresence(together bool) *Item {
	s.marks--
	n := slices.Index(s.rounds, nil)
	rest := n + 1
	if n < 0 {
		n, rest = len(s.rounds), len(s.rounds)
	}
	p := &Presence{round: mergeRounds(s.rounds[:n]), of: s}
	if s.rounds = s.rounds[rest:]; len(s.rounds) == 0 {
		s.rounds = nil
	}
	if together {
		return &Item{Presence: p}
	}
	var all []*Item
	p.Each(func(it *Item) { all = append(all, it) })
	s.soon = append(all[1:], s.soon...)
	return all[0]
}
