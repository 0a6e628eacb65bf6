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

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/server/store/storetest/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store with one org, and writers that append what the services append.
type world struct {
	testing.TB
	store store.Store
	org   string
	clock atomic.Int64
	names atomic.Int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOver(t, filepath.Join(t.TempDir(), "b2b.db"))
}

func worldOver(t testing.TB, url string) *world {
	t.Helper()
	w := &world{TB: t, store: sqltest.Open(t, url), org: "org"}
	w.clock.Store(1_000_000)
	w.update("", func(tx store.Tx) error {
		return tx.CreateOrg(t.Context(), &store.Org{ID: w.org, Name: "o", Status: store.OrgActive})
	})
	return w
}

// backends runs a test on every kind of store.
func backends(t *testing.T, run func(*testing.T, *world)) {
	t.Run("sqlite", func(t *testing.T) { run(t, newWorld(t)) })
	t.Run("postgres", func(t *testing.T) { run(t, worldOver(t, pgtest.URL(t))) })
}

func (w *world) hub(c eventlog.Config) *eventlog.Hub {
	if c.Store == nil {
		c.Store = w.store
	}
	h := eventlog.New(c)
	w.Cleanup(h.Close)
	return h
}

func (w *world) update(org string, fn func(store.Tx) error) {
	w.Helper()
	if err := w.store.Update(context.Background(), org, fn); err != nil {
		w.Errorf("update: %v", err)
	}
}

