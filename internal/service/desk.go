package service

import (
	"context"
	"sync"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	// deskIdle is how long a desk without calls follows its org: most calls are soon followed by
	// another one, and a subscription costs more than they do.
	deskIdle = 10 * time.Second
	// retryWaits is when some of the waiting calls have ended, in seconds.
	retryWaits = 5
)

// desks wake the calls on this node that wait for something: for a lease, or for a delivery. What
// they wait for may happen on any node, so desks follow the logs of the orgs with waiting calls, one
// subscription for each org.
type desks struct {
	core  *core
	types []string // of events
	// keys returns the keys of the calls to wake for an event.
	keys func(ctx context.Context, it *eventlog.Item) []string
	// most is how many calls of a key, and of an org, may wait on this node.
	mostOfKey, mostOfOrg int

	mu   sync.Mutex
	orgs map[string]*desk
}

// desk is the subscription for the calls of one org.
type desk struct {
	users  int         // guarded by desks.mu
	idle   *time.Timer // guarded by desks.mu; closes the desk
	open   sync.Once
	err    error // of opening
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool
	calls map[string]map[chan struct{}]struct{} // by key
}

// join starts to wake a call for the events after join has returned, and when the subscription ends.
// leave ends that, and must be called once.
func (d *desks) join(org, key string) (woken chan struct{}, leave func(), err error) {
	d.mu.Lock()
	at := d.orgs[org]
	if at == nil {
		at = &desk{calls: map[string]map[chan struct{}]struct{}{}}
		d.orgs[org] = at
	}
	if at.users >= d.mostOfOrg {
		d.mu.Unlock()
		return nil, nil, errTooManyWait()
	}
	at.users++
	if at.idle != nil {
		at.idle.Stop()
		at.idle = nil
	}
	d.mu.Unlock()

	at.open.Do(func() { at.err = d.start(at, org) })
	if at.err != nil {
		d.leave(org, at)
		return nil, nil, at.err
	}
	call := make(chan struct{}, 1)
	if !at.add(key, call, d.mostOfKey) {
		d.leave(org, at)
		return nil, nil, errTooManyWait()
	}
	return call, func() {
		at.remove(key, call)
		d.leave(org, at)
	}, nil
}

func errTooManyWait() error {
	e := call.Errorf(b2bv1.ErrorCode_ERROR_CODE_TOO_MANY_STREAMS, "Too many calls of this bot or org wait").
		WithHint("Let fewer workers wait at the same time, each for more.")
	e.RetryAfter = retryWaits
	return e
}

// leave releases a desk. It is closed some time after its last call.
func (d *desks) leave(org string, at *desk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at.users--
	switch {
	case at.users > 0:
	case at.err != nil || d.orgs[org] != at:
		d.drop(org, at)
	default:
		at.idle = time.AfterFunc(deskIdle, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if at.users == 0 {
				d.drop(org, at)
			}
		})
	}
}

// drop ends a desk, so that the next call opens another one. mu is held.
func (d *desks) drop(org string, at *desk) {
	if d.orgs[org] == at {
		delete(d.orgs, org)
	}
	if at.cancel != nil {
		at.cancel()
	}
}

// start subscribes to the log of an org. Calls that join meanwhile wait for it, so it does not end
// with the call that was first.
func (d *desks) start(at *desk, org string) error {
	run, cancel := context.WithCancel(call.OnBehalf(d.core.Streams, org))
	viewer := eventlog.Viewer{OrgID: org, Webhook: true, Everything: true}
	sub, err := d.core.Events.Subscribe(run, viewer, nil, eventlog.Filter{Types: d.types})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		cancel()
		d.drop(org, at)
		return err
	}
	at.cancel = cancel
	go d.run(run, sub, at, org)
	return nil
}

// run wakes calls until the desk or its subscription ends.
func (d *desks) run(ctx context.Context, sub *eventlog.Subscription, at *desk, org string) {
	defer sub.Close()
	for {
		it, err := sub.Next(ctx)
		if err != nil {
			d.mu.Lock()
			d.drop(org, at)
			d.mu.Unlock()
			at.end()
			return
		}
		if it.Event != nil {
			at.wake(d.keys(ctx, it)...)
		}
	}
}

// wake wakes the calls with keys on this node.
func (d *desks) wake(org string, keys ...string) {
	d.mu.Lock()
	at := d.orgs[org]
	d.mu.Unlock()
	if at != nil {
		at.wake(keys...)
	}
}

// add reports false if most calls wait for the key. A desk that has ended wakes the call at once.
func (d *desk) add(key string, call chan struct{}, most int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls[key]
	if len(calls) >= most {
		return false
	}
	if calls == nil {
		calls = map[chan struct{}]struct{}{}
		d.calls[key] = calls
	}
	calls[call] = struct{}{}
	if d.ended {
		wake(call)
	}
	return true
}

func (d *desk) remove(key string, call chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls[key], call)
	if len(d.calls[key]) == 0 {
		delete(d.calls, key)
	}
}

func (d *desk) wake(keys ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range keys {
		for call := range d.calls[key] {
			wake(call)
		}
	}
}

// end wakes all calls: from now on they look from time to time.
func (d *desk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for _, calls := range d.calls {
		for call := range calls {
			wake(call)
		}
	}
}

// wake leaves a token for a call, unless there is one.
func wake(woken chan<- struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}
