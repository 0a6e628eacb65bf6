package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/webhookurl"
)

const (
	// Lease is how long the webhooks of a node wait after it died.
	Lease = 30 * time.Second

	claimAtATime = 256 // webhooks
	parallel     = 64  // attempts at a time to receivers that answer
	// Receivers whose last attempt failed have places of their own, so that those which
	// hang do not keep the others waiting.
	parallelAiling = 32
	leaveTime      = 5 * time.Second // a stopping node has for what is left to save
)

// Log is where events come from: the hub of the node (package eventlog).
type Log interface {
	Subscribe(ctx context.Context, v eventlog.Viewer, from *eventlog.Position, f eventlog.Filter) (*eventlog.Subscription, error)
}

// Config is what a Dispatcher works with.
type Config struct {
	Store   store.Store
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
	types  []string // of events that are posted
	sender *sender
	places chan struct{} // of attempts to receivers that answered last time
	ailing chan struct{} // of those that did not
	wake   chan struct{} // holds one token when somebody may have a webhook now

	done    sync.WaitGroup
	mu      sync.Mutex
	readers map[string]*serving // by bot
	renewed time.Time           // Run's own
	known   bool                // others know of this node; Run's own
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
		Config: c, types: types(), sender: newSender(c.Policy, c.Version, c.patience), readers: map[string]*serving{},
		places: make(chan struct{}, parallel), ailing: make(chan struct{}, parallelAiling), wake: make(chan struct{}, 1),
	}
}

// Run serves webhooks until ctx ends. What a crash or a failing store leaves undone is
// done later, here or on another node.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.sender.close()
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

// rest waits for the next round: a sixth of a lease, or until somebody may have come.
func (d *Dispatcher) rest(ctx context.Context) {
	next := make(chan struct{})
	defer d.Clock.AfterFunc(d.Lease/6, func() { close(next) })()
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

// round keeps the leases, gives back those that are too many, and takes some that are
// free.
func (d *Dispatcher) round(ctx context.Context) error {
	if err := d.renew(ctx); err != nil {
		return err
	}
	for {
		room, err := d.room(ctx)
		if err != nil {
			return err
		}
		if room <= 0 {
			d.stop(d.serving()[:-room]...) // each gives its lease back when it has stopped
			return nil
		}
		refs, err := d.Store.UnleasedWebhooks(ctx, d.Clock.Now().UnixMilli(), claimAtATime)
		if err != nil {
			return fmt.Errorf("list webhooks that nobody serves: %w", err)
		}
		if len(refs) == 0 {
			return nil
		}
		taken, err := d.take(ctx, refs, room)
		if err != nil {
			return fmt.Errorf("take the leases of webhooks: %w", err)
		}
		for _, ref := range taken {
			d.start(ctx, ref)
		}
		if len(refs) < claimAtATime || len(taken) == 0 {
			return nil
		}
	}
}

// room is how many webhooks this node should take, or below zero give up, to have its
// share: as many as any other node, rounded up, so that all are served.
func (d *Dispatcher) room(ctx context.Context) (int, error) {
	if d.Alone {
		return claimAtATime, nil
	}
	webhooks, nodes, err := d.Store.WebhookShare(ctx, d.Clock.Now().UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("count webhooks and nodes: %w", err)
	}
	nodes = max(nodes, 1)
	return int((webhooks+nodes-1)/nodes) - len(d.serving()), nil
}

// renew keeps the leases of this node, and tells others that it is there. Who comes late has to take it that others serve
// its webhooks by now.
func (d *Dispatcher) renew(ctx context.Context) error {
	held := d.serving()
	now := d.Clock.Now()
	if len(held) == 0 && d.Alone {
		d.renewed = now
		return nil
	}
	if d.known && now.Sub(d.renewed) < d.Lease/6 {
		return nil
	}
	var kept int64
	err := d.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		kept, err = tx.RenewWebhooks(ctx, d.Node, now.UnixMilli(), now.Add(d.Lease).UnixMilli())
		return err
	})
	late := now.Sub(d.renewed) >= d.Lease
	switch {
	case late:
		d.stop(held...)
	case err == nil && kept < int64(len(held)):
		for _, bot := range held {
			if there, err := d.Store.WebhookLeased(ctx, bot, d.Node); err == nil && !there {
				d.stop(bot)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("renew the leases of webhooks: %w", err)
	}
	d.renewed, d.known = now, true
	return nil
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

// take gets leases that nobody else got meanwhile, at most so many.
func (d *Dispatcher) take(ctx context.Context, refs []store.BotRef, most int) (taken []store.BotRef, err error) {
	err = d.Store.Update(ctx, "", func(tx store.Tx) error {
		taken = nil
		now := d.Clock.Now()
		for _, ref := range refs {
			got, err := tx.LeaseWebhook(ctx, ref.BotID, d.Node, now.UnixMilli(), now.Add(d.Lease).UnixMilli())
			if err != nil {
				return err
			}
			if got {
				taken = append(taken, ref)
			}
			if len(taken) == most {
				return nil
			}
		}
		return nil
	})
	return taken, err
}

// start serves one webhook until that is over.
func (d *Dispatcher) start(ctx context.Context, ref store.BotRef) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.readers[ref.BotID] != nil {
		return // its lease had run out, and is its own again
	}
	own, cancel := context.WithCancel(ctx)
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
				d.Logger.WarnContext(ctx, "the lease of a webhook has to run out", "bot", ref.BotID, "error", err)
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.readers, ref.BotID)
	})
}

// release gives back the lease for a bot, or with an empty bot all of this node's.
func (d *Dispatcher) release(ctx context.Context, bot string) error {
	err := d.Store.Update(ctx, "", func(tx store.Tx) error { return tx.ReleaseWebhook(ctx, bot, d.Node) })
	if err != nil && !errors.Is(err, store.ErrClosed) {
		return fmt.Errorf("give back the leases of webhooks: %w", err)
	}
	return nil
}

// place waits for a place to make an attempt; leave gives it back.
func (d *Dispatcher) place(ctx context.Context, failing bool) (leave func(), err error) {
	places := d.places
	if failing {
		places = d.ailing
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
