package eventlog

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// TestVisible checks every audience with every kind of viewer and place of an event.
func TestVisible(t *testing.T) {
	t.Parallel()
	const org, me, other = "o", "me", "other"
	id := "x"
	viewers := map[string]Viewer{
		"bot": {OrgID: org, BotID: me, Scopes: call.ScopeFull}, "admin bot": {OrgID: org, BotID: me, Admin: true, Scopes: call.ScopeRead},
		"human": {OrgID: org},
	}
	spans := map[string][]span{"never": nil, "left": {{2, 4}}, "in": {{2, 0}}, "later": {{7, 0}}, "between": {{2, 3}, {7, 0}}, "again": {{2, 3}, {5, 6}}}
	in := map[string]bool{"in": true, "again": true} // at seq 5
	ptr := func(s string) *string { return &s }
	for who, v := range viewers {
		human, admin := who == "human", who != "bot"
		for where, s := range spans {
			for _, watched := range []bool{false, true} {
				for _, kind := range []string{"thread_message", eventtype.ThreadCreated, eventtype.ChannelCreated} {
					check := func(e store.Event, want bool) {
						t.Helper()
						e.OrgID, e.Seq, e.Type = org, 5, kind
						if got := visible(&e, v, s, watched); got != want {
							t.Errorf("%s, %s, watched %v, audience %d, %s: got %v", who, where, watched, e.Audience, kind, got)
						}
						e.OrgID = "another"
						if visible(&e, v, s, watched) {
							t.Errorf("%s sees an event of another org", who)
						}
					}
					seen := in[where]
					if human {
						seen = watched || kind != "thread_message"
					}
					check(store.Event{Audience: store.AudienceInternal, ThreadID: &id, ChannelID: &id, BotID: ptr(me)}, false)
					check(store.Event{Audience: store.AudienceOrg}, true)
					check(store.Event{Audience: store.AudienceChannel, ChannelID: &id}, seen)
					check(store.Event{Audience: store.AudienceThread, ThreadID: &id}, seen)
					check(store.Event{Audience: store.AudienceChannel, ThreadID: &id}, false)
					check(store.Event{Audience: store.AudienceThread, ChannelID: &id}, false)
					check(store.Event{Audience: store.AudienceBot, BotID: ptr(me)}, !human)
					check(store.Event{Audience: store.AudienceBot, BotID: ptr(other)}, false)
					check(store.Event{Audience: store.AudienceBot, BotID: ptr("")}, false)
					check(store.Event{Audience: store.AudienceBot}, false)
					for of, want := range map[string]bool{me: true, other: human} {
						overdue := store.Event{OrgID: org, Seq: 5, Type: eventtype.DeliveryOverdue, Audience: store.AudienceBot, BotID: &of}
						if got := visible(&overdue, v, s, watched); got != want {
							t.Errorf("%s, an overdue message of %s: got %v", who, of, got)
						}
					}
					check(store.Event{Audience: store.AudienceAdmins}, admin)
					check(store.Event{Audience: 99}, false)
				}
			}
		}
		for bot, want := range map[string]bool{me: human, other: true} {
			brief := &b2bv1.BotBrief{Id: bot}
			for kind, e := range map[string]*b2bv1.Event{
				eventtype.BotOnline:  {Event: &b2bv1.Event_BotOnline{BotOnline: &b2bv1.BotOnlineEvent{Bot: brief}}},
				eventtype.BotOffline: {Event: &b2bv1.Event_BotOffline{BotOffline: &b2bv1.BotOfflineEvent{Bot: brief}}},
			} {
				payload, err := proto.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				for _, named := range []*string{nil, &bot} {
					row := store.Event{OrgID: org, Type: kind, Audience: store.AudienceOrg, Payload: payload, BotID: named}
					if got := visible(&row, v, nil, false); got != want {
						t.Errorf("%s, %s of %s: got %v", who, kind, bot, got)
					}
				}
			}
		}
	}
}

// TestScopesOfTypes: which events a credential without the scope read receives. Imported rows are
// no type of the schema.
func TestScopesOfTypes(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]call.Scopes{
		eventtype.Message: call.ScopeRead, eventtype.ThreadMessage: call.ScopeRead, eventtype.BotOnline: call.ScopeRead, eventtype.ImportedRow: call.ScopeRead,
		"thread_join_request": call.ScopeRead | call.ScopeThread, "bot_join_request": call.ScopeRead | call.ScopeAdmin,
		eventtype.AccessChanged: 0, "of_a_newer_server": 0,
	} {
		for _, s := range []call.Scopes{call.ScopeRead, call.ScopeThread, call.ScopeMessage, call.ScopeProfile, call.ScopeAdmin, 0} {
			if got := InScope(kind, s); got != (s&want != 0) {
				t.Errorf("%s with the scopes %b: %v", kind, s, got)
			}
		}
		if !InScope(kind, call.ScopeFull) {
			t.Errorf("%s is not visible to full", kind)
		}
	}
}

// TestVisibleAgainstSets compares intervals with sets of members that each event updates.
func TestVisibleAgainstSets(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		const bots = 4
		var member [bots]bool
		var spans [bots][]span
		id := "t"
		for seq := int64(1); seq <= 40; seq++ {
			b := rng.IntN(bots)
			leaves := false
			switch { // a join takes effect before its event, a leave after it
			case rng.IntN(3) > 0:
			case member[b]:
				leaves = true
			default:
				member[b] = true
				spans[b] = append(spans[b], span{from: seq})
			}
			e := store.Event{OrgID: "o", Seq: seq, Audience: store.AudienceThread, ThreadID: &id}
			for v := range bots {
				got := visible(&e, Viewer{OrgID: "o", BotID: fmt.Sprint(v), Scopes: call.ScopeFull}, spans[v], false)
				if got != member[v] {
					t.Fatalf("round %d, seq %d, bot %d: got %v, spans %v", round, seq, v, got, spans[v])
				}
			}
			if leaves {
				member[b] = false
				spans[b][len(spans[b])-1].to = seq
			}
		}
	}
}
