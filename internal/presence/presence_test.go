package presence_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/presence"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/sqlstore"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a database with two bots that several nodes share.
type fixture struct {
	*testing.T
	store *sqlstore.Store
	clock atomic.Int64
}

func newFixture(t *testing.T) *fixture {
	st := sqltest.SQLite(t)
	fx := &fixture{T: t, store: st}
	fx.clock.Store(1_700_000_000_000)
	fx.change("", func(ctx context.Context, tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "o", SecretHash: "h", Status: store.OrgActive})
	})
	for _, id := range []string{"ann", "bob"} {
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			return tx.CreateBot(ctx, &store.Bot{ID: id, OrgID: "org", Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive})
		})
	}
	return fx
}

func (fx *fixture) change(org string, fn func(context.Context, store.Tx) error) {
	fx.Helper()
	if err := fx.store.Update(fx.Context(), org, func(tx store.Tx) error { return fn(fx.Context(), tx) }); err != nil {
		fx.Fatal(err)
	}
}

// tracker is the tracker of a node.
type tracker struct {
	*presence.Tracker
	node *node.Node
}

func (fx *fixture) node(name string, single bool) *tracker {
	fx.Helper()
	return fx.nodeOn(fx.store, name, single)
}

func (fx *fixture) nodeOn(st store.Store, name string, single bool) *tracker {
	fx.Helper()
	now := func() time.Time { return time.UnixMilli(fx.clock.Load()) }
	n := node.New(node.Config{Store: store.Narrow(st, func(tx store.Tx) node.Tx { return tx }), ID: name, Single: single, Now: now, Log: slog.New(slog.DiscardHandler)})
	t := presence.New(presence.Config{Store: store.Narrow(st, func(tx store.Tx) presence.Tx { return tx }), Node: n, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err := errors.Join(n.Start(fx.Context()), t.Start(fx.Context())); err != nil {
		fx.Fatal(err)
	}
	return &tracker{t, n}
}

// advance moves the clock, then lets the nodes renew their leases and tick.
func (fx *fixture) advance(d time.Duration, nodes ...*tracker) {
	fx.Helper()
	fx.clock.Add(d.Milliseconds())
	for _, n := range nodes {
		if err := errors.Join(n.node.Renew(fx.Context()), n.Tick(fx.Context())); err != nil {
			fx.Fatal(err)
		}
	}
}

// wantEvents checks all events of the log, and that the rows of the bots agree with them.
func (fx *fixture) wantEvents(want ...string) {
	fx.Helper()
	rows, err := fx.store.ReadLog(fx.Context(), "org", 0, 1000)
	if err != nil {
		fx.Fatal(err)
	}
	var got []string
	online := map[string]bool{}
	for _, row := range rows {
		if row.Audience == store.AudienceInternal {
			got = append(got, row.Type)
			continue
		}
		if row.Audience != store.AudiencePresence {
			fx.Errorf("%s is for %d", row.Type, row.Audience)
		}
		got = append(got, *row.BotID+" "+row.Type[len("bot_"):])
		online[*row.BotID] = row.Type == "bot_online"
	}
	if !slices.Equal(got, want) {
		fx.Fatalf("events %v, want %v", got, want)
	}
	for _, id := range []string{"ann", "bob"} {
		bot, err := fx.store.Bot(fx.Context(), "org", id)
		if err != nil || bot.Online != online[id] {
			fx.Fatalf("%s is online: %v, %v", id, bot, err)
		}
	}
}

func TestFirstAndLast(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	a, b := fx.node("a", false), fx.node("b", false)
	a.Join(t.Context(), "org", "ann")
	fx.wantEvents("ann online")
	a.Join(t.Context(), "org", "ann")
	b.Join(t.Context(), "org", "ann")
	a.Leave("org", "ann")
	a.Leave("org", "ann")
	fx.wantEvents("ann online")
	b.Leave("org", "ann")
	fx.wantEvents("ann online", "ann offline")
	bot, err := fx.store.Bot(t.Context(), "org", "ann")
	if err != nil || bot.LastSeenAt == nil || *bot.LastSeenAt != fx.clock.Load() {
		t.Errorf("last seen: %+v, %v", bot, err)
	}
	a.Join(t.Context(), "org", "ann")
	fx.wantEvents("ann online", "ann offline", "ann online")
}

// B2B-PRES-007: the bots of a crashed node go offline when its lease ends, with one event each.
func TestDeadNode(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	dead, b, c := fx.node("dead", false), fx.node("b", false), fx.node("c", false)
	dead.Join(t.Context(), "org", "ann")
	dead.Join(t.Context(), "org", "bob")
	b.Join(t.Context(), "org", "bob")
	var gone time.Duration
	for gone = 0; gone < 7500*time.Millisecond; gone += 2500 * time.Millisecond {
		fx.advance(2500*time.Millisecond, b, c)
	}
	fx.wantEvents("ann online", "bob online")
	fx.advance(2500*time.Millisecond, b, c)
	if gone += 2500 * time.Millisecond; gone > 15*time.Second {
		t.Fatalf("%v passed", gone)
	}
	fx.wantEvents("ann online", "bob online", "ann offline")
	// The node had only paused: the bots that are still connected to it are online again.
	fx.advance(time.Second, dead)
	fx.wantEvents("ann online", "bob online", "ann offline", "ann online")
	fx.advance(2500*time.Millisecond, b, c, dead)
	fx.wantEvents("ann online", "bob online", "ann offline", "ann online")
}

// B2B-PRES-008: after an outage of the database that kept all nodes from renewing, the first node
// to renew does not set the bots of the others offline. It does so a lease later.
func TestOutage(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	a, b := fx.node("a", false), fx.node("b", false)
	a.Join(t.Context(), "org", "ann")
	b.Join(t.Context(), "org", "bob")
	fx.advance(2500*time.Millisecond, a, b)
	fx.advance(time.Minute, b) // an outage of a minute
	fx.wantEvents("ann online", "bob online")
	fx.advance(time.Second, a)
	for range 8 {
		fx.advance(2500*time.Millisecond, a, b)
	}
	fx.wantEvents("ann online", "bob online")
	fx.advance(time.Minute, b) // a crashes
	for range 3 {
		fx.advance(2500*time.Millisecond, b)
	}
	fx.wantEvents("ann online", "bob online")
	fx.advance(2500*time.Millisecond, b)
	fx.wantEvents("ann online", "bob online", "ann offline")
}

// TestRestart: a single node sets all bots offline when it starts.
func TestRestart(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	fx.node("one", true).Join(t.Context(), "org", "ann")
	two := fx.node("two", true)
	fx.wantEvents("ann online", "ann offline")
	two.Join(t.Context(), "org", "ann")
	fx.node("other", false)
	fx.wantEvents("ann online", "ann offline", "ann online")
	if err := two.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	two.Leave("org", "ann")
	fx.wantEvents("ann online", "ann offline", "ann online", "ann offline")
}

// TestLostPresence: after the lease of the node had ended, its bots are made present again.
func TestLostPresence(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	a := fx.node("a", false)
	a.Join(t.Context(), "org", "ann")
	a.Join(t.Context(), "org", "bob")
	fx.change("org", func(ctx context.Context, tx store.Tx) error { return tx.RemovePresence(ctx, "ann", "a") })
	fx.advance(10*time.Second, a)
	fx.wantEvents("ann online", "bob online")
	if present, err := fx.store.Present(t.Context(), "ann", a.node.Live()); !present || err != nil {
		t.Error("the presence is missing", err)
	}
}

// failing is a store that refuses changes of orgs while down is set.
type failing struct {
	store.Store
	down atomic.Bool
}

func (f *failing) Update(ctx context.Context, org string, fn func(store.Tx) error) error {
	if org != "" && f.down.Load() {
		return errors.New("the store is down")
	}
	return f.Store.Update(ctx, org, fn)
}

// TestRefusedChanges: a bot that connected or disconnected while the store refused changes is online
// or offline after the next tick.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	st := &failing{Store: fx.store}
	a := fx.nodeOn(st, "a", false)
	a.Join(t.Context(), "org", "bob")
	st.down.Store(true)
	a.Join(t.Context(), "org", "ann")
	a.Leave("org", "bob")
	fx.wantEvents("bob online")
	st.down.Store(false)
	fx.advance(2500*time.Millisecond, a)
	rows, err := fx.store.ReadLog(t.Context(), "org", 0, 10)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	for id, want := range map[string]bool{"ann": true, "bob": false} {
		bot, err := fx.store.Bot(t.Context(), "org", id)
		if err != nil || bot.Online != want {
			t.Errorf("%s is online: %+v, %v", id, bot, err)
		}
	}
	st.down.Store(true)
	a.Leave("org", "ann")
	a.Join(t.Context(), "org", "ann") // before the change is repeated
	st.down.Store(false)
	fx.advance(2500*time.Millisecond, a)
	a.Leave("org", "ann")
	fx.advance(2500*time.Millisecond, a)
	if rows, err = fx.store.ReadLog(t.Context(), "org", 0, 10); err != nil || len(rows) != 4 || rows[3].Type != "bot_offline" {
		t.Errorf("%d events, %v", len(rows), err)
	}
}

// TestDeletedBot: a deleted bot causes no events.
func TestDeletedBot(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	a := fx.node("a", false)
	a.Join(t.Context(), "org", "ann")
	fx.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, "org", "ann", "session", 1)
		return err
	})
	fx.advance(10*time.Second, a)
	a.Leave("org", "ann")
	a.Join(t.Context(), "org", "ann")
	a.Leave("org", "ann")
	rows, err := fx.store.ReadLog(t.Context(), "org", 0, 10)
	if err != nil || len(rows) != 1 {
		t.Errorf("events %v, %v", rows, err)
	}
}

