package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a store with one org. Its methods append the events that the services append.
type fixture struct {
	testing.TB
	store *sqlstore.Store
	org   string
	clock atomic.Int64
	names atomic.Int64
	named bool         // all events name the bot that they are about
	late  func() int64 // by how much the clock of the next event is behind; nil: not
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureOn(t, filepath.Join(t.TempDir(), "b2b.db"))
}

func newFixtureOn(t testing.TB, url string) *fixture {
	t.Helper()
	fx := &fixture{TB: t, store: sqltest.Open(t, url), org: "org"}
	fx.clock.Store(1_000_000)
	fx.update("", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: fx.org, Name: "o", Status: store.OrgActive})
	})
	return fx
}

// backends runs a test on SQLite and on PostgreSQL.
func backends(t *testing.T, run func(*testing.T, *fixture)) {
	t.Run("sqlite", func(t *testing.T) { run(t, newFixture(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, newFixtureOn(t, pgtest.URL(t))) })
}

// another returns a fixture with another org of the same store.
func (fx *fixture) another(org string) *fixture {
	out := &fixture{TB: fx.TB, store: fx.store, org: org}
	out.clock.Store(1_000_000)
	out.names.Store(fx.names.Add(1000))
	out.update("", func(tx store.Tx) error {
		return tx.CreateOrg(context.Background(), &store.Org{ID: org, Name: "o", Status: store.OrgActive})
	})
	return out
}

func (fx *fixture) hub(c eventlog.Config) *eventlog.Hub {
	if c.Store == nil {
		c.Store = fx.store
	}
	h := eventlog.New(c)
	fx.Cleanup(h.Close)
	return h
}

func (fx *fixture) update(org string, fn func(store.Tx) error) {
	fx.Helper()
	if err := fx.store.Update(context.Background(), org, fn); err != nil {
		fx.Errorf("update: %v", err)
	}
}

func (fx *fixture) bots(n int) []string {
	ids := make([]string, n)
	fx.update(fx.org, func(tx store.Tx) error {
		for i := range ids {
			name := fmt.Sprintf("b%d", fx.names.Add(1))
			ids[i] = name
			err := tx.CreateBot(context.Background(), &store.Bot{
				ID: name, OrgID: fx.org, Name: name, TokenHash: name, AuthRole: store.AuthMember, JoinStatus: store.BotActive,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

// appendEvent appends an event as internal/service does.
func (fx *fixture) appendEvent(tx store.Tx, to store.Event, e *b2bv1.Event) error {
	payload, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	if p := e.GetThreadParticipant(); p != nil && (fx.named || fx.clock.Load()%2 == 0) { // older events do not name it
		to.BotID = &p.BotId
	}
	m := e.ProtoReflect()
	to.Type = string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name())
	to.At, to.Payload = fx.clock.Add(1), payload
	if fx.late != nil {
		to.At -= fx.late()
	}
	_, err = tx.Append(context.Background(), to)
	return err
}

func (fx *fixture) emit(to store.Event, e *b2bv1.Event) {
	fx.Helper()
	fx.update(fx.org, func(tx store.Tx) error { return fx.appendEvent(tx, to, e) })
}

func toThread(id string) store.Event {
	return store.Event{Audience: store.AudienceThread, ThreadID: &id}
}

func toChannel(id string) store.Event {
	return store.Event{Audience: store.AudienceChannel, ChannelID: &id}
}

func threadCreated(id string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadCreated{ThreadCreated: &b2bv1.ThreadCreatedEvent{Thread: &b2bv1.Thread{Id: id, Topic: "topic " + id}}}}
}

func participant(thread, bot, by string, action b2bv1.ParticipantAction) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: &b2bv1.ThreadParticipantEvent{
		ThreadId: thread, BotId: bot, BotName: bot, Action: action, By: by,
	}}}
}

const (
	joined = b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED
	left   = b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT
)

func (fx *fixture) thread(bots ...string) string {
	fx.Helper()
	id := fmt.Sprintf("t%d", fx.names.Add(1))
	fx.update(fx.org, func(tx store.Tx) error {
		in := make([]store.Participant, len(bots))
		for i, b := range bots {
			in[i] = store.Participant{ThreadID: id, BotID: b}
		}
		t := &store.Thread{ID: id, OrgID: fx.org, Topic: "topic " + id, Status: "active", InitiatorID: &bots[0], Visibility: "public", JoinPolicy: "open", Revision: 1}
		if err := tx.CreateThread(context.Background(), t, in); err != nil {
			return err
		}
		if err := fx.appendEvent(tx, toThread(id), threadCreated(id)); err != nil {
			return err
		}
		for _, b := range bots {
			if err := fx.appendEvent(tx, toThread(id), participant(id, b, bots[0], joined)); err != nil {
				return err
			}
		}
		return nil
	})
	return id
}

func (fx *fixture) channel(a, b string) string {
	fx.Helper()
	id := fmt.Sprintf("c%d", fx.names.Add(1))
	fx.update(fx.org, func(tx store.Tx) error {
		err := tx.CreateChannel(context.Background(), &store.Channel{ID: id, OrgID: fx.org, Type: store.ChannelDirect}, a, b)
		if err != nil {
			return err
		}
		return fx.appendEvent(tx, toChannel(id), &b2bv1.Event{Event: &b2bv1.Event_ChannelCreated{
			ChannelCreated: &b2bv1.ChannelCreatedEvent{Channel: &b2bv1.Channel{Id: id}, Members: []string{a, b}},
		}})
	})
	return id
}

var errNoChange = errors.New("no change")

// join adds a bot to a thread, unless it is a participant.
func (fx *fixture) join(thread, bot, by string) {
	fx.change(func(tx store.Tx) error {
		if _, err := tx.Participant(context.Background(), thread, bot); err == nil {
			return errNoChange
		}
		if err := tx.AddParticipant(context.Background(), &store.Participant{ThreadID: thread, BotID: bot}); err != nil {
			return err
		}
		return fx.appendEvent(tx, toThread(thread), participant(thread, bot, by, joined))
	})
}

func (fx *fixture) leave(thread, bot, by string) {
	fx.change(func(tx store.Tx) error {
		if _, err := tx.Participant(context.Background(), thread, bot); err != nil {
			return errNoChange
		}
		if err := fx.appendEvent(tx, toThread(thread), participant(thread, bot, by, left)); err != nil {
			return err
		}
		return tx.RemoveParticipant(context.Background(), thread, bot)
	})
}

func (fx *fixture) change(fn func(store.Tx) error) {
	fx.Helper()
	if err := fx.store.Update(context.Background(), fx.org, fn); err != nil && !errors.Is(err, errNoChange) {
		fx.Errorf("update: %v", err)
	}
}

func (fx *fixture) post(thread, by, text string) {
	fx.Helper()
	to := toThread(thread)
	to.ActorID = &by
	fx.emit(to, message(thread, by, text))
}

func message(thread, by, text string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{
		ThreadId: thread, Message: &b2bv1.ThreadMessage{Id: text, ThreadId: thread, SenderId: &by, Content: text, ContentType: "text"},
	}}}
}

