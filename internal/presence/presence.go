// Package presence tracks which bots are online: those with a connection to any node
// (B2B-PRES-001).
//
// A bot with a connection to a node is present on it while the lease of the node is live (package
// node). So the bots of a node that crashed are offline within 15 seconds (B2B-PRES-007); any node
// may set them offline. A node that renewed its lease late leaves the bots of others online for the
// time of a lease, because the cause of the delay may have delayed them as well (B2B-PRES-008).
//
// A change of the bot's org decides whether the bot goes online or offline: its first presence sets
// it online, the end of the last one offline. The same change appends the event about it, which
// is delivered once and not kept as history (store.AudiencePresence).
package presence

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/tally"
)

const (
	// tickEvery is how long a bot waits at most for a change that the store refused, and for being
	// set offline after the lease of its node has ended.
	tickEvery = 2500 * time.Millisecond
	// page is the number of bots read at once.
	page = 500
	// leaveTime bounds the change of the store when a connection ends.
	leaveTime = 10 * time.Second
)

// Config configures a Tracker.
type Config struct {
	Store Store
	Node  *node.Node
	Now   func() time.Time
	Log   *slog.Logger
	// Streams: it counts streams of events instead of connections. They do not set bots online
	// (B2B-PRES-003); they make a bot `live` in the recipients of messages (B2B-RCPT-003).
	Streams bool
}

// Tracker counts the connections of the bots of this node.
type Tracker struct {
	Config
	failed *tally.Log
	mu     sync.Mutex
	bots   map[string]*connections // by bot id
	closed bool
	lapses int // of the lease of the node, when Tick stored its bots last; used by Tick alone
}

// connections counts the connections of a bot to this node. mu orders the changes of the bot in
// the store.
type connections struct {
	org   string
	users int // calls between acquire and release; guarded by Tracker.mu

	// failed reports that the last change of the store failed, so that its result is not known.
	// Until Tick has repeated it, it counts as one of users. Written with both mutexes locked.
	failed bool

	mu     sync.Mutex
	count  int // connections
	stored bool
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
	t.releaseLocked(bot, c)
}

// releaseLocked is release for a caller that has locked t.mu.
func (t *Tracker) releaseLocked(bot string, c *connections) {
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

// ensureOnline stores the presence of the bot unless the store has it, and resets the health of a
// degraded webhook of the bot (B2B-HOOK-021).
func (t *Tracker) ensureOnline(ctx context.Context, c *connections, bot string) error {
	if c.stored && !c.failed {
		if t.Streams {
			return nil
		}
		status, err := t.Store.WebhookStatus(ctx, bot)
		if err != nil || !status.Degraded {
			return err
		}
	}
	if err := t.Node.Ensure(ctx); err != nil {
		t.setFailed(c, bot, true)
		return err
	}
	return t.update(ctx, c, bot)
}

// update stores whether a bot is present on this node. The caller has locked c.mu.
func (t *Tracker) update(ctx context.Context, c *connections, bot string) (err error) {
	if c.count > 0 {
		err = t.setOnline(ctx, c.org, bot)
	} else {
		err = t.setOffline(ctx, c.org, []string{bot})
	}
	c.stored = c.count > 0
	t.setFailed(c, bot, err != nil)
	return err
}

// setFailed records whether the last change of the store failed. The caller has locked c.mu, and is
// one of the users of c.
func (t *Tracker) setFailed(c *connections, bot string, failed bool) {
	if c.failed == failed {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.failed = failed; failed {
		c.users++
	} else {
		t.releaseLocked(bot, c)
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := t.update(ctx, c, bot); err != nil {
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
func (t *Tracker) Start(ctx context.Context) error { return t.sweep(ctx) }

// Run repeats changes that the store refused, and sets offline the bots of crashed nodes, until ctx
// ends.
func (t *Tracker) Run(ctx context.Context) error {
	return t.failed.Repeat(ctx, tickEvery, "updated", t.Tick)
}

// Tick is one iteration of Run.
func (t *Tracker) Tick(ctx context.Context) error {
	if !t.Node.Held() {
		return nil // until its lease is renewed, a change of this node has no effect
	}
	if err := t.repeat(ctx); err != nil {
		return err
	}
	if !t.Node.Steady() {
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
