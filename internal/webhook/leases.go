package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/b2b-protocol/b2b/internal/store"
)

// checkEvery is how often a node reads which webhooks it holds, and releases its surplus.
func (d *Dispatcher) checkEvery() time.Duration { return d.Node.Lease / 6 }

// round stops the readers of webhooks that this node has lost, releases its surplus, and takes free
// webhooks.
func (d *Dispatcher) round(ctx context.Context) error {
	if err := d.check(ctx); err != nil {
		return err
	}
	if !d.Node.Held() {
		return nil // a node without a lease can take nothing
	}
	for {
		free, more, err := d.free(ctx)
		if err != nil || len(free) == 0 {
			return err
		}
		capacity, err := d.capacity(ctx)
		if err != nil {
			return err
		}
		taken, err := d.take(ctx, free, capacity)
		if err != nil {
			d.markUncertain()
			return fmt.Errorf("take webhooks: %w", err)
		}
		for _, ref := range taken {
			d.start(ctx, ref)
		}
		if !more || len(taken) == 0 {
			return nil
		}
	}
}

// free returns webhooks and push configs that no live node holds, except those that this node is still
// stopping to serve, has just failed to serve, or cannot serve. more reports whether there may be
// others.
func (d *Dispatcher) free(ctx context.Context) (refs []store.HookRef, more bool, err error) {
	now := d.Clock.Now()
	d.mu.Lock()
	maps.DeleteFunc(d.failed, func(_ string, until time.Time) bool { return !now.Before(until) })
	limit := maxClaim + len(d.failed) + len(d.readers)
	d.mu.Unlock()
	refs, err = d.Store.FreeWebhooks(ctx, d.Node.Live(), limit)
	if err != nil {
		return nil, false, fmt.Errorf("list webhooks without a node: %w", err)
	}
	more = len(refs) == limit
	d.mu.Lock()
	refs = slices.DeleteFunc(refs, func(ref store.HookRef) bool {
		_, failed := d.failed[ref.ID()]
		return failed || d.readers[ref.ID()] != nil || ref.PushID != "" && d.Tasks == nil
	})
	d.mu.Unlock()
	unserved := make(map[string]time.Time, len(refs))
	for _, ref := range refs {
		since, seen := d.unserved[ref.ID()]
		if !seen {
			since = now
		}
		unserved[ref.ID()] = since
	}
	d.unserved = unserved
	return refs, more, nil
}

// capacity returns how many more webhooks this node may serve; a negative number is its surplus.
// Its share is the number of webhooks divided by that of nodes, rounded up.
//
// It counts the webhooks that it holds and must serve, not readers: the reader of a removed bot
// may be waiting for a receiver that hangs.
func (d *Dispatcher) capacity(ctx context.Context) (int, error) {
	if d.Node.Single {
		return maxClaim, nil
	}
	s, err := d.Store.WebhookShare(ctx, d.Node.ID, d.Node.Live())
	if err != nil {
		return 0, fmt.Errorf("count webhooks and nodes: %w", err)
	}
	nodes := max(s.Nodes, 1)
	return int((s.Webhooks+nodes-1)/nodes - s.Held), nil
}

// releaseSurplus stops readers beyond the share of this node, unless it has just taken webhooks
// that no other node took.
func (d *Dispatcher) releaseSurplus(ctx context.Context) error {
	if d.Node.Single || d.Clock.Now().Before(d.surplusUntil) {
		return nil
	}
	stopping := d.stopping() // before capacity counts what they still hold
	capacity, err := d.capacity(ctx)
	if err != nil {
		return err
	}
	if surplus := -capacity - stopping; surplus > 0 {
		serving := d.serving()
		d.stop(serving[:min(surplus, len(serving))]...) // each releases its webhook when it has ended
	}
	return nil
}

// check stops the readers of webhooks that this node holds no longer. While the lease of the node is
// not live, or after it had ended, other nodes may serve them all, so it stops every reader.
func (d *Dispatcher) check(ctx context.Context) (err error) {
	d.mu.Lock()
	uncertain := d.uncertain
	d.uncertain = false
	d.mu.Unlock()
	defer func() {
		if uncertain && err != nil {
			d.markUncertain()
		}
	}()
	serving := d.serving()
	now := d.Clock.Now()
	if lapses := d.Node.Lapses(); lapses != d.lapses || !d.Node.Held() {
		d.lapses = lapses
		d.stop(serving...)
	}
	if !uncertain && (len(serving) == 0 && d.Node.Single || now.Sub(d.checked) < d.checkEvery()) {
		return nil
	}
	if err := d.reconcile(ctx, serving); err != nil {
		return err
	}
	d.checked = now
	return d.releaseSurplus(ctx)
}

// reconcile stops the readers of webhooks that this node has lost, and releases webhooks without a
// reader. The latter remain when the result of taking or releasing a webhook was lost.
func (d *Dispatcher) reconcile(ctx context.Context, serving []string) error {
	held, err := d.Store.HeldWebhooks(ctx, d.Node.ID)
	if err != nil {
		return fmt.Errorf("list the webhooks of this node: %w", err)
	}
	holds := make(map[string]bool, len(held))
	for _, id := range held {
		holds[id] = true
	}
	d.stop(slices.DeleteFunc(serving, func(id string) bool { return holds[id] })...)
	for _, id := range held {
		d.mu.Lock()
		running := d.readers[id] != nil
		d.mu.Unlock()
		if running {
			continue // a stopping reader releases its webhook itself
		}
		if err := d.release(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// take takes webhooks that are still free, up to the capacity of this node. Beyond it, it takes only
// webhooks that were free for pollEvery: the node with free capacity may have crashed.
func (d *Dispatcher) take(ctx context.Context, free []store.HookRef, capacity int) (taken []store.HookRef, err error) {
	now := d.Clock.Now()
	overdue := func(ref store.HookRef) bool { return now.Sub(d.unserved[ref.ID()]) >= pollEvery }
	if capacity <= 0 && !slices.ContainsFunc(free, overdue) {
		return nil, nil
	}
	live := d.Node.Live()
	err = d.Store.Update(ctx, "", func(tx Tx) error {
		taken = nil
		for _, ref := range free {
			if len(taken) >= capacity && !overdue(ref) {
				continue
			}
			got, err := tx.TakeWebhook(ctx, ref, d.Node.ID, live)
			if err != nil {
				return err
			}
			if got {
				taken = append(taken, ref)
			}
			if len(taken) == maxClaim {
				return nil
			}
		}
		return nil
	})
	if len(taken) > max(capacity, 0) {
		d.surplusUntil = now.Add(d.Node.Lease)
	}
	return taken, err
}

// release releases a webhook or push config, or with an empty id all of this node.
func (d *Dispatcher) release(ctx context.Context, id string) error {
	err := d.Store.Update(ctx, "", func(tx Tx) error { return tx.ReleaseWebhook(ctx, id, d.Node.ID) })
	if err != nil && !errors.Is(err, store.ErrClosed) {
		return fmt.Errorf("release webhooks: %w", err)
	}
	return nil
}