func (fx *fixture) postInChannel(channel, by, text string) {
	fx.Helper()
	to := toChannel(channel)
	to.ActorID = &by
	fx.emit(to, &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{
		ChannelId: channel, Message: &b2bv1.ChannelMessage{Id: text, ChannelId: channel, SenderId: by, Content: text}, SenderName: by,
	}}})
}

func renamed(bot string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_BotRenamed{BotRenamed: &b2bv1.BotRenamedEvent{BotId: bot, OldName: "x", NewName: "y"}}}
}

// news appends an event for the whole org.
func (fx *fixture) news() { fx.emit(store.Event{Audience: store.AudienceOrg}, renamed("somebody")) }

// manyNews appends n events in one change.
func (fx *fixture) manyNews(n int) {
	fx.Helper()
	fx.update(fx.org, func(tx store.Tx) error {
		for range n {
			if err := fx.appendEvent(tx, store.Event{Audience: store.AudienceOrg}, renamed("somebody")); err != nil {
				return err
			}
		}
		return nil
	})
}

func (fx *fixture) top() int64 {
	top, err := fx.store.LogTop(context.Background(), fx.org)
	if err != nil {
		fx.Fatal(err)
	}
	return top.Seq
}

func (fx *fixture) bot(id string) eventlog.Viewer {
	return eventlog.Viewer{OrgID: fx.org, BotID: id, Scopes: call.ScopeFull}
}

func (fx *fixture) human() eventlog.Viewer { return eventlog.Viewer{OrgID: fx.org} }

// start returns the position at the beginning of the log.
func (fx *fixture) start() *eventlog.Position {
	top, err := fx.store.LogTop(context.Background(), fx.org)
	if err != nil {
		fx.Fatal(err)
	}
	return &eventlog.Position{Epoch: top.Epoch}
}

func (fx *fixture) subscribe(h *eventlog.Hub, v eventlog.Viewer, from *eventlog.Position, f ...eventlog.Filter) *eventlog.Subscription {
	fx.Helper()
	filter := eventlog.Filter{}
	if len(f) > 0 {
		filter = f[0]
	}
	s, err := h.Subscribe(context.Background(), v, from, filter)
	if err != nil {
		fx.Fatalf("subscribe: %v", err)
	}
	fx.Cleanup(s.Close)
	return s
}

// next returns the next item, and fails the test when none comes within ten seconds.
func (fx *fixture) next(s *eventlog.Subscription) *eventlog.Item {
	fx.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // ends a hang, on a slow machine too
	defer cancel()
	it, err := s.Next(ctx)
	if err != nil {
		fx.Fatalf("next: %v", err)
	}
	return it
}

// seqs appends an event for the whole org, and returns the seqs of the events before it.
func (fx *fixture) seqs(s *eventlog.Subscription) []int64 {
	fx.Helper()
	fx.news()
	end := fx.top()
	var out []int64
	for {
		it := fx.next(s)
		if it.Position.Seq == end {
			return out
		}
		if it.Position.Seq > end {
			fx.Fatalf("event %d was not delivered, got %d", end, it.Position.Seq)
		}
		out = append(out, it.Position.Seq)
	}
}
