package eventlog

import (
	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/store"
)

// Viewer is on whose behalf the log is read.
type Viewer struct {
	OrgID string
	BotID string // empty: a human who is org admin
	Admin bool   // the bot is an admin bot; Subscribe reads it from the store
	// Webhook says that the server itself reads for the bot, once: that counts against no
	// bound of streams.
	Webhook bool
}

func (v Viewer) human() bool { return v.BotID == "" }

// reader is who answers for the subscriptions of the viewer: its bot, or the org of
// a human.
func (v Viewer) reader() string {
	if v.human() {
		return v.OrgID
	}
	return v.BotID
}

// Types of events that the log's readers know.
const (
	typeBotOnline         = "bot_online"
	typeBotOffline        = "bot_offline"
	typeChannelCreated    = "channel_created"
	typeMessage           = "message"
	typeThreadCreated     = "thread_created"
	typeThreadParticipant = "thread_participant"
	typeThreadMessage     = "thread_message"
	typeThreadArtifact    = "thread_artifact"
	typeThreadStatus      = "thread_status_changed"
	typeAccessChanged     = "access_changed"
	typeCarried           = "catchup_carried" // its payload is no Event, see Carried
)

// scope is a channel or a thread.
type scope struct {
	kind store.MembershipKind
	id   string
}

// scopeOf is where an event of a channel or thread happened.
func scopeOf(e *store.Event) (scope, bool) {
	switch {
	case e.Audience == store.AudienceChannel && e.ChannelID != nil:
		return scope{store.MemberOfChannel, *e.ChannelID}, true
	case e.Audience == store.AudienceThread && e.ThreadID != nil:
		return scope{store.MemberOfThread, *e.ThreadID}, true
	}
	return scope{}, false
}

// span is an interval of seqs, both ends included; to is 0 while it is open.
type span struct{ from, to int64 }

func (s span) contains(seq int64) bool { return s.from <= seq && (s.to == 0 || seq <= s.to) }

// endedBefore tells that nothing at seq or above it is in the span.
func (s span) endedBefore(seq int64) bool { return s.to != 0 && s.to < seq }

// visible decides who may see what: the one rule of live push, replay and catch-up
// (B2B-EVT). spans are the viewer's intervals in the channel or thread of the event;
// watched tells whether a human subscribed to it.
//
//	audience          bot                       human org admin
//	internal          never                     never
//	presence          never again: the tail     the same
//	                  tells it once, as org
//	org               always, but not its own   always
//	                  coming and going
//	channel, thread   in one of its intervals   when watched; thread_created and
//	                                            channel_created always
//	bot               when it is the bot        never
//	admins            when it is an admin       always
func visible(e *store.Event, v Viewer, spans []span, watched bool) bool {
	if e.OrgID != v.OrgID {
		return false
	}
	switch e.Audience {
	case store.AudienceOrg:
		return v.human() || presenceOf(e) != v.BotID
	case store.AudienceChannel, store.AudienceThread:
		if _, ok := scopeOf(e); !ok {
			return false
		}
		if v.human() {
			return watched || told(e)
		}
		for _, s := range spans {
			if s.contains(e.Seq) {
				return true
			}
		}
	case store.AudienceBot:
		return !v.human() && e.BotID != nil && *e.BotID == v.BotID
	case store.AudienceAdmins:
		return v.human() || v.Admin
	case store.AudienceInternal, store.AudiencePresence:
	}
	return false
}

// told reports the events of a channel or thread that every human org admin sees.
func told(e *store.Event) bool { return e.Type == typeThreadCreated || e.Type == typeChannelCreated }

// presenceOf is the bot that an event tells the coming or going of, else empty.
func presenceOf(e *store.Event) string {
	if e.Type != typeBotOnline && e.Type != typeBotOffline {
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

// spansOf sorts memberships by scope.
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
