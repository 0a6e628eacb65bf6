package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

const (
	lookEvery = time.Second           // also without a ring
	lookPause = 20 * time.Millisecond // between looks, however often it rings
	idleLooks = 60                    // an org that nobody used for so many looks is forgotten
	lookPage  = 500                   // events read at once
)

// follower looks for changes of access that other nodes made. What is remembered of
// an org was read after the org was followed, so every change that it does not know
// stands in the log above the seq looked at last. A ring of the doorbell says that
// there is something to look at; a look every second makes rings that were lost good.
// Where looking fails, or where the log is not what it was, the org is forgotten.
type follower struct {
	log  store.LogReader
	gens *generations
	warn *slog.Logger
	wake chan struct{} // holds one token when an org rang

	mu     sync.Mutex
	starts uint64 // how many orgs were ever begun to be followed
	orgs   map[string]*followed
	rang   map[string]struct{} // of those followed
}

type followed struct {
	start uint64 // starts, this one included
	epoch string
	seq   int64 // looked at up to here; guarded by follower.mu
	used  atomic.Bool
	idle  int // looks since it was used; the looking goroutine's own
}

func newFollower(log store.LogReader, gens *generations, warn *slog.Logger) *follower {
	return &follower{
		log: log, gens: gens, warn: warn, wake: make(chan struct{}, 1),
		orgs: map[string]*followed{}, rang: map[string]struct{}{},
	}
}

// begin notes the time, so to speak, before something is read.
func (f *follower) begin() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts
}

// follow makes sure that an org is followed. If it was not when begin answered
// started, what was read of it since then is not good enough to be remembered.
func (f *follower) follow(ctx context.Context, org string, started uint64) (was bool, err error) {
	f.mu.Lock()
	o := f.orgs[org]
	f.mu.Unlock()
	if o != nil {
		o.used.Store(true)
		return o.start <= started, nil
	}
	top, err := f.log.LogTop(ctx, org)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // destroyed meanwhile, as reading again will tell
	}
	if err != nil {
		return false, fmt.Errorf("find the end of an org's log: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.orgs[org] == nil {
		f.starts++
		o = &followed{start: f.starts, epoch: top.Epoch, seq: top.Seq}
		o.used.Store(true)
		f.orgs[org] = o
	}
	return false, nil
}

// use notes that what is remembered of an org was used.
func (f *follower) use(org string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.orgs[org]; o != nil {
		o.used.Store(true)
	}
}

// committed takes what this node wrote itself as looked at.
func (f *follower) committed(org string, events []store.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.orgs[org]; o != nil && events[0].Seq == o.seq+1 {
		o.seq = events[len(events)-1].Seq
	}
}

// rung says that the log of org has reached seq; 0: unknown. No org is every org.
func (f *follower) rung(org string, seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if org == "" {
		for org := range f.orgs {
			f.rang[org] = struct{}{}
		}
	} else {
		o := f.orgs[org]
		if o == nil || seq != 0 && seq <= o.seq {
			return
		}
		f.rang[org] = struct{}{}
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run looks until ctx ends.
func (f *follower) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for org, o := range f.take(true) {
				if o.used.Swap(false) {
					o.idle = 0
				} else if o.idle++; o.idle >= idleLooks {
					f.forget(org)
					continue
				}
				f.look(ctx, org, o)
			}
		case <-f.wake:
			for org, o := range f.take(false) {
				f.look(ctx, org, o)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookPause):
			}
		}
	}
}

// take answers the orgs to look at: all that are followed, or those that rang.
func (f *follower) take(all bool) map[string]*followed {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]*followed)
	for org, o := range f.orgs {
		if _, rang := f.rang[org]; all || rang {
			out[org] = o
		}
	}
	clear(f.rang)
	return out
}

// look reads what an org's log has got since the last look.
func (f *follower) look(ctx context.Context, org string, o *followed) {
	f.mu.Lock()
	seq := o.seq
	f.mu.Unlock()
	top, err := f.log.LogTop(ctx, org)
	changed := false
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, store.ErrNotFound), err == nil && (top.Epoch != o.epoch || top.Seq < seq):
		f.forget(org)
		return
	case err == nil:
		changed, err = f.changed(ctx, org, seq, top.Seq)
	}
	if err != nil {
		f.warn.ErrorContext(ctx, "what changed in an org cannot be read: its credentials are looked up again", "org", org, "error", err)
		f.forget(org)
		return
	}
	f.mu.Lock()
	o.seq = max(o.seq, top.Seq)
	f.mu.Unlock()
	if changed {
		f.gens.forget(org)
	}
}

// changed reports whether access changed above seq and up to top, also when that is
// not known any more.
func (f *follower) changed(ctx context.Context, org string, seq, top int64) (bool, error) {
	for seq < top {
		events, err := f.log.ReadLog(ctx, org, seq, lookPage)
		if err != nil {
			return false, err
		}
		if len(events) == 0 || events[0].Seq != seq+1 {
			return true, nil
		}
		for i := range events {
			if events[i].Type == accessChanged {
				return true, nil
			}
		}
		seq = events[len(events)-1].Seq
	}
	return false, nil
}

// forget ends the following of an org, and what is remembered of it.
func (f *follower) forget(org string) {
	f.mu.Lock()
	delete(f.orgs, org)
	f.mu.Unlock()
	f.gens.forget(org)
}
