package eventlog

import (
	"slices"

	"github.com/b2b-protocol/b2b/server/store"
)

// index finds the live subscriptions that an event may concern without looking at
// the others. It only names candidates: visible decides.
type index struct {
	rooms   map[scope]*room
	bots    map[string]*botNode
	humans  []*Subscription
	dropped []*Subscription // to be removed when nobody walks the index
}

// room is a channel or thread in which somebody is, or which somebody watches, who
// has a live subscription.
type room struct {
	members  []member
	watchers []*Subscription
}

type member struct {
	bot   *botNode
	spans []span // those that have not ended
}

// botNode is a bot with its live subscriptions, which share its memberships.
type botNode struct {
	id    string
	subs  []*Subscription
	rooms map[scope]struct{}
}

func newIndex() index {
	return index{rooms: map[scope]*room{}, bots: map[string]*botNode{}}
}

// add takes in a subscription. memberships are those of its bot, and are not needed
// when another subscription of the bot is there; what has ended before seq is left out.
func (x *index) add(s *Subscription, memberships []store.Membership, seq int64) {
	if s.viewer.human() {
		x.humans = append(x.humans, s)
		for k := range s.watched {
			r := x.room(k)
			r.watchers = append(r.watchers, s)
		}
		return
	}
	bot := x.bots[s.viewer.BotID]
	if bot != nil {
		bot.subs = append(bot.subs, s)
		return
	}
	bot = &botNode{id: s.viewer.BotID, subs: []*Subscription{s}, rooms: map[scope]struct{}{}}
	x.bots[bot.id] = bot
	for i := range memberships {
		x.admit(bot, &memberships[i], seq)
	}
}

// admit adds a membership of a bot, unless it has ended before seq.
func (x *index) admit(bot *botNode, m *store.Membership, seq int64) {
	sp := spanOf(m)
	if sp.endedBefore(seq) {
		return
	}
	k := scope{m.Kind, m.ScopeID}
	r := x.room(k)
	if i := r.of(bot); i >= 0 {
		r.members[i].spans = append(r.members[i].spans, sp)
		return
	}
	bot.rooms[k] = struct{}{}
	r.members = append(r.members, member{bot, []span{sp}})
}

// of looks from the end: that is where the members are that were added last.
func (r *room) of(bot *botNode) int {
	for i := len(r.members) - 1; i >= 0; i-- {
		if r.members[i].bot == bot {
			return i
		}
	}
	return -1
}

func (x *index) room(k scope) *room {
	r := x.rooms[k]
	if r == nil {
		r = &room{}
		x.rooms[k] = r
	}
	return r
}

// tidy forgets a room that concerns nobody.
func (x *index) tidy(k scope) {
	if r := x.rooms[k]; r != nil && len(r.members) == 0 && len(r.watchers) == 0 {
		delete(x.rooms, k)
	}
}

// rebuild replaces the members of a room, as of an event with this seq.
func (x *index) rebuild(k scope, memberships []store.Membership, seq int64) {
	if r := x.rooms[k]; r != nil {
		for _, m := range r.members {
			delete(m.bot.rooms, k)
		}
		r.members = nil
	}
	seats := map[*botNode]int{}
	for i := range memberships {
		m := &memberships[i]
		bot := x.bots[m.BotID]
		sp := spanOf(m)
		if bot == nil || sp.endedBefore(seq) {
			continue
		}
		r := x.room(k)
		if at, ok := seats[bot]; ok {
			r.members[at].spans = append(r.members[at].spans, sp)
			continue
		}
		seats[bot] = len(r.members)
		bot.rooms[k] = struct{}{}
		r.members = append(r.members, member{bot, []span{sp}})
	}
	x.tidy(k)
}

// remove takes out a subscription.
func (x *index) remove(s *Subscription) {
	if !s.indexed {
		return
	}
	s.indexed = false
	if s.viewer.human() {
		x.humans = without(x.humans, s)
		for k := range s.watched {
			if r := x.rooms[k]; r != nil {
				r.watchers = without(r.watchers, s)
				x.tidy(k)
			}
		}
		return
	}
	bot := x.bots[s.viewer.BotID]
	if bot == nil {
		return
	}
	if bot.subs = without(bot.subs, s); len(bot.subs) > 0 {
		return
	}
	delete(x.bots, bot.id)
	for k := range bot.rooms {
		r := x.rooms[k]
		r.members = slices.DeleteFunc(r.members, func(m member) bool { return m.bot == bot })
		x.tidy(k)
	}
}

func without(subs []*Subscription, s *Subscription) []*Subscription {
	if i := slices.Index(subs, s); i >= 0 {
		return slices.Delete(subs, i, i+1)
	}
	return subs
}

// discard removes a subscription at the next sweep.
func (x *index) discard(s *Subscription) { x.dropped = append(x.dropped, s) }

func (x *index) sweep() {
	for _, s := range x.dropped {
		x.remove(s)
	}
	clear(x.dropped)
	x.dropped = x.dropped[:0]
}

// each calls fn for all who may be concerned by an event, with their spans in its
// room, or as a human who watches the room.
func (x *index) each(e *store.Event, fn func(s *Subscription, spans []span, watched bool)) {
	switch e.Audience {
	case store.AudienceChannel, store.AudienceThread:
		k, ok := scopeOf(e)
		if !ok {
			return
		}
		if shownToAdmins(e) {
			for _, s := range x.humans {
				fn(s, nil, false)
			}
		}
		r := x.rooms[k]
		if r == nil {
			return
		}
		over := 0
		for _, m := range r.members {
			if !slices.ContainsFunc(m.spans, func(s span) bool { return !s.endedBefore(e.Seq) }) {
				over++
				continue
			}
			for _, s := range m.bot.subs {
				fn(s, m.spans, false)
			}
		}
		if !shownToAdmins(e) {
			for _, s := range r.watchers {
				fn(s, nil, true)
			}
		}
		if over > 0 {
			x.expire(k, r, e.Seq)
		}
	case store.AudienceBot:
		if e.BotID == nil || x.bots[*e.BotID] == nil {
			return
		}
		for _, s := range x.bots[*e.BotID].subs {
			fn(s, nil, false)
		}
	case store.AudienceOrg, store.AudienceAdmins:
		for _, s := range x.humans {
			fn(s, nil, false)
		}
		for _, b := range x.bots {
			for _, s := range b.subs {
				fn(s, nil, false)
			}
		}
	case store.AudienceInternal:
	}
}

// expire forgets the members of a room who left before seq.
func (x *index) expire(k scope, r *room, seq int64) {
	r.members = slices.DeleteFunc(r.members, func(m member) bool {
		if slices.ContainsFunc(m.spans, func(s span) bool { return !s.endedBefore(seq) }) {
			return false
		}
		delete(m.bot.rooms, k)
		return true
	})
	x.tidy(k)
}
