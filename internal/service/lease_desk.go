package service

import (
	"context"
	"sync"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
)

// leaseDesks wake the calls on this node that wait for leases. A lease may be granted on any node,
// so they follow the logs of the orgs with waiting calls, one subscription for each org.
type leaseDesks struct {
	core *core

	mu   sync.Mutex
	orgs map[string]*leaseDesk
}

func newLeaseDesks(c *core) *leaseDesks { return &leaseDesks{core: c, orgs: map[string]*leaseDesk{}} }

// leaseDesk is the subscription for the calls of one org.
type leaseDesk struct {
	users  int // guarded by leaseDesks.mu
	open   sync.Once
	err    error // of opening
	sub    *eventlog.Subscription
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended

	mu    sync.Mutex
	ended bool
	calls map[string]chan struct{} // by the id of the lease
}

// join starts to wake a call when a lease with this id is granted after join has returned, and when
// the subscription ends. leave ends that, and must be called once.
func (d *leaseDesks) join(org, id string) (woken <-chan struct{}, leave func(), err error) {
	d.mu.Lock()
	desk := d.orgs[org]
	if desk == nil {
		desk = &leaseDesk{calls: map[string]chan struct{}{}, done: make(chan struct{})}
		d.orgs[org] = desk
	}
	desk.users++
	d.mu.Unlock()

	desk.open.Do(func() { desk.err = d.start(desk, org) })
	if desk.err != nil {
		d.leave(org, desk)
		return nil, nil, desk.err
	}
	call := make(chan struct{}, 1)
	desk.mu.Lock()
	if desk.ended {
		wake(call)
	}
	desk.calls[id] = call
	desk.mu.Unlock()
	return call, func() {
		desk.mu.Lock()
		if desk.calls[id] == call {
			delete(desk.calls, id)
		}
		desk.mu.Unlock()
		d.leave(org, desk)
	}, nil
}

// leave releases a desk; the last call closes it.
func (d *leaseDesks) leave(org string, desk *leaseDesk) {
	d.mu.Lock()
	desk.users--
	last := desk.users == 0
	if last && d.orgs[org] == desk {
		delete(d.orgs, org)
	}
	d.mu.Unlock()
	if last && desk.sub != nil {
		desk.cancel()
		<-desk.done
		desk.sub.Close()
	}
}

// start subscribes to the log of an org. Calls that join meanwhile wait for it, so it does not end
// with the call that was first.
func (d *leaseDesks) start(desk *leaseDesk, org string) error {
	run, cancel := context.WithCancel(call.OnBehalf(d.core.Streams, org))
	viewer := eventlog.Viewer{OrgID: org, Webhook: true} // the server's own
	sub, err := d.core.Events.Subscribe(run, viewer, nil, eventlog.Filter{Types: []string{eventtype.LeaseAcquired}})
	if err != nil {
		cancel()
		d.forget(org, desk)
		return err
	}
	desk.sub, desk.cancel = sub, cancel
	go d.run(run, desk, org)
	return nil
}

// run wakes calls until the subscription or its last user ends.
func (d *leaseDesks) run(ctx context.Context, desk *leaseDesk, org string) {
	defer close(desk.done)
	for {
		it, err := desk.sub.Next(ctx)
		if err != nil {
			d.forget(org, desk)
			desk.end()
			return
		}
		if lease := it.Event.GetLeaseAcquired().GetLease(); lease != nil {
			desk.wake(lease.GetId())
		}
	}
}

// forget makes the next call open another desk.
func (d *leaseDesks) forget(org string, desk *leaseDesk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.orgs[org] == desk {
		delete(d.orgs, org)
	}
}

func (d *leaseDesk) wake(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if woken := d.calls[id]; woken != nil {
		wake(woken)
	}
}

// end wakes all calls: from now on they look for their leases from time to time.
func (d *leaseDesk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for _, woken := range d.calls {
		wake(woken)
	}
}

// wake leaves a token for a call, unless there is one.
func wake(woken chan<- struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}
