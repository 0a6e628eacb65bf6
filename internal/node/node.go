// Package node identifies this process among the nodes that share a database, and keeps its lease.
//
// A node has one lease, which ends unless the node renews it. What only a live node may hold refers
// to it by the id of the node: the presence of bots (package presence), webhooks (package webhook)
// and retention jobs (package retention). It counts while the lease is live. So when a node crashes,
// everything that it held ends at one time, at most [Lease] after its last renewal, and other nodes
// take over (B2B-PRES-007, B2B-HOOK-060, B2B-LIFE-007).
//
// A node that could not renew in time has lost what it held, and must take it again ([Node.Lapses]).
// It must not judge other nodes at once, since the cause of the delay may have delayed them as well
// ([Node.Steady]).
//
// Leases end by the clocks of the nodes, which must agree within a few seconds. A lease that ends
// too late to be true was taken before a clock was set back, and counts as ended (B2B-LIFE-020).
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/tally"
)

const (
	// Lease is how long others leave alone what a crashed node held.
	Lease = 10 * time.Second
	// perLease is how often the lease is renewed in its time: three renewals may fail.
	perLease = 4
)

// Config configures a Node.
type Config struct {
	Store Store
	// Single reports that no other process uses the database while this one runs.
	Single bool
	Log    *slog.Logger
	// Tests set these; their zero values are the defaults.
	ID    string           // empty: a new one
	Lease time.Duration    // 0: Lease
	Now   func() time.Time // nil: time.Now
}

// Node is this run of this process. Its methods may be called by many goroutines.
type Node struct {
	ID     string // unique for each run of a process
	Single bool   // no other process uses the database
	Lease  time.Duration

	store  Store
	now    func() time.Time
	failed *tally.Log

	renewing sync.Mutex // held during a renewal

	mu         sync.Mutex
	renewed    time.Time // when the lease was renewed last; zero: never
	lapses     int
	steadyFrom time.Time
}

// New returns a node without a lease. Start takes it.
func New(c Config) *Node {
	n := &Node{
		ID: c.ID, Single: c.Single, Lease: c.Lease, store: c.Store, now: c.Now,
		failed: tally.New(c.Log, "the lease of this node could not be renewed"),
	}
	if n.ID == "" {
		n.ID = uuid.NewString()
	}
	if n.Lease <= 0 {
		n.Lease = Lease
	}
	if n.now == nil {
		n.now = time.Now
	}
	return n
}

// Start takes the lease. A single node ends those of earlier runs, so that nobody waits for them.
func (n *Node) Start(ctx context.Context) error {
	if n.Single {
		err := n.store.Update(ctx, "", func(tx Tx) error { return tx.EndNodes(ctx, math.MaxInt64) })
		if err != nil {
			return fmt.Errorf("end the leases of the previous run: %w", err)
		}
	}
	return n.Renew(ctx)
}

// Run renews the lease until ctx ends.
func (n *Node) Run(ctx context.Context) error {
	return n.failed.Repeat(ctx, n.Lease/perLease, "renewed", n.Renew)
}

// Renew renews the lease, and removes nodes with a lease that ended long ago.
func (n *Node) Renew(ctx context.Context) error {
	n.renewing.Lock()
	defer n.renewing.Unlock()
	return n.renew(ctx)
}

// Ensure renews the lease if it is not live.
func (n *Node) Ensure(ctx context.Context) error {
	if n.Held() {
		return nil
	}
	n.renewing.Lock()
	defer n.renewing.Unlock()
	if n.Held() { // another goroutine has renewed it
		return nil
	}
	return n.renew(ctx)
}

func (n *Node) renew(ctx context.Context) error {
	now := n.now()
	err := n.store.Update(ctx, "", func(tx Tx) error {
		if err := tx.RenewNode(ctx, n.ID, now.Add(n.Lease).UnixMilli()); err != nil {
			return err
		}
		return tx.EndNodes(ctx, now.Add(-2*n.Lease).UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("renew the lease of this node: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.renewed.IsZero() {
		since := now.Sub(n.renewed)
		if since >= n.Lease/2 {
			n.steadyFrom = now.Add(n.Lease)
		}
		if since >= n.Lease {
			n.lapses++
		}
	}
	n.renewed = now
	return nil
}

// Held reports whether the lease of this node is live.
func (n *Node) Held() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heldFor(n.Lease)
}

// heldFor reports whether the lease was renewed less than d ago. The caller has locked mu.
func (n *Node) heldFor(d time.Duration) bool {
	return !n.renewed.IsZero() && n.now().Sub(n.renewed) < d
}

// Lapses returns how many times the lease had ended before it was renewed. When the number has
// changed, other nodes may hold what this one held before.
func (n *Node) Lapses() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lapses
}

// Steady reports whether this node has renewed its lease in time for as long as a lease lasts. Else
// an outage may have kept other nodes from renewing theirs (B2B-PRES-008).
func (n *Node) Steady() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heldFor(n.Lease/2) && !n.now().Before(n.steadyFrom)
}

// Live returns the condition that the lease of a node is live at this time. It allows for a clock
// that is a lease ahead (B2B-LIFE-020).
func (n *Node) Live() store.Live {
	now := n.now()
	return store.Live{Now: now.UnixMilli(), Latest: now.Add(2 * n.Lease).UnixMilli()}
}

// End ends the lease, so that other nodes need not wait for its end.
func (n *Node) End(ctx context.Context) error {
	n.renewing.Lock()
	defer n.renewing.Unlock()
	err := n.store.Update(ctx, "", func(tx Tx) error { return tx.EndNode(ctx, n.ID) })
	n.mu.Lock()
	n.renewed = time.Time{}
	n.mu.Unlock()
	if err != nil && !errors.Is(err, store.ErrClosed) {
		return fmt.Errorf("end the lease of this node: %w", err)
	}
	return nil
}
