package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/b2b-protocol/b2b/server/eventlog"
	"github.com/b2b-protocol/b2b/server/store"
)

// version is the first key of every body.
const version = `{"webhook_version":"1",`

// keyLost is why nothing is posted to a webhook that has an address or a secret which
// cannot be opened.
const keyLost = "the address or the secret of the webhook cannot be read: it was sealed under a key that this server does not have"

// handle makes the first attempt at an event of the log.
func (r *reader) handle(ctx context.Context, it *eventlog.Item) error {
	if own(it.Event, r.ref.BotID) {
		r.pass(it.Position.Seq)
		return nil
	}
	d := store.WebhookDelivery{
		ID: deliveryID(r.ref.BotID, it.Cursor), OrgID: r.ref.OrgID, BotID: r.ref.BotID,
		Seq: it.Position.Seq, EventType: it.Type(),
	}
	if r.degraded {
		r.deadLetter(&d, "the webhook was degraded: it was not tried")
		r.pass(d.Seq)
		return nil
	}
	res, err := r.attempt(ctx, d.ID, it)
	if err != nil {
		return err
	}
	r.settle(&d, res)
	r.pass(d.Seq)
	return nil
}

// retry makes the attempt that is due first. Also a degraded webhook gets those: a
// success ends its degradation.
func (r *reader) retry(ctx context.Context) error {
	d := r.waiting[0]
	it, err := eventlog.Read(ctx, r.d.Store, r.ref.OrgID, d.Seq)
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.d.Logger.WarnContext(ctx, "an event is gone before a webhook was told of it", "bot", d.BotID, "org", d.OrgID, "seq", d.Seq)
		r.waiting = r.waiting[1:]
		r.change(d.Seq, nil)
		return nil
	case err != nil:
		return fmt.Errorf("read an event again: %w", err)
	}
	res, err := r.attempt(ctx, d.ID, it)
	if err != nil {
		return err
	}
	r.waiting = r.waiting[1:]
	r.settle(&d, res)
	return nil
}

// attempt makes one attempt. One that has begun is finished, also when the node stops,
// unless it takes too long then.
func (r *reader) attempt(ctx context.Context, id string, it *eventlog.Item) (result, error) {
	if r.locked {
		return result{reason: keyLost, blocked: true}, nil
	}
	place, err := r.d.place(ctx, r.ref.OrgID, r.failing)
	if err != nil {
		return result{}, err
	}
	defer place.Leave()
	r.connection.body = append(append(r.connection.body[:0], version...), it.Wire[1:]...)
	res := r.connection.send(r.own, id, r.connection.body, r.d.Clock.Now())
	if err := r.own.Err(); err != nil { // cut off: nobody knows how it would have gone
		return result{}, err
	}
	r.failing = res.reason != ""
	r.d.Logger.LogAttrs(ctx, slog.LevelDebug, "webhook attempt",
		slog.String("bot", r.ref.BotID), slog.String("delivery", id), slog.Int("status", res.status), slog.String("failure", res.reason))
	return res, nil
}

// settle decides what becomes of an event after an attempt.
func (r *reader) settle(d *store.WebhookDelivery, res result) {
	now := r.d.Clock.Now().UnixMilli()
	if res.reason == "" {
		r.outcomes = append(r.outcomes, outcome{now, true})
		if d.UpdatedAt != 0 { // it is in the store
			r.change(d.Seq, nil)
		}
		r.unsaved()
		return
	}
	d.Status = nil
	if res.status != 0 {
		status := int64(res.status)
		d.Status = &status
	}
	if res.blocked { // counts as neither success nor failure
		r.deadLetter(d, res.reason)
		return
	}
	d.Attempts++
	if d.Attempts > int64(len(delays)) {
		r.outcomes = append(r.outcomes, outcome{now, false})
		r.deadLetter(d, res.reason)
		return
	}
	at := now + delays[d.Attempts-1].Milliseconds()
	d.NextAt, d.UpdatedAt, d.Reason = &at, now, res.reason
	i, _ := slices.BinarySearchFunc(r.waiting, at, func(w store.WebhookDelivery, at int64) int {
		if *w.NextAt <= at {
			return -1
		}
		return 1
	})
	r.waiting = slices.Insert(r.waiting, i, *d)
	r.change(d.Seq, d)
}

// deadLetter makes a dead letter of an event.
func (r *reader) deadLetter(d *store.WebhookDelivery, reason string) {
	d.NextAt, d.UpdatedAt, d.Reason = nil, r.d.Clock.Now().UnixMilli(), reason
	r.change(d.Seq, d)
}

// change notes what is to be saved of an event; nil: that it is settled.
func (r *reader) change(seq int64, d *store.WebhookDelivery) {
	r.changed[seq] = d
	r.unsaved()
}

func (r *reader) unsaved() {
	if r.saveAt.IsZero() {
		r.saveAt = r.d.Clock.Now().Add(saveAfter)
	}
}