func TestConnectingResetsWebhook(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	a := fx.node("a", false)
	for range 2 { // by the first connection, and by another one
		fx.change("org", func(ctx context.Context, tx store.Tx) error {
			return tx.PutWebhookStatus(ctx, &store.WebhookStatus{BotID: "ann", Degraded: true, ConsecutiveFailures: 10})
		})
		a.Join(t.Context(), "org", "ann")
		status, err := fx.store.WebhookStatus(t.Context(), "ann")
		if err != nil || status.Degraded || status.ConsecutiveFailures != 0 {
			t.Errorf("%+v, %v", status, err)
		}
	}
	fx.wantEvents("webhook_changed", "ann online", "webhook_changed") // for the node that serves the webhook
}

// TestConcurrentChanges: online and offline events alternate.
func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	nodes := []*tracker{fx.node("a", false), fx.node("b", false)}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			n := nodes[i%2]
			n.Join(t.Context(), "org", "ann")
			n.Leave("org", "ann")
		})
	}
	all.Wait()
	rows, err := fx.store.ReadLog(t.Context(), "org", 0, 1000)
	if err != nil || len(rows) == 0 || len(rows)%2 != 0 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	for i, row := range rows {
		if want := []string{"bot_online", "bot_offline"}[i%2]; row.Type != want {
			t.Fatalf("event %d is %s, want %s", i, row.Type, want)
		}
	}
}

