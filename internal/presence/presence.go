// Package presence tracks which bots are online: those with a connection to any node
// (B2B-PRES-001).
//
// Each node has a lease in the store for every bot that is connected to it, and renews all of
// them together every two and a half seconds. A lease lasts ten seconds, so that the bots of a
// node that crashed are offline within 15 (B2B-PRES-007); any node may set them offline. A node
// that renewed late itself leaves the bots of others online for the time of a lease, because the
// cause of the delay may have delayed them as well (B2B-PRES-008).
//
// A change of the bot's org decides whether the bot goes online or offline: the first lease sets
// it online, the end of the last one offline. The same change appends the event about it, which
// is delivered once and not kept as history (store.AudiencePresence).
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

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tally"
)

const (
	// Lease is how long a bot stays online after its node crashed.
	Lease = 10 * time.Second
	// renewEvery allows three attempts before a lease ends.
	renewEvery = Lease / 4
	// page is the number of bots read at once.
	page = 500
	// leaveTime bounds the change of the store when a connection ends.
	leaveTime = 10 * time.Second
)

// Config configures a Tracker.
type Config struct {
	Store store.Store
	Node  string // unique for each run of a process
	Alone bool   // no other node uses the store, so leases of others have ended
	Now   func() time.Time
	Log   *slog.Logger
}

// Tracker counts the connections of the bots of this node.
type Tracker struct {
	Config
	failed  *tally.Log
	mu      sync.Mutex
	bots    map[string]*connections // by bot id
	closed  bool
	renewed time.Time // when the leases were renewed last; used by Run alone
	// sweepFrom is when this node may set the bots of other nodes offline again (B2B-PRES-008);
	// used by Run alone.
	sweepFrom time.Time
}

// connections counts the connections of a bot to this node. mu orders the changes of the bot in
// the store.
type connections struct {
	org   string
	users int // calls between acquire and release; guarded by Tracker.mu

	mu     sync.Mutex
	count  int // connections
	leased bool
}

// New returns a tracker without connections.
func New(c Config) *Tracker {
	return &Tracker{Config: c, failed: tally.New(c.Log, "presence could not be stored"), bots: map[string]*connections{}}
}

func (t *Tracker) nowMS() int64 { return t.Now().UnixMilli() }

// acquire returns the connections of a bot, and creates them for the first. Each acquire needs
// one release.
func (t *Tracker) acquire(org, bot string) *connections {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.bots[bot]
	if c == nil {
		c = &connections{org: org}
		t.bots[bot] = c
	}
	c.users++
	return c
}

func (t *Tracker) release(bot string, c *connections) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.users--; c.users == 0 {
		delete(t.bots, bot)
	}
}

// Join counts a connection of a bot, and returns when the bot is online. A failure of the store
// is logged, and Run repeats the change. Each Join needs one Leave.
func (t *Tracker) Join(ctx context.Context, org, bot string) {
	c := t.acquire(org, bot)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if err := t.ensureOnline(ctx, c, bot); err != nil && ctx.Err() == nil {
		t.failed.Count("online", "bot", bot, "error", err)
	}
}

// ensureOnline takes the lease unless the node has it, and resets the health of a degraded webhook
// of the bot (B2B-HOOK-021).
func (t *Tracker) ensureOnline(ctx context.Context, c *connections, bot string) error {
	if c.leased {
		status, err := t.Store.WebhookStatus(ctx, bot)
		if err != nil || !status.Degraded {
			return err
		}
	}
	if err := t.setOnline(ctx, c.org, bot); err != nil {
		return err
	}
	c.leased = true
	return nil
}

// Leave ends a Join. The bot goes offline with its last connection.
func (t *Tracker) Leave(org, bot string) {
	c := t.acquire(org, bot)
	defer t.release(bot, c)
	defer t.release(bot, c) // for the acquire of Join
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count--; c.count > 0 || t.closing() {
		return
	}
	c.leased = false
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := t.setOffline(ctx, c.org, []string{bot}); err != nil {
		t.failed.Count("offline", "bot", bot, "error", err)
	}
}

// closing reports whether Close was called.
func (t *Tracker) closing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Start sets offline the bots of nodes that crashed.
func (t *Tracker) Start(ctx context.Context) error {
	if t.Alone {
		err := t.Store.Update(ctx, "", func(tx store.Tx) error {
			_, err := tx.PurgeLeases(ctx, math.MaxInt64)
			return err
		})
		if err != nil {
			return fmt.Errorf("end the leases of the previous run: %w", err)
		}
	}
	t.renewed = t.Now()
	return t.sweep(ctx)
}

// Run renews the leases of this node and ends those of crashed nodes, until ctx ends.
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

// Tick is one iteration of Run.
func (t *Tracker) Tick(ctx context.Context) error {
	if err := t.renew(ctx); err != nil {
		return err
	}
	if t.Now().Before(t.sweepFrom) {
		return nil
	}
	return t.sweep(ctx)
}

// Close sets offline the bots that are connected to this node alone. Later calls of Leave have no
// effect.
func (t *Tracker) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	orgs := map[string][]string{}
	for bot, c := range t.bots {
		orgs[c.org] = append(orgs[c.org], bot)
	}
	t.mu.Unlock()
	for org, bots := range orgs {
		if err := t.setOffline(ctx, org, bots); err != nil {
			return fmt.Errorf("set the bots of this node offline: %w", err)
		}
	}
	return nil
}
