package presence_test

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/b2b-protocol/b2b/server/presence"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/store/storetest/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a database that several nodes share, with two bots.
type world struct {
	*testing.T
	store store.Store
	clock atomic.Int64
}

func newWorld(t *testing.T) *world {
	st := sqltest.SQLite(t)
	w := &world{T: t, store: st}
	w.clock.Store(1_700_000_000_000)
	w.change("", func(ctx context.Context, tx store.Tx) error {
		return tx.CreateOrg(ctx, &store.Org{ID: "org", Name: "o", SecretHash: "h", Status: store.OrgActive})
	})
	for _, id := range []string{"ann", "bob"} {
		w.change("org", func(ctx context.Context, tx store.Tx) error {
			return tx.CreateBot(ctx, &store.Bot{ID: id, OrgID: "org", Name: id, TokenHash: id, AuthRole: store.AuthMember, JoinStatus: store.BotActive})
		})
	}
	return w
}

func (w *world) change(org string, fn func(context.Context, store.Tx) error) {
	w.Helper()
	if err := w.store.Update(w.Context(), org, func(tx store.Tx) error { return fn(w.Context(), tx) }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) node(name string, alone bool) *presence.Tracker {
	w.Helper()
	t := presence.New(presence.Config{
		Store: w.store, Node: name, Alone: alone, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.UnixMilli(w.clock.Load()) },
	})
	if err := t.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
	return t
}

// passes lets time pass, and the nodes tick.
func (w *world) passes(d time.Duration, nodes ...*presence.Tracker) {
	w.Helper()
	w.clock.Add(d.Milliseconds())
	for _, n := range nodes {
		if err := n.Tick(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
}

// told asserts what the log tells in all, and that it agrees with the bot's row.
func (w *world) told(want ...string) {
	w.Helper()
	rows, err := w.store.ReadLog(w.Context(), "org", 0, 1000)
	if err != nil {
		w.Fatal(err)
	}
	var got []string
	online := map[string]bool{}
	for _, row := range rows {
		if row.Audience == store.AudienceInternal {
			got = append(got, row.Type)
			continue
		}
		if row.Audience != store.AudiencePresence {
			w.Errorf("%s is for %d", row.Type, row.Audience)
		}
		got = append(got, *row.BotID+" "+row.Type[len("bot_"):])
		online[*row.BotID] = row.Type == "bot_online"
	}
	if !slices.Equal(got, want) {
		w.Fatalf("told %v, want %v", got, want)
	}
	for _, id := range []string{"ann", "bob"} {
		bot, err := w.store.Bot(w.Context(), "org", id)
		if err != nil || bot.Online != online[id] {
			w.Fatalf("%s is online: %v, %v", id, bot, err)
		}
	}
}

func TestFirstAndLast(t *testing.T) {
	w := newWorld(t)
	a, b := w.node("a", false), w.node("b", false)
	a.Join(t.Context(), "org", "ann")
	w.told("ann online")
	a.Join(t.Context(), "org", "ann")
	b.Join(t.Context(), "org", "ann")
	a.Leave("org", "ann")
	a.Leave("org", "ann")
	w.told("ann online")
	b.Leave("org", "ann")
	w.told("ann online", "ann offline")
	bot, err := w.store.Bot(t.Context(), "org", "ann")
	if err != nil || bot.LastSeenAt == nil || *bot.LastSeenAt != w.clock.Load() {
		t.Errorf("last seen: %+v, %v", bot, err)
	}
	a.Join(t.Context(), "org", "ann")
	w.told("ann online", "ann offline", "ann online")
}

// B2B-PRES-007: the bots of a node that died go offline when its leases end, and one node says so.
func TestDeadNode(t *testing.T) {
	w := newWorld(t)
	dead, b, c := w.node("dead", false), w.node("b", false), w.node("c", false)
	dead.Join(t.Context(), "org", "ann")
	dead.Join(t.Context(), "org", "bob")
	b.Join(t.Context(), "org", "bob")
	var gone time.Duration
	for gone = 0; gone < 7500*time.Millisecond; gone += 2500 * time.Millisecond {
		w.passes(2500*time.Millisecond, b, c)
	}
	w.told("ann online", "bob online")
	w.passes(2500*time.Millisecond, b, c)
	if gone += 2500 * time.Millisecond; gone > 15*time.Second {
		t.Fatalf("%v passed", gone)
	}
	w.told("ann online", "bob online", "ann offline")
	// It was not dead, only asleep: what it still holds is online again.
	w.passes(time.Second, dead)
	w.told("ann online", "bob online", "ann offline", "ann online")
	w.passes(2500*time.Millisecond, b, c, dead)
	w.told("ann online", "bob online", "ann offline", "ann online")
}

// B2B-PRES-008: after an outage of the database that kept all nodes from renewing, the
// first one that is back does not set the bots of the others offline. One that stays
// away is judged a lease later.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	a, b := w.node("a", false), w.node("b", false)
	a.Join(t.Context(), "org", "ann")
	b.Join(t.Context(), "org", "bob")
	w.passes(2500*time.Millisecond, a, b)
	w.passes(time.Minute, b) // nothing reached the database for a minute
	w.told("ann online", "bob online")
	w.passes(time.Second, a)
	for range 8 {
		w.passes(2500*time.Millisecond, a, b)
	}
	w.told("ann online", "bob online")
	w.passes(time.Minute, b) // and here a dies
	for range 3 {
		w.passes(2500*time.Millisecond, b)
	}
	w.told("ann online", "bob online")
	w.passes(2500*time.Millisecond, b)
	w.told("ann online", "bob online", "ann offline")
}

// A node that has the database for itself knows at start that nobody is online.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	w.node("one", true).Join(t.Context(), "org", "ann")
	two := w.node("two", true)
	w.told("ann online", "ann offline")
	two.Join(t.Context(), "org", "ann")
	w.node("other", false)
	w.told("ann online", "ann offline", "ann online")
	if err := two.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	two.Leave("org", "ann")
	w.told("ann online", "ann offline", "ann online", "ann offline")
}

