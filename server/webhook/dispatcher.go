package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/fair"
	"github.com/b2b-protocol/b2b/server/seal"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/webhookurl"
)

const (
	// Lease is how long the webhooks of a node that died are nobody else's. Another node
	// looks for such every sixth of it (B2B-HOOK-060).
	Lease = 10 * time.Second

	// pollEvery is how often a node looks for webhooks that nobody serves, and how long
	// one may stay unserved for the sake of equal shares: twice this, and what a reader
	// takes to start, stay below a second (B2B-HOOK-016).
	pollEvery = 300 * time.Millisecond
	failRest  = time.Second // a webhook is left after its reader has failed here

	claimAtATime = 256 // webhooks
	parallel     = 64  // attempts at a time to receivers that answer; of one org half at most
	// Receivers whose last attempt failed have places of their own, so that those which
	// hang do not keep the others waiting.
	parallelFailing = 32
	leaveTime       = 5 * time.Second // a stopping node has for what is left to save
)

// Log is where events come from: the hub of the node (package eventlog).
type Log interface {
	Subscribe(ctx context.Context, v eventlog.Viewer, from *eventlog.Position, f eventlog.Filter) (*eventlog.Subscription, error)
}

// Config is what a Dispatcher works with.
type Config struct {
	Store   store.Store
	Keys    *seal.Ring // what the secrets of webhooks are sealed under
	Log     Log
	Node    string // names this run of this process
	Alone   bool   // no other node can have the store: every other lease is dead
	Policy  webhookurl.Policy
	Version string // of the server, told to receivers
	Logger  *slog.Logger
	Lease   time.Duration // 0: Lease
	Clock   Clock         // nil: the system's

	patience time.Duration // how long an attempt may take; 0: attemptTime
}

// Dispatcher serves webhooks: those that this node holds the leases for.
type Dispatcher struct {
	Config
	types         []string // of events that are posted
	sender        *sender
	places        *fair.Pool    // of attempts to receivers that answered last time, shared by orgs
	failingPlaces *fair.Pool    // of those that did not
	wake          chan struct{} // holds one token when somebody may have a webhook now

	done    sync.WaitGroup
	mu      sync.Mutex
	readers map[string]*serving  // by bot
	failed  map[string]time.Time // by bot: until when its webhook is left, after an error
	unsure  bool                 // leases may have been taken or given back without an answer

	// Run's own:
	renewed time.Time
	known   bool                 // others know of this node
	unmet   map[string]time.Time // by bot: since when its webhook is seen unserved here
	keeping time.Time            // until then more than the share of this node is kept
}

// serving is a reader under way.
type serving struct {
	cancel  context.CancelFunc
	leaving bool
}

// New makes a dispatcher; Run lets it work.
func New(c Config) *Dispatcher {
	if c.Lease <= 0 {
		c.Lease = Lease
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	if c.patience <= 0 {
		c.patience = attemptTime
	}
	return &Dispatcher{
		Config: c, types: types(), sender: newSender(c.Policy, c.Version, c.patience),
		readers: map[string]*serving{}, failed: map[string]time.Time{}, unmet: map[string]time.Time{},
		places: fair.New(fair.Sizes{Places: parallel}), failingPlaces: fair.New(fair.Sizes{Places: parallelFailing}), wake: make(chan struct{}, 1),
	}
}

// Run serves webhooks until ctx ends. What a crash or a failing store leaves undone is
// done later, here or on another node.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.Store.OnCommit(d.heard)()
	if d.Alone {
		err := d.Store.Update(ctx, "", func(tx store.Tx) error { return tx.ResetWebhooks(ctx) })
		if err != nil && ctx.Err() == nil {
			d.Logger.ErrorContext(ctx, "the webhook leases of the run before could not be ended", "error", err)
		}
	}
	d.renewed = d.Clock.Now()
	for ctx.Err() == nil {
		if err := d.round(ctx); err != nil && ctx.Err() == nil {
			d.Logger.ErrorContext(ctx, "webhooks could not be looked after", "error", err)
		}
		d.rest(ctx)
	}
	d.done.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	return d.release(ctx, "")
}

// rest waits for the next round: until somebody may have come, or for pollEvery, since a
// webhook may have come by another node, or what tells of it may be lost.
func (d *Dispatcher) rest(ctx context.Context) {
	next := make(chan struct{})
	defer d.Clock.AfterFunc(min(pollEvery, d.Lease/6), func() { close(next) })()
	select {
	case <-ctx.Done():
	case <-next:
	case <-d.wake:
	}
}

// heard is told of every commit of this node.
func (d *Dispatcher) heard(_ string, events []store.Event) {
	for i := range events {
		switch events[i].Type {
		case "bot_registered", "access_changed":
			select {
			case d.wake <- struct{}{}:
			default:
			}
			return
		}
	}
}

// serving lists the bots whose readers are to go on.
func (d *Dispatcher) serving() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	bots := make([]string, 0, len(d.readers))
	for bot, s := range d.readers {
		if !s.leaving {
			bots = append(bots, bot)
		}
	}
	return bots
}

// leaving counts the readers that were told to stop and have not yet.
func (d *Dispatcher) leaving() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.readers {
		if s.leaving {
			n++
		}
	}
	return n
}

func (d *Dispatcher) stop(bots ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, bot := range bots {
		if s := d.readers[bot]; s != nil {
			s.leaving = true
			s.cancel()
		}
	}
}

// start serves one webhook until that is over.
func (d *Dispatcher) start(ctx context.Context, ref store.BotRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own, cancel := context.WithCancel(call.OnBehalf(ctx, ref.OrgID))
	d.readers[ref.BotID] = &serving{cancel: cancel}
	d.done.Go(func() {
		defer cancel()
		r := &reader{d: d, ref: ref, changed: map[int64]*store.WebhookDelivery{}}
		err := r.run(own)
		if err != nil && own.Err() == nil {
			d.Logger.ErrorContext(ctx, "a webhook is left for a while", "bot", ref.BotID, "org", ref.OrgID, "error", err)
		}
		if ctx.Err() == nil {
			if err := d.release(ctx, ref.BotID); err != nil && ctx.Err() == nil {
				d.doubt()
				d.Logger.WarnContext(ctx, "the lease of a webhook is given back later", "bot", ref.BotID, "error", err)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.readers, ref.BotID)
		if err != nil {
			d.failed[ref.BotID] = d.Clock.Now().Add(failRest)
		}
	})
}

// doubt lets the next round find out which leases this node has.
func (d *Dispatcher) doubt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unsure = true
}

// place waits for a place to make an attempt for an org; its Leave gives it back. An org
// has its share of the places, however many webhooks it has and however slow they are
// (B2B-HOOK-015).
func (d *Dispatcher) place(ctx context.Context, org string, failing bool) (fair.Place, error) {
	if failing {
		return d.failingPlaces.Enter(ctx, org)
	}
	return d.places.Enter(ctx, org)
}
