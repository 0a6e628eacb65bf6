// Package presence knows which bots are online: those that have a connection, on any node
// (B2B-PRES-001).
//
// Each node holds a lease in the store for every bot that has connections to it, and
// renews all of them together every two and a half seconds. A lease lives for ten, so
// that the bots of a node that crashed are offline within 15 seconds (B2B-PRES-007),
// whichever node notices. A node whose own renewal was late does not judge others by
// their leases for a while: what kept it from renewing may have kept them, too
// (B2B-PRES-008).
// Whether a bot comes or goes is decided inside a change of its org: the first lease
// sets it online, the end of the last one offline, and the change that does so appends
// the one event about it. That event is told once and not kept as history
// (store.AudiencePresence).
//
// The clocks of the nodes must agree within a few seconds.
package presence

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/tally"
)

const (
	// Lease is how long a bot stays online after its node died.
	Lease = 10 * time.Second
	// renewEvery leaves three tries before a lease ends.
	renewEvery = Lease / 4
	// page is how many bots are looked at together.
	page = 500
	// settleTime bounds the change about a connection that has ended.
	settleTime = 10 * time.Second
)

// Config is what a Tracker works with.
type Config struct {
	Store store.Store
	Node  string // names this run of this process
	Alone bool   // no other node can have the store: every other lease is dead
	Now   func() time.Time
	Log   *slog.Logger
}

// Tracker counts the connections of this node.
type Tracker struct {
	Config
	failed  *tally.Log
	mu      sync.Mutex
	seats   map[string]*seat // by bot
	closed  bool
	renewed time.Time // when the leases were renewed last; Run's own
	// judging is when the leases of others count again; Run's own.
	judging time.Time
}

// seat is a bot with connections to this node, or one that had until now. mu keeps
// its comings and goings in order.
type seat struct {
	org   string
	users int // who holds the seat: guarded by Tracker.mu

	mu     sync.Mutex
	count  int // connections
	leased bool
}

// New makes a tracker that knows of no connections.
func New(c Config) *Tracker {
	return &Tracker{Config: c, failed: tally.New(c.Log, "presence could not be told"), seats: map[string]*seat{}}
}

func (t *Tracker) nowMS() int64 { return t.Now().UnixMilli() }

// take finds or makes the seat of a bot; give returns it.
func (t *Tracker) take(org, bot string) *seat {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.seats[bot]
	if s == nil {
		s = &seat{org: org}
		t.seats[bot] = s
	}
	s.users++
	return s
}

func (t *Tracker) give(bot string, s *seat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(t.seats, bot)
	}
}

// Join counts a connection of a bot, and returns when the bot is online. A failure
// of the store is logged and made up for by Run. Each Join needs one Leave.
func (t *Tracker) Join(ctx context.Context, org, bot string) {
	s := t.take(org, bot)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if err := t.comes(ctx, s, bot); err != nil && ctx.Err() == nil {
		t.failed.Count("online", "bot", bot, "error", err)
	}
}

// comes makes sure of the lease, and of the webhook: a bot that connects gets a new chance for
// it (B2B-HOOK-021).
func (t *Tracker) comes(ctx context.Context, s *seat, bot string) error {
	if s.leased {
		status, err := t.Store.WebhookStatus(ctx, bot)
		if err != nil || !status.Degraded {
			return err
		}
	}
	if err := t.setOnline(ctx, s.org, bot); err != nil {
		return err
	}
	s.leased = true
	return nil
}

// Leave takes back a Join. The bot goes offline with its last connection.
func (t *Tracker) Leave(org, bot string) {
	s := t.take(org, bot)
	defer t.give(bot, s)
	defer t.give(bot, s) // what Join took
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count--; s.count > 0 || t.closing() {
		return
	}
	s.leased = false
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	if err := t.setOffline(ctx, s.org, []string{bot}); err != nil {
		t.failed.Count("offline", "bot", bot, "error", err)
	}
}

func (t *Tracker) closing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Start sets those bots offline that a node left behind which is dead.
func (t *Tracker) Start(ctx context.Context) error {
	if t.Alone {
		err := t.Store.Update(ctx, "", func(tx store.Tx) error {
			_, err := tx.PurgeLeases(ctx, math.MaxInt64)
			return err
		})
		if err != nil {
			return fmt.Errorf("end the leases of the run before: %w", err)
		}
	}
	t.renewed = t.Now()
	return t.sweep(ctx)
}

// Run renews the leases of this node and ends those of dead ones, until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := t.Tick(ctx); err != nil && ctx.Err() == nil {
			t.failed.Count("renewed", "error", err)
		}
		t.failed.Flush()
	}
}

// Tick is one round of Run.
func (t *Tracker) Tick(ctx context.Context) error {
	if err := t.renew(ctx); err != nil {
		return err
	}
	if t.Now().Before(t.judging) {
		return nil
	}
	return t.sweep(ctx)
}

// Close sets the bots of this node offline that are on no other. Connections that
// end afterwards are not counted any more.
func (t *Tracker) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	orgs := map[string][]string{}
	for bot, s := range t.seats {
		orgs[s.org] = append(orgs[s.org], bot)
	}
	t.mu.Unlock()
	for org, bots := range orgs {
		if err := t.setOffline(ctx, org, bots); err != nil {
			return fmt.Errorf("set the bots of this node offline: %w", err)
		}
	}
	return nil
}