// A lease that is missing, whatever the reason, is made again.
func TestLostLease(t *testing.T) {
	w := newWorld(t)
	a := w.node("a", false)
	a.Join(t.Context(), "org", "ann")
	a.Join(t.Context(), "org", "bob")
	w.change("org", func(ctx context.Context, tx store.Tx) error { return tx.DropLease(ctx, "ann", "a") })
	w.passes(10*time.Second, a)
	w.told("ann online", "bob online")
	if leased, err := w.store.Leased(t.Context(), "ann", w.clock.Load(), math.MaxInt64); !leased || err != nil {
		t.Error("the lease is missing", err)
	}
}

// A deleted bot comes no more, and leaves in silence.
func TestDeletedBot(t *testing.T) {
	w := newWorld(t)
	a := w.node("a", false)
	a.Join(t.Context(), "org", "ann")
	w.change("org", func(ctx context.Context, tx store.Tx) error {
		_, err := tx.DeleteBot(ctx, "org", "ann", "session", 1)
		return err
	})
	w.passes(10*time.Second, a)
	a.Leave("org", "ann")
	a.Join(t.Context(), "org", "ann")
	a.Leave("org", "ann")
	rows, err := w.store.ReadLog(t.Context(), "org", 0, 10)
	if err != nil || len(rows) != 1 {
		t.Errorf("told %v, %v", rows, err)
	}
}

func TestWebhookGetsANewChance(t *testing.T) {
	w := newWorld(t)
	a := w.node("a", false)
	for range 2 { // by the first connection, and by another one
		w.change("org", func(ctx context.Context, tx store.Tx) error {
			return tx.PutWebhookStatus(ctx, &store.WebhookStatus{BotID: "ann", Degraded: true, ConsecutiveFailures: 10})
		})
		a.Join(t.Context(), "org", "ann")
		status, err := w.store.WebhookStatus(t.Context(), "ann")
		if err != nil || status.Degraded || status.ConsecutiveFailures != 0 {
			t.Errorf("%+v, %v", status, err)
		}
	}
	w.told("access_changed", "ann online", "access_changed") // who serves the webhook looks again
}

// Whatever comes and goes at once, coming and going are told in turns.
func TestAtOnce(t *testing.T) {
	w := newWorld(t)
	nodes := []*presence.Tracker{w.node("a", false), w.node("b", false)}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			n := nodes[i%2]
			n.Join(t.Context(), "org", "ann")
			n.Leave("org", "ann")
		})
	}
	all.Wait()
	rows, err := w.store.ReadLog(t.Context(), "org", 0, 1000)
	if err != nil || len(rows) == 0 || len(rows)%2 != 0 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	for i, row := range rows {
		if want := []string{"bot_online", "bot_offline"}[i%2]; row.Type != want {
			t.Fatalf("event %d is %s, want %s", i, row.Type, want)
		}
	}
}
