package eventlog

import (
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	optionsv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/options/v1"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Viewer is a reader of the log: a bot, or the human admins of an org.
type Viewer struct {
	OrgID  string
	BotID  string      // empty: a human org admin
	Admin  bool        // the bot is an admin bot; Subscribe reads it from the store
	Scopes call.Scopes // of the bot's credential
	// AuthVersion is that of the caller that the other fields come from. Subscribe compares it with
	// the log. Without one, Subscribe reads from the store whether a bot has access.
	AuthVersion call.AuthVersion
	// Webhook is set for the server's own subscription, for a bot's webhook or with Everything, which
	// does not count against the limits of streams.
	Webhook bool
	// Everything is set for the server's own reader of all events but internal and presence ones.
	// It has no BotID.
	Everything bool
}

func (v Viewer) human() bool { return v.BotID == "" }

// reader returns the key that limits count subscriptions by: the bot, or for a human the org.
func (v Viewer) reader() string {
	if v.human() {
		return v.OrgID
	}
	return v.BotID
}

// scope is a channel or a thread.
type scope struct {
	kind store.MembershipKind
	id   string
}

// scopeOf returns the channel or thread of an event.
func scopeOf(e *store.Event) (scope, bool) {
	switch {
	case e.Audience == store.AudienceChannel && e.ChannelID != nil:
		return scope{store.MemberOfChannel, *e.ChannelID}, true
	case e.Audience == store.AudienceThread && e.ThreadID != nil:
		return scope{store.MemberOfThread, *e.ThreadID}, true
	}
	return scope{}, false
}

// span is an interval of seqs, both ends included. to is 0 while the span is open.
type span struct{ from, to int64 }

func (s span) contains(seq int64) bool { return s.from <= seq && (s.to == 0 || seq <= s.to) }

// endedBefore reports whether the span has neither seq nor any above it.
func (s span) endedBefore(seq int64) bool { return s.to != 0 && s.to < seq }

// visible reports whether a viewer may see an event. Live push, replay and catch-up share this
// rule (B2B-EVT). spans are the viewer's intervals in the channel or thread of the event;
// watched reports whether a human subscribed to it.
//
//	audience          bot                       human org admin
//	internal          never                     never
//	presence          never: the tail pushes    never: likewise
//	                  it once, as org
//	org               always, except its own    always
//	                  presence
//	channel, thread   in one of its intervals   when watched; thread_created,
//	                                            channel_created and events of
//	                                            decisions always
//	bot               when it is the bot        delivery_overdue only
//	admins            when it is an admin       always
//
// Everything sees all but internal and presence events.
// In addition the scopes of a bot's credential must include the type (B2B-EVT-040).
func visible(e *store.Event, v Viewer, spans []span, watched bool) bool {
	if e.OrgID != v.OrgID || !v.human() && !InScope(e.Type, v.Scopes) {
		return false
	}
	if v.Everything {
		return e.Audience != store.AudienceInternal && e.Audience != store.AudiencePresence
	}
	switch e.Audience {
	case store.AudienceOrg:
		return v.human() || presenceOf(e) != v.BotID
	case store.AudienceChannel, store.AudienceThread:
		if _, ok := scopeOf(e); !ok {
			return false
		}
		if v.human() {
			return watched || shownToAdmins(e)
		}
		for _, s := range spans {
			if s.contains(e.Seq) {
				return true
			}
		}
	case store.AudienceBot:
		if v.human() {
			return e.Type == eventtype.DeliveryOverdue
		}
		return e.BotID != nil && *e.BotID == v.BotID
	case store.AudienceAdmins:
		return v.human() || v.Admin
	case store.AudienceInternal, store.AudiencePresence:
	}
	return false
}

// InScope reports whether a credential with these scopes receives events of a type (B2B-EVT-040).
func InScope(kind string, have call.Scopes) bool {
	return have&call.ScopeFull != 0 || have&scopesOf()[kind] != 0
}

// scopesOf returns, by event type, the scopes of which a credential needs one, from the schema.
// Types that it does not have need the scope full.
var scopesOf = sync.OnceValue(func() map[string]call.Scopes {
	choices := (&b2bv1.Event{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	needed := make(map[string]call.Scopes, choices.Len()+1)
	needed[eventtype.ImportedRow] = call.Satisfying(optionsv1.Scope_SCOPE_READ) // the scope of catch-up
	for i := range choices.Len() {
		choice := choices.Get(i)
		option, _ := proto.GetExtension(choice.Options(), optionsv1.E_Told).(*optionsv1.Told)
		needed[string(choice.Name())] = call.Satisfying(option.GetScopes()...)
	}
	return needed
})

// shownToAdmins reports whether every human org admin sees an event of a channel or thread, also
// one who does not watch it.
func shownToAdmins(e *store.Event) bool {
	switch e.Type {
	case eventtype.ThreadCreated, eventtype.ChannelCreated, eventtype.DecisionAsked, eventtype.DecisionClosed:
		return true
	}
	return false
}

// presenceOf returns the bot of a presence event, and for other events "".
func presenceOf(e *store.Event) string {
	if e.Type != eventtype.BotOnline && e.Type != eventtype.BotOffline {
		return ""
	}
	if e.BotID != nil {
		return *e.BotID
	}
	var event b2bv1.Event
	if proto.Unmarshal(e.Payload, &event) != nil {
		return "" // newItem refuses it
	}
	if event.GetBotOnline() != nil {
		return event.GetBotOnline().GetBot().GetId()
	}
	return event.GetBotOffline().GetBot().GetId()
}

// spansOf groups memberships by scope.
func spansOf(memberships []store.Membership) map[scope][]span {
	m := make(map[scope][]span, len(memberships))
	for i := range memberships {
		k := scope{memberships[i].Kind, memberships[i].ScopeID}
		m[k] = append(m[k], spanOf(&memberships[i]))
	}
	return m
}

func spanOf(m *store.Membership) span {
	s := span{from: m.JoinedSeq}
	if m.LeftSeq != nil {
		s.to = *m.LeftSeq
	}
	return s
}
