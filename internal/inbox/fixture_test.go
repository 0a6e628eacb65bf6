package inbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/inbox"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/pgtest"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is an org of a store, with events as the services append them.
type fixture struct {
	testing.TB
	store *sqlstore.Store
	org   string
	clock int64
}

// backends runs a test on SQLite and on PostgreSQL.
func backends(t *testing.T, run func(*testing.T, *sqlstore.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, sqltest.Open(t, filepath.Join(t.TempDir(), "b2b.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, sqltest.Open(t, pgtest.URL(t)))
	})
}

func newFixture(t testing.TB, s *sqlstore.Store, org string) *fixture {
	f := &fixture{TB: t, store: s, org: org, clock: 1_000_000}
	f.updateIn("", func(tx store.Tx) error {
		return tx.CreateOrg(context.Background(), &store.Org{ID: org, Name: org, Status: store.OrgActive})
	})
	return f
}

func (f *fixture) updateIn(org string, fn func(store.Tx) error) {
	f.Helper()
	if err := f.store.Update(context.Background(), org, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) update(fn func(store.Tx) error) {
	f.Helper()
	f.updateIn(f.org, fn)
}

func (f *fixture) bot(name string) string {
	id := f.org + "-" + name
	f.update(func(tx store.Tx) error {
		return tx.CreateBot(context.Background(), &store.Bot{
			ID: id, OrgID: f.org, Name: name, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive,
		})
	})
	return id
}

func (f *fixture) append(tx store.Tx, to store.Event, e *b2bv1.Event) (int64, error) {
	payload, err := proto.Marshal(e)
	if err != nil {
		return 0, err
	}
	m := e.ProtoReflect()
	to.Type, to.At, to.Payload = string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name()), f.clock, payload
	return tx.Append(context.Background(), to)
}

func toThread(id, actor string) store.Event {
	return store.Event{Audience: store.AudienceThread, ThreadID: &id, ActorID: &actor}
}

// thread creates a thread. Its first bot adds the others.
func (f *fixture) thread(name string, bots ...string) string {
	id := f.org + "-" + name
	f.update(func(tx store.Tx) error {
		members := make([]store.Participant, len(bots))
		for i, b := range bots {
			members[i] = store.Participant{ThreadID: id, BotID: b, JoinedAt: f.clock}
		}
		row := &store.Thread{ID: id, OrgID: f.org, Topic: name, Status: "active", InitiatorID: &bots[0], Visibility: "public", JoinPolicy: "open", Revision: 1}
		if err := tx.CreateThread(context.Background(), row, members); err != nil {
			return err
		}
		_, err := f.append(tx, toThread(id, bots[0]), &b2bv1.Event{Event: &b2bv1.Event_ThreadCreated{ThreadCreated: &b2bv1.ThreadCreatedEvent{Thread: &b2bv1.Thread{Id: id}}}})
		return err
	})
	return id
}

// channel creates the channel of two bots.
func (f *fixture) channel(a, b string) string {
	id := fmt.Sprint(a, "+", b)
	f.update(func(tx store.Tx) error {
		if err := tx.CreateChannel(context.Background(), &store.Channel{ID: id, OrgID: f.org, Type: store.ChannelDirect}, a, b); err != nil {
			return err
		}
		_, err := f.append(tx, store.Event{Audience: store.AudienceChannel, ChannelID: &id, ActorID: &a},
			&b2bv1.Event{Event: &b2bv1.Event_ChannelCreated{ChannelCreated: &b2bv1.ChannelCreatedEvent{Members: []string{a, b}}}})
		return err
	})
	return id
}

func direct(channel, by string) (store.Event, *b2bv1.Event) {
	return store.Event{Audience: store.AudienceChannel, ChannelID: &channel, ActorID: &by},
		&b2bv1.Event{Event: &b2bv1.Event_Message{Message: &b2bv1.MessageEvent{ChannelId: channel}}}
}

func inThread(thread, by string, m *b2bv1.ThreadMessage) (store.Event, *b2bv1.Event) {
	return toThread(thread, by), &b2bv1.Event{Event: &b2bv1.Event_ThreadMessage{ThreadMessage: &b2bv1.ThreadMessageEvent{ThreadId: thread, Message: m}}}
}

// everyone decides.
func everyone(context.Context, string, string) (bool, error) { return true, nil }

// deliver brings the inboxes of the org to the end of the log.
func (f *fixture) deliver() {
	for more := true; more; {
		f.update(func(tx store.Tx) (err error) {
			more, err = inbox.Deliver(context.Background(), tx, f.org, f.clock, everyone)
			return err
		})
	}
}
