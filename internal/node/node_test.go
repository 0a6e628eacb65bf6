package node_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/b2b-protocol/b2b/internal/node"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/store/storetest/sqltest"
)

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newNode(db store.Store, id string, single bool, c *clock) *node.Node {
	return node.New(node.Config{Store: store.Narrow(db, func(tx store.Tx) node.Tx { return tx }), ID: id, Single: single, Now: c.now, Log: slog.New(slog.DiscardHandler)})
}

// TestLease renews a lease at several times, and says what holds a while later.
func TestLease(t *testing.T) {
	t.Parallel()
	const second = time.Second
	tests := []struct {
		name         string
		renewals     []time.Duration // after the start, each after the one before
		later        time.Duration   // since the last of them
		held, steady bool
		lapses       int
	}{
		{name: "at the start", held: true, steady: true},
		{name: "shortly before half a lease", later: 5*second - 1, held: true, steady: true},
		{name: "half a lease without renewal", later: 5 * second, held: true},
		{name: "shortly before its end", later: 10*second - 1, held: true},
		{name: "at its end", later: 10 * second},
		{name: "renewed in time", renewals: []time.Duration{2 * second, 4 * second}, later: second, held: true, steady: true},
		{name: "renewed late, but before its end", renewals: []time.Duration{9 * second}, later: second, held: true},
		{name: "renewed after its end", renewals: []time.Duration{10 * second}, held: true, lapses: 1},
		{name: "steady again after one lease", renewals: []time.Duration{10 * second, 14 * second, 18 * second, 20 * second}, held: true, steady: true, lapses: 1},
		{name: "not yet steady", renewals: []time.Duration{10 * second, 14 * second, 18 * second}, later: second, held: true, lapses: 1},
		{name: "two lapses", renewals: []time.Duration{10 * second, 30 * second}, held: true, lapses: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Unix(1_800_000_000, 0)
			c := &clock{at: start}
			n := newNode(sqltest.SQLite(t), "a", false, c)
			if n.Held() || n.Steady() {
				t.Error("a node holds a lease before it starts")
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, after := range tt.renewals {
				c.at = start.Add(after)
				if err := n.Renew(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c.at = c.at.Add(tt.later)
			if n.Held() != tt.held || n.Steady() != tt.steady || n.Lapses() != tt.lapses {
				t.Errorf("held %v, steady %v, lapses %d; want %v, %v, %d", n.Held(), n.Steady(), n.Lapses(), tt.held, tt.steady, tt.lapses)
			}
		})
	}
}

// TestEnsure: a live lease is left as it is, another is renewed.
func TestEnsure(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	n := newNode(sqltest.SQLite(t), "a", false, c)
	ensure := func() {
		t.Helper()
		if err := n.Ensure(t.Context()); err != nil || !n.Held() {
			t.Fatalf("held %v, %v", n.Held(), err)
		}
	}
	ensure()
	c.at = c.at.Add(node.Lease - time.Second)
	ensure()
	c.at = c.at.Add(time.Second)
	if n.Held() {
		t.Error("a live lease was renewed")
	}
	ensure()
	if n.Lapses() != 1 {
		t.Errorf("%d lapses, want 1", n.Lapses())
	}
}

// TestRefusedRenewal: a renewal that the store refuses leaves the lease as it was.
func TestRefusedRenewal(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	n := newNode(sqltest.SQLite(t), "a", false, c)
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(node.Lease / 2)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Renew(ended); err == nil {
		t.Fatal("a renewal with an ended context succeeded")
	}
	if !n.Held() {
		t.Error("the lease ended early")
	}
	c.at = c.at.Add(node.Lease / 2)
	if n.Held() {
		t.Error("the refused renewal counted")
	}
}

// TestEnd: a lease that was ended is not held, and can be taken again without a lapse.
func TestEnd(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	n := newNode(sqltest.SQLite(t), "a", false, c)
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.End(t.Context()); err != nil || n.Held() {
		t.Fatalf("held %v, %v", n.Held(), err)
	}
	c.at = c.at.Add(time.Hour)
	if err := n.Renew(t.Context()); err != nil || !n.Held() || n.Lapses() != 0 {
		t.Errorf("held %v, %d lapses, %v", n.Held(), n.Lapses(), err)
	}
}

// TestLive: the condition allows for a clock that is a lease ahead, not for more (B2B-LIFE-020).
func TestLive(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	n := newNode(sqltest.SQLite(t), "a", false, c)
	want := store.Live{Now: c.at.UnixMilli(), Latest: c.at.Add(2 * node.Lease).UnixMilli()}
	if got := n.Live(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestRun renews the lease until its context ends.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := node.New(node.Config{Store: store.Narrow(sqltest.SQLite(t), func(tx store.Tx) node.Tx { return tx }), Lease: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		if n.ID == "" {
			t.Error("a node has no id")
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := n.Live()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		time.Sleep(time.Second) // ten leases: only renewals keep it
		if !n.Held() || n.Live().Now < first.Now+1000 {
			t.Errorf("the lease is not renewed: %+v", n.Live())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
