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

// round renews the leases of this node, releases its surplus, and takes free leases.
func (d *Dispatcher) round(ctx context.Context) error {
	if err := d.renew(ctx); err != nil {
		return err
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
			return fmt.Errorf("take the leases of webhooks: %w", err)
		}
		for _, ref := range taken {
			d.start(ctx, ref)
		}
		if !more || len(taken) == 0 {
			return nil
		}
	}
}

// free returns webhooks without a lease, except those that this node is still stopping to serve or
// has just failed to serve. more reports whether there may be others.
func (d *Dispatcher) free(ctx context.Context) (refs []store.BotRef, more bool, err error) {
	now := d.Clock.Now()
	d.mu.Lock()
	maps.DeleteFunc(d.failed, func(_ string, until time.Time) bool { return !now.Before(until) })
	limit := maxClaim + len(d.failed) + len(d.readers)
	d.mu.Unlock()
	refs, err = d.Store.UnleasedWebhooks(ctx, now.UnixMilli(), d.latestExpiry(now), limit)
	if err != nil {
		return nil, false, fmt.Errorf("list webhooks without a lease: %w", err)
	}
	more = len(refs) == limit
	d.mu.Lock()
	refs = slices.DeleteFunc(refs, func(ref store.BotRef) bool {
		_, failed := d.failed[ref.BotID]
		return failed || d.readers[ref.BotID] != nil
	})
	d.mu.Unlock()
	unserved := make(map[string]time.Time, len(refs))
	for _, ref := range refs {
		since, seen := d.unserved[ref.BotID]
		if !seen {
			since = now
		}
		unserved[ref.BotID] = since
	}
	d.unserved = unserved
	return refs, more, nil
}

// capacity returns how many more webhooks this node may serve; a negative number is its surplus.
// Its share is the number of webhooks divided by that of nodes, rounded up.
//
// It counts the leases of webhooks that must be served, not readers: the reader of a removed bot
// may be waiting for a receiver that hangs.
func (d *Dispatcher) capacity(ctx context.Context) (int, error) {
	if d.Alone {
		return maxClaim, nil
	}
	now := d.Clock.Now()
	s, err := d.Store.WebhookShare(ctx, d.Node, now.UnixMilli(), d.latestExpiry(now))
	if err != nil {
		return 0, fmt.Errorf("count webhooks and nodes: %w", err)
	}
	nodes := max(s.Nodes, 1)
	return int((s.Webhooks+nodes-1)/nodes - s.Held), nil
}

// latestExpiry returns the latest end of a valid lease, in Unix milliseconds. It allows for a clock
// that is a lease ahead. A lease that ends later was taken before the clock was set back, and
// counts as ended (B2B-LIFE-020).
func (d *Dispatcher) latestExpiry(now time.Time) int64 { return now.Add(2 * d.Lease).UnixMilli() }

// releaseSurplus stops readers beyond the share of this node, unless it has just taken webhooks
// that no other node took.
func (d *Dispatcher) releaseSurplus(ctx context.Context) error {
	if d.Alone || d.Clock.Now().Before(d.surplusUntil) {
		return nil
	}
	stopping := d.stopping() // before capacity counts the leases that they still have
	capacity, err := d.capacity(ctx)
	if err != nil {
		return err
	}
	if surplus := -capacity - stopping; surplus > 0 {
		serving := d.serving()
		d.stop(serving[:min(surplus, len(serving))]...) // each releases its lease when it has ended
	}
	return nil
}

// renew extends the leases of this node and its own entry among the nodes. If it is late by a
// lease, other nodes may serve its webhooks, so it stops its readers.
func (d *Dispatcher) renew(ctx context.Context) (err error) {
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
	if len(serving) == 0 && d.Alone && !uncertain {
		d.renewed = now
		return nil
	}
	if d.registered && !uncertain && now.Sub(d.renewed) < d.Lease/6 {
		return nil
	}
	var kept int64
	err = d.Store.Update(ctx, "", func(tx store.Tx) (err error) {
		kept, err = tx.RenewWebhooks(ctx, d.Node, now.UnixMilli(), now.Add(d.Lease).UnixMilli())
		return err
	})
	if now.Sub(d.renewed) >= d.Lease {
		d.stop(serving...)
	}
	if err != nil {
		return fmt.Errorf("renew the leases of webhooks: %w", err)
	}
	d.renewed, d.registered = now, true
	if kept != int64(len(serving)) {
		if err := d.reconcile(ctx, serving); err != nil {
			return err
		}
	}
	return d.releaseSurplus(ctx)
}

// reconcile stops the readers that have lost their leases, and releases leases without a reader.
// The latter remain when the result of taking or releasing a lease was lost.
func (d *Dispatcher) reconcile(ctx context.Context, serving []string) error {
	leased, err := d.Store.LeasedWebhooks(ctx, d.Node)
	if err != nil {
		return fmt.Errorf("list the leases of webhooks: %w", err)
	}
	has := make(map[string]bool, len(leased))
	for _, bot := range leased {
		has[bot] = true
	}
	d.stop(slices.DeleteFunc(serving, func(bot string) bool { return has[bot] })...)
	for _, bot := range leased {
		d.mu.Lock()
		running := d.readers[bot] != nil
		d.mu.Unlock()
		if running {
			continue // a stopping reader releases its lease itself
		}
		if err := d.release(ctx, bot); err != nil {
			return err
		}
	}
	return nil
}

// take takes leases that are still free, up to the capacity of this node. Beyond it, it takes only
// webhooks that were free for pollEvery: the node with free capacity may have crashed.
func (d *Dispatcher) take(ctx context.Context, free []store.BotRef, capacity int) (taken []store.BotRef, err error) {
	now := d.Clock.Now()
	overdue := func(ref store.BotRef) bool { return now.Sub(d.unserved[ref.BotID]) >= pollEvery }
	if capacity <= 0 && !slices.ContainsFunc(free, overdue) {
		return nil, nil
	}
	err = d.Store.Update(ctx, "", func(tx store.Tx) error {
		taken = nil
		for _, ref := range free {
			if len(taken) >= capacity && !overdue(ref) {
				continue
			}
			got, err := tx.LeaseWebhook(ctx, ref.BotID, d.Node, now.UnixMilli(), now.Add(d.Lease).UnixMilli())
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
		d.surplusUntil = now.Add(d.Lease)
	}
	return taken, err
}

// release releases the lease of a bot, or with an empty bot all leases of this node.
func (d *Dispatcher) release(ctx context.Context, bot string) error {
	err := d.Store.Update(ctx, "", func(tx store.Tx) error { return tx.ReleaseWebhook(ctx, bot, d.Node) })
	if err != nil && !errors.Is(err, store.ErrClosed) {
		return fmt.Errorf("release the leases of webhooks: %w", err)
	}
	return nil
}
