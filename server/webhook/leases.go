package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/server/store"
)

// round keeps the leases, gives back those that are too many, and takes some that are
// free.
func (d *Dispatcher) round(ctx context.Context) error {
	if err := d.renew(ctx); err != nil {
		return err
	}
	for {
		room, err := d.share(ctx)
		if err != nil || room <= 0 {
			return err
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

// share compares what this node holds with its share, which is as many webhooks as any
// other node, rounded up, so that all are served. It gives up what is too much, and tells
// how many there is room for.
//
// Leases of webhooks that are to be served decide, not readers: one whose bot was removed
// may be busy with a receiver that hangs, and takes nobody's place meanwhile.
func (d *Dispatcher) share(ctx context.Context) (room int, err error) {
	if d.Alone {
		return claimAtATime, nil
	}
	leaving := d.leaving() // before the leases that they still have are counted
	s, err := d.Store.WebhookShare(ctx, d.Node, d.Clock.Now().UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("count webhooks and nodes: %w", err)
	}
	nodes := max(s.Nodes, 1)
	most := (s.Webhooks + nodes - 1) / nodes
	if surplus := int(s.Held-most) - leaving; surplus > 0 {
		held := d.serving()
		d.stop(held[:min(surplus, len(held))]...) // each gives its lease back when it has stopped
	}
	return int(most - s.Held), nil
}

// renew keeps the leases of this node, and tells others that it is there. Who comes late
// has to take it that others serve its webhooks by now.
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
	if now.Sub(d.renewed) >= d.Lease {
		d.stop(held...)
	}
	if err != nil {
		return fmt.Errorf("renew the leases of webhooks: %w", err)
	}
	d.renewed, d.known = now, true
	if kept == int64(len(held)) {
		return nil
	}
	return d.reconcile(ctx, held)
}

// reconcile ends the readers whose leases are lost, and gives back leases without a
// reader. There are such when the store failed: one was taken, or should have been given
// back, and nobody knows whether that was done.
func (d *Dispatcher) reconcile(ctx context.Context, held []string) error {
	leased, err := d.Store.HeldWebhooks(ctx, d.Node)
	if err != nil {
		return fmt.Errorf("list the leases of webhooks: %w", err)
	}
	there := make(map[string]bool, len(leased))
	for _, bot := range leased {
		there[bot] = true
	}
	d.stop(slices.DeleteFunc(held, func(bot string) bool { return there[bot] })...)
	for _, bot := range leased {
		d.mu.Lock()
		read := d.readers[bot] != nil
		d.mu.Unlock()
		if read {
			continue // also one that is about to stop: it gives its lease back itself
		}
		if err := d.release(ctx, bot); err != nil {
			return err
		}
	}
	return nil
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

// release gives back the lease for a bot, or with an empty bot all of this node's.
func (d *Dispatcher) release(ctx context.Context, bot string) error {
	err := d.Store.Update(ctx, "", func(tx store.Tx) error { return tx.ReleaseWebhook(ctx, bot, d.Node) })
	if err != nil && !errors.Is(err, store.ErrClosed) {
		return fmt.Errorf("give back the leases of webhooks: %w", err)
	}
	return nil
}
