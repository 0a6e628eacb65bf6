package eventlog

import (
	"slices"

	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
)

// index finds the live subscriptions that an event may concern, without reading the others.
// visible decides which of these candidates get it.
type index struct {
	scopes  map[scope]*scopeEntry
	bots    map[string]*botNode
	humans  []*Subscription
	all     []*Subscription // of viewers with Everything
	dropped []*Subscription // discarded during each, removed by sweep
}

// scopeEntry has the members and watchers of a channel or thread that have live subscriptions.
type scopeEntry struct {
	members  []member
	watchers []*Subscription
}

type member struct {
	bot   *botNode
	spans []span // that have not ended
}

// botNode is a bot with live subscriptions, which share its memberships.
type botNode struct {
	id     string
	subs   []*Subscription
	scopes map[scope]struct{}
}

func newIndex() index {
	return index{scopes: map[scope]*scopeEntry{}, bots: map[string]*botNode{}}
}

// add adds a subscription. memberships are those of its bot; they are not needed when the bot
// has another subscription here. Memberships that ended before seq are left out.
func (x *index) add(s *Subscription, memberships []store.Membership, seq int64) {
	if s.viewer.Everything {
		x.all = append(x.all, s)
		return
	}
	if s.viewer.human() {
		x.humans = append(x.humans, s)
		for k := range s.watched {
			r := x.entry(k)
			r.watchers = append(r.watchers, s)
		}
		return
	}
	bot := x.bots[s.viewer.BotID]
	if bot != nil {
		bot.subs = append(bot.subs, s)
		return
	}
	bot = &botNode{id: s.viewer.BotID, subs: []*Subscription{s}, scopes: map[scope]struct{}{}}
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
	r := x.entry(k)
	if i := r.indexOf(bot); i >= 0 {
		r.members[i].spans = append(r.members[i].spans, sp)
		return
	}
	bot.scopes[k] = struct{}{}
	r.members = append(r.members, member{bot, []span{sp}})
}

// indexOf returns the index of a bot in members, or -1. It searches from the end, where the
// latest members are.
func (r *scopeEntry) indexOf(bot *botNode) int {
	for i := len(r.members) - 1; i >= 0; i-- {
		if r.members[i].bot == bot {
			return i
		}
	}
	return -1
}

func (x *index) entry(k scope) *scopeEntry {
	r := x.scopes[k]
	if r == nil {
		r = &scopeEntry{}
		x.scopes[k] = r
	}
	return r
}

// removeIfEmpty removes the entry of a scope that has neither members nor watchers.
func (x *index) removeIfEmpty(k scope) {
	if r := x.scopes[k]; r != nil && len(r.members) == 0 && len(r.watchers) == 0 {
		delete(x.scopes, k)
	}
}

// rebuild replaces the members of a scope, as of the event with this seq.
func (x *index) rebuild(k scope, memberships []store.Membership, seq int64) {
	if r := x.scopes[k]; r != nil {
		for _, m := range r.members {
			delete(m.bot.scopes, k)
		}
		r.members = nil
	}
	at := map[*botNode]int{}
	for i := range memberships {
		m := &memberships[i]
		bot := x.bots[m.BotID]
		sp := spanOf(m)
		if bot == nil || sp.endedBefore(seq) {
			continue
		}
		r := x.entry(k)
		if at, ok := at[bot]; ok {
			r.members[at].spans = append(r.members[at].spans, sp)
			continue
		}
		at[bot] = len(r.members)
		bot.scopes[k] = struct{}{}
		r.members = append(r.members, member{bot, []span{sp}})
	}
	x.removeIfEmpty(k)
}

// remove removes a subscription.
func (x *index) remove(s *Subscription) {
	if !s.indexed {
		return
	}
	s.indexed = false
	if s.viewer.Everything {
		x.all = without(x.all, s)
		return
	}
	if s.viewer.human() {
		x.humans = without(x.humans, s)
		for k := range s.watched {
			if r := x.scopes[k]; r != nil {
				r.watchers = without(r.watchers, s)
				x.removeIfEmpty(k)
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
	for k := range bot.scopes {
		r := x.scopes[k]
		r.members = slices.DeleteFunc(r.members, func(m member) bool { return m.bot == bot })
		x.removeIfEmpty(k)
	}
}

func without(subs []*Subscription, s *Subscription) []*Subscription {
	if i := slices.Index(subs, s); i >= 0 {
		return slices.Delete(subs, i, i+1)
	}
	return subs
}

// discard marks a subscription for the next sweep, as each may be iterating over the index.
func (x *index) discard(s *Subscription) { x.dropped = append(x.dropped, s) }

// sweep removes the discarded subscriptions.
func (x *index) sweep() {
	for _, s := range x.dropped {
		x.remove(s)
	}
	clear(x.dropped)
	x.dropped = x.dropped[:0]
}

// each calls fn for every subscription that an event may concern, with the spans of its bot in
// the event's scope, or with watched set for a human who watches the scope.
func (x *index) each(e *store.Event, fn func(s *Subscription, spans []span, watched bool)) {
	if e.Audience != store.AudienceInternal {
		for _, s := range x.all {
			fn(s, nil, false)
		}
	}
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
		r := x.scopes[k]
		if r == nil {
			return
		}
		ended := 0
		for _, m := range r.members {
			if !slices.ContainsFunc(m.spans, func(s span) bool { return !s.endedBefore(e.Seq) }) {
				ended++
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
		if ended > 0 {
			x.expire(k, r, e.Seq)
		}
	case store.AudienceBot:
		if e.Type == eventtype.DeliveryOverdue {
			for _, s := range x.humans {
				fn(s, nil, false)
			}
		}
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

// expire removes the members of a scope who left before seq.
func (x *index) expire(k scope, r *scopeEntry, seq int64) {
	r.members = slices.DeleteFunc(r.members, func(m member) bool {
		if slices.ContainsFunc(m.spans, func(s span) bool { return !s.endedBefore(seq) }) {
			return false
		}
		delete(m.bot.scopes, k)
		return true
	})
	x.removeIfEmpty(k)
}
