package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/b2b-protocol/b2b/server/store"
)

// round keeps the leases, gives back those that are too many, and takes some that are
// free.
func (d *Dispatcher) round(ctx context.Context) error {
	if err := d.renew(ctx); err != nil {
		return err
	}
	for {
		free, more, err := d.free(ctx)
		if err != nil || len(free) == 0 {
			return err
		}
		room, err := d.room(ctx)
		if err != nil {
			return err
		}
		taken, err := d.take(ctx, free, room)
		if err != nil {
			d.doubt()
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

// free lists webhooks that nobody serves, but for those that this node is about to stop
// serving or has just failed to serve; more says that these may not be all.
func (d *Dispatcher) free(ctx context.Context) (refs []store.BotRef, more bool, err error) {
	now := d.Clock.Now()
	d.mu.Lock()
	maps.DeleteFunc(d.failed, func(_ string, until time.Time) bool { return !now.Before(until) })
	limit := claimAtATime + len(d.failed) + len(d.readers)
	d.mu.Unlock()
	refs, err = d.Store.UnleasedWebhooks(ctx, now.UnixMilli(), d.latest(now), limit)
	if err != nil {
		return nil, false, fmt.Errorf("list webhooks that nobody serves: %w", err)
	}
	more = len(refs) == limit
	d.mu.Lock()
	refs = slices.DeleteFunc(refs, func(ref store.BotRef) bool {
		_, failed := d.failed[ref.BotID]
		return failed || d.readers[ref.BotID] != nil
	})
	d.mu.Unlock()
	unmet := make(map[string]time.Time, len(refs))
	for _, ref := range refs {
		since, seen := d.unmet[ref.BotID]
		if !seen {
			since = now
		}
		unmet[ref.BotID] = since
	}
	d.unmet = unmet
	return refs, more, nil
}

// room compares what this node holds with its share, which is as many webhooks as any
// other node, rounded up, so that all are served; it is negative for what is too much.
//
// Leases of webhooks that are to be served decide, not readers: one whose bot was removed
// may be busy with a receiver that hangs, and takes nobody's place meanwhile.
func (d *Dispatcher) room(ctx context.Context) (int, error) {
	if d.Alone {
		return claimAtATime, nil
	}
	now := d.Clock.Now()
	s, err := d.Store.WebhookShare(ctx, d.Node, now.UnixMilli(), d.latest(now))
	if err != nil {
		return 0, fmt.Errorf("count webhooks and nodes: %w", err)
	}
	nodes := max(s.Nodes, 1)
	return int((s.Webhooks+nodes-1)/nodes - s.Held), nil
}

// latest is when a lease ends at the latest, also by a clock that is as far ahead as a lease
// is long: one that ends later was given before the clock was put back, and is dead
// (B2B-LIFE-020).
func (d *Dispatcher) latest(now time.Time) int64 { return now.Add(2 * d.Lease).UnixMilli() }

// yield gives up what this node has beyond its share, unless nobody took it lately.
func (d *Dispatcher) yield(ctx context.Context) error {
	if d.Alone || d.Clock.Now().Before(d.keeping) {
		return nil
	}
	leaving := d.leaving() // before the leases that they still have are counted
	room, err := d.room(ctx)
	if err != nil {
		return err
	}
	if surplus := -room - leaving; surplus > 0 {
		held := d.serving()
		d.stop(held[:min(surplus, len(held))]...) // each gives its lease back when it has stopped
	}
	return nil
}

// renew keeps the leases of this node, and tells others that it is there. Who comes late
// has to take it that others serve its webhooks by now.
func (d *Dispatcher) renew(ctx context.Context) (err error) {
	d.mu.Lock()
	unsure := d.unsure
	d.unsure = false
	d.mu.Unlock()
	defer func() {
		if unsure && err != nil {
			d.doubt()
		}
	}()
	held := d.serving()
	now := d.Clock.Now()
	if len(held) == 0 && d.Alone && !unsure {
		d.renewed = now
		return nil
	}
	if d.known && !unsure && now.Sub(d.renewed) < d.Lease/6 {
		return nil
	}
	var kept int64
	err = d.Store.Update(ctx, "", func(tx store.Tx) (err error) {
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
	if kept != int64(len(held)) {
		if err := d.reconcile(ctx, held); err != nil {
			return err
		}
	}
	return d.yield(ctx)
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

// take gets leases that nobody else got meanwhile, as many as this node has room for.
// Others are left to nodes that have room, but not for long: the node that counts as
// having it may be dead.
func (d *Dispatcher) take(ctx context.Context, free []store.BotRef, room int) (taken []store.BotRef, err error) {
	now := d.Clock.Now()
	late := func(ref store.BotRef) bool { return now.Sub(d.unmet[ref.BotID]) >= pollEvery }
	if room <= 0 && !slices.ContainsFunc(free, late) {
		return nil, nil
	}
	err = d.Store.Update(ctx, "", func(tx store.Tx) error {
		taken = nil
		for _, ref := range free {
			if len(taken) >= room && !late(ref) {
				continue
			}
			got, err := tx.LeaseWebhook(ctx, ref.BotID, d.Node, now.UnixMilli(), now.Add(d.Lease).UnixMilli())
			if err != nil {
				return err
			}
			if got {
				taken = append(taken, ref)
			}
			if len(taken) == claimAtATime {
				return nil
			}
		}
		return nil
	})
	if len(taken) > max(room, 0) {
		d.keeping = now.Add(d.Lease)
	}
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
