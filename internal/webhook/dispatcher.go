package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/fair"
	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/seal"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tracing"
	"github.com/b2b-protocol/b2b/internal/webhookurl"
)

const (
	// pollEvery is how often a node looks for webhooks without a node, and how long one may stay
	// so for equal shares. Twice this and the start of a reader take less than a second
	// (B2B-HOOK-016).
	pollEvery = 300 * time.Millisecond
	failPause = time.Second // before this node serves a webhook again after an error

	maxClaim = 256 // webhooks taken in one transaction
	parallel = 64  // concurrent attempts to receivers that respond; one org gets at most half
	// parallelFailing bounds the concurrent attempts to receivers with a failed last attempt, and those
	// for push configs. They have places of their own, so that receivers that hang do not delay the
	// others.
	parallelFailing = 32
	stopTime        = 5 * time.Second // to save and to release webhooks when the node stops
)

// Log is the source of events: the hub of the node (package eventlog).
type Log interface {
	Subscribe(ctx context.Context, v eventlog.Viewer, from *eventlog.Position, f eventlog.Filter) (*eventlog.Subscription, error)
}

// Config configures a Dispatcher.
type Config struct {
	Store   Store
	Keys    *seal.Keyring // that URLs and secrets of webhooks are encrypted with
	Log     Log
	Node    *node.Node
	Policy  webhookurl.Policy
	Version string // of the server, for the User-Agent header
	Logger  *slog.Logger
	Tracer  *tracing.Tracer // records a span for each attempt; nil: none
	Clock   Clock           // nil: the system clock
	Tasks   Tasks           // what is posted for push configs; nil: they are not served
	// Attempted gets the outcome of each attempt to deliver an event; nil: nobody does.
	Attempted func(o Outcome, took time.Duration)

	timeout time.Duration // how long an attempt may take; 0: attemptTime
}

// Dispatcher serves the webhooks that this node holds.
type Dispatcher struct {
	Config
	sender        *sender
	counts        counts
	places        *fair.Pool    // of attempts to receivers that responded last time
	failingPlaces *fair.Pool    // of attempts to the others
	pushPlaces    *fair.Pool    // of attempts for push configs, of which a bot may have a hundred
	wake          chan struct{} // holds one token when a webhook may have been added

	done      sync.WaitGroup
	mu        sync.Mutex
	readers   map[string]*serving  // by the id of what is served (store.HookRef)
	failed    map[string]time.Time // when it may be served again after an error
	uncertain bool                 // which webhooks this node holds is not known after an error

	// Used by Run alone.
	checked      time.Time            // when the store was last read for what this node holds
	lapses       int                  // of the lease of the node, at the last round
	unserved     map[string]time.Time // when it was first seen without a node
	surplusUntil time.Time            // until then this node keeps more than its share
}

// serving is a running reader.
type serving struct {
	cancel   context.CancelFunc
	stopping bool
}

// New returns a dispatcher. Run serves its webhooks.
func New(c Config) *Dispatcher {
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	if c.timeout <= 0 {
		c.timeout = attemptTime
	}
	return &Dispatcher{
		Config: c, sender: newSender(c.Policy, c.Version, c.timeout),
		readers: map[string]*serving{}, failed: map[string]time.Time{}, unserved: map[string]time.Time{},
		places: fair.New(fair.Sizes{Slots: parallel}), failingPlaces: fair.New(fair.Sizes{Slots: parallelFailing}),
		pushPlaces: fair.New(fair.Sizes{Slots: parallelFailing}), wake: make(chan struct{}, 1),
	}
}

// Run serves webhooks until ctx ends. Deliveries that a crash or a failing store prevents are made
// later, here or on another node.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.Store.OnCommit(d.committed)()
	for ctx.Err() == nil {
		if err := d.round(ctx); err != nil && ctx.Err() == nil {
			d.Logger.ErrorContext(ctx, "cannot update which webhooks this node serves", "error", err)
		}
		d.wait(ctx)
	}
	d.done.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return d.release(ctx, "")
}

// wait waits until a commit of this node may have added a webhook, and at most for pollEvery, as
// another node may have added one.
func (d *Dispatcher) wait(ctx context.Context) {
	next := make(chan struct{})
	defer d.Clock.AfterFunc(min(pollEvery, d.checkEvery()), func() { close(next) })()
	select {
	case <-ctx.Done():
	case <-next:
	case <-d.wake:
	}
}

// committed receives every commit of this node.
func (d *Dispatcher) committed(_ string, events []store.Event) {
	for i := range events {
		switch events[i].Type {
		case eventtype.BotRegistered, eventtype.AccessChanged, // a bot or an org may have become active
			eventtype.WebhookChanged: // there may be a new push config
			select {
			case d.wake <- struct{}{}:
			default:
			}
			return
		}
	}
}

// serving returns the ids of what has a reader that is not stopping.
func (d *Dispatcher) serving() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make([]string, 0, len(d.readers))
	for id, s := range d.readers {
		if !s.stopping {
			ids = append(ids, id)
		}
	}
	return ids
}

// stopping returns the number of readers that were stopped and still run.
func (d *Dispatcher) stopping() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.readers {
		if s.stopping {
			n++
		}
	}
	return n
}

// stop stops readers, without waiting.
func (d *Dispatcher) stop(ids ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		if s := d.readers[id]; s != nil {
			s.stopping = true
			s.cancel()
		}
	}
}

// start starts a reader, which releases its webhook or push config when it ends.
func (d *Dispatcher) start(ctx context.Context, ref store.HookRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own, cancel := context.WithCancel(call.OnBehalf(ctx, ref.OrgID))
	d.readers[ref.ID()] = &serving{cancel: cancel}
	d.done.Go(func() {
		defer cancel()
		var r interface{ run(context.Context) error } = &reader{d: d, ref: ref, changed: map[int64]*store.WebhookDelivery{}}
		if ref.PushID != "" {
			r = &pusher{d: d, ref: ref}
		}
		err := r.run(own)
		if err != nil && own.Err() == nil {
			d.Logger.ErrorContext(ctx, "serving a webhook failed, trying again soon", "bot", ref.BotID, "push", ref.PushID, "org", ref.OrgID, "error", err)
		}
		if ctx.Err() == nil {
			if err := d.release(ctx, ref.ID()); err != nil && ctx.Err() == nil {
				d.markUncertain()
				d.Logger.WarnContext(ctx, "cannot release a webhook, trying again soon", "bot", ref.BotID, "push", ref.PushID, "error", err)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.readers, ref.ID())
		if err != nil {
			d.failed[ref.ID()] = d.Clock.Now().Add(failPause)
		}
	})
}

// markUncertain makes the next round read which webhooks this node holds.
func (d *Dispatcher) markUncertain() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uncertain = true
}

// place waits for a place for an attempt, in the share of the org (B2B-HOOK-015). The caller
// leaves it.
func (d *Dispatcher) place(ctx context.Context, org string, failing bool) (fair.Slot, error) {
	if failing {
		return d.failingPlaces.Enter(ctx, org)
	}
	return d.places.Enter(ctx, org)
}