func (w *world) bots(n int) []string {
	ids := make([]string, n)
	w.update(w.org, func(tx store.Tx) error {
		for i := range ids {
			name := fmt.Sprintf("b%d", w.names.Add(1))
			ids[i] = name
			err := tx.CreateBot(context.Background(), &store.Bot{
				ID: name, OrgID: w.org, Name: name, TokenHash: name, AuthRole: store.AuthMember, JoinStatus: store.BotActive,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

// appendEvent appends an event as server/service does.
func (w *world) appendEvent(tx store.Tx, to store.Event, e *b2bv1.Event) error {
	payload, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	m := e.ProtoReflect()
	to.Type = string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name())
	to.At, to.Payload = w.clock.Add(1), payload
	_, err = tx.Append(context.Background(), to)
	return err
}

func (w *world) emit(to store.Event, e *b2bv1.Event) {
	w.Helper()
	w.update(w.org, func(tx store.Tx) error { return w.appendEvent(tx, to, e) })
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

func (w *world) thread(bots ...string) string {
	w.Helper()
	id := fmt.Sprintf("t%d", w.names.Add(1))
	w.update(w.org, func(tx store.Tx) error {
		in := make([]store.Participant, len(bots))
		for i, b := range bots {
			in[i] = store.Participant{ThreadID: id, BotID: b}
		}
		t := &store.Thread{ID: id, OrgID: w.org, Topic: "topic " + id, Status: "active", InitiatorID: &bots[0], Visibility: "public", JoinPolicy: "open", Revision: 1}
		if err := tx.CreateThread(context.Background(), t, in); err != nil {
			return err
		}
		if err := w.appendEvent(tx, toThread(id), threadCreated(id)); err != nil {
			return err
		}
		for _, b := range bots {
			if err := w.appendEvent(tx, toThread(id), participant(id, b, bots[0], joined)); err != nil {
				return err
			}
		}
		return nil
	})
	return id
}

func (w *world) channel(a, b string) string {
	w.Helper()
	id := fmt.Sprintf("c%d", w.names.Add(1))
	w.update(w.org, func(tx store.Tx) error {
		err := tx.CreateChannel(context.Background(), &store.Channel{ID: id, OrgID: w.org, Type: store.ChannelDirect}, a, b)
		if err != nil {
			return err
		}
		return w.appendEvent(tx, toChannel(id), &b2bv1.Event{Event: &b2bv1.Event_ChannelCreated{
			ChannelCreated: &b2bv1.ChannelCreatedEvent{Channel: &b2bv1.Channel{Id: id}, Members: []string{a, b}},
		}})
	})
	return id
}

var errNot = errors.New("not so")

// join lets a bot into a thread; nothing happens when it is there.
func (w *world) join(thread, bot, by string) {
	w.change(func(tx store.Tx) error {
		if _, err := tx.Participant(context.Background(), thread, bot); err == nil {
			return errNot
		}
		if err := tx.AddParticipant(context.Background(), &store.Participant{ThreadID: thread, BotID: bot}); err != nil {
			return err
		}
		return w.appendEvent(tx, toThread(thread), participant(thread, bot, by, joined))
	})
}

func (w *world) leave(thread, bot, by string) {
	w.change(func(tx store.Tx) error {
		if _, err := tx.Participant(context.Background(), thread, bot); err != nil {
			return errNot
		}
		if err := w.appendEvent(tx, toThread(thread), participant(thread, bot, by, left)); err != nil {
			return err
		}
		return tx.RemoveParticipant(context.Background(), thread, bot)
	})
}

func (w *world) change(fn func(store.Tx) error) {
	w.Helper()
	if err := w.store.Update(context.Background(), w.org, fn); err != nil && !errors.Is(err, errNot) {
		w.Errorf("update: %v", err)
	}
}

func (w *world) post(thread, by, text string) {
	w.Helper()
	to := toThread(thread)
	to.ActorID = &by
	w.emit(to, message(thread, by, text))
}

func message(thread, by, text string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{
		ThreadId: thread, Message: &b2bv1.ThreadMessage{Id: text, ThreadId: thread, SenderId: &by, Content: text, ContentType: "text"},
	}}}
}

func (w *world) tell(channel, by, text string) {
	w.Helper()
	to := toChannel(channel)
	to.ActorID = &by
	w.emit(to, &b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{
		ChannelId: channel, Message: &b2bv1.ChannelMessage{Id: text, ChannelId: channel, SenderId: by, Content: text}, SenderName: by,
	}}})
}

func renamed(bot string) *b2bv1.Event {
	return &b2bv1.Event{Event: &b2bv1.Event_BotRenamed{BotRenamed: &b2bv1.BotRenamedEvent{BotId: bot, OldName: "x", NewName: "y"}}}
}

func (w *world) news() { w.emit(store.Event{Audience: store.AudienceOrg}, renamed("somebody")) }

// manyNews appends n events in one change.
func (w *world) manyNews(n int) {
	w.Helper()
	w.update(w.org, func(tx store.Tx) error {
		for range n {
			if err := w.appendEvent(tx, store.Event{Audience: store.AudienceOrg}, renamed("somebody")); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) top() int64 {
	top, err := w.store.LogTop(context.Background(), w.org)
	if err != nil {
		w.Fatal(err)
	}
	return top.Seq
}

func (w *world) bot(id string) eventlog.Viewer {
	return eventlog.Viewer{OrgID: w.org, BotID: id, Scopes: call.ScopeFull}
}

func (w *world) human() eventlog.Viewer { return eventlog.Viewer{OrgID: w.org} }

// start is the beginning of the log.
func (w *world) start() *eventlog.Position {
	top, err := w.store.LogTop(context.Background(), w.org)
	if err != nil {
		w.Fatal(err)
	}
	return &eventlog.Position{Epoch: top.Epoch}
}

func (w *world) subscribe(h *eventlog.Hub, v eventlog.Viewer, from *eventlog.Position, f ...eventlog.Filter) *eventlog.Subscription {
	w.Helper()
	filter := eventlog.Filter{}
	if len(f) > 0 {
		filter = f[0]
	}
	s, err := h.Subscribe(context.Background(), v, from, filter)
	if err != nil {
		w.Fatalf("subscribe: %v", err)
	}
	w.Cleanup(s.Close)
	return s
}

// next is the next item, which must come within a few seconds.
func (w *world) next(s *eventlog.Subscription) *eventlog.Item {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	it, err := s.Next(ctx)
	if err != nil {
		w.Fatalf("next: %v", err)
	}
	return it
}

// seqs appends news for all, and reads the seqs of what comes before.
func (w *world) seqs(s *eventlog.Subscription) []int64 {
	w.Helper()
	w.news()
	end := w.top()
	var out []int64
	for {
		it := w.next(s)
		if it.Position.Seq == end {
			return out
		}
		if it.Position.Seq > end {
			w.Fatalf("the end %d was left out, got %d", end, it.Position.Seq)
		}
		out = append(out, it.Position.Seq)
	}
}