// Streams of a bot count on the nodes that have them, and those of a node that crashed end with its
// lease (B2B-RCPT-003, B2B-RCPT-007). They set no bot online and append no event.
func TestStreams(t *testing.T) {
	t.Parallel()
	fx := newFixture(t)
	one, two := fx.node("n1", false), fx.node("n2", false)
	streams := func(n *tracker) *presence.Tracker {
		now := func() time.Time { return time.UnixMilli(fx.clock.Load()) }
		return presence.New(presence.Config{
			Store: store.Narrow(fx.store, func(tx store.Tx) presence.Tx { return tx }), Node: n.node, Now: now, Log: slog.New(slog.DiscardHandler), Streams: true,
		})
	}
	first, second := streams(one), streams(two)
	want := func(when, bot string, streaming bool) {
		t.Helper()
		a, err := fx.store.Addressee(t.Context(), "org", bot)
		if err != nil || a.Streaming != streaming || a.Online {
			t.Errorf("%s: %+v, %v", when, a, err)
		}
	}
	want("at first", "ann", false)
	first.Join(t.Context(), "org", "ann")
	first.Join(t.Context(), "org", "ann")
	first.Join(t.Context(), "org", "nobody")
	want("with two streams", "ann", true)
	first.Leave("org", "ann")
	want("with one stream", "ann", true)
	second.Join(t.Context(), "org", "ann")
	first.Leave("org", "ann")
	want("with a stream on the other node", "ann", true)
	second.Leave("org", "ann")
	want("without a stream", "ann", false)

	second.Join(t.Context(), "org", "bob")
	first.Join(t.Context(), "org", "ann")
	for range 13 { // the second node is no longer there
		fx.advance(2500*time.Millisecond, one)
	}
	want("after its node crashed", "bob", false)
	want("on the node that is left", "ann", true)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("after its node stopped", "ann", false)
	fx.wantEvents()
}
