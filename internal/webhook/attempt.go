package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/store"
)

// bodyStart is the start of every body.
const bodyStart = `{"webhook_version":"1",`

// keyLost is the reason of a dead letter of a webhook when its URL or secret cannot be decrypted.
const keyLost = "the URL or the secret of the webhook cannot be decrypted: this server does not have its key"

// handle makes the first attempt to deliver an event of the log.
func (r *reader) handle(ctx context.Context, it *eventlog.Item) error {
	if isOwn(it.Event, r.ref.BotID) {
		r.advance(it.Position.Seq)
		return nil
	}
	d := store.WebhookDelivery{
		ID: deliveryID(r.ref.BotID, it.Cursor), OrgID: r.ref.OrgID, BotID: r.ref.BotID,
		Seq: it.Position.Seq, EventType: it.Type(),
	}
	if r.degraded {
		r.deadLetter(&d, "not attempted: the webhook was degraded")
		r.advance(d.Seq)
		return nil
	}
	res, err := r.attempt(ctx, d.ID, it)
	if err != nil {
		return err
	}
	r.settle(&d, res)
	r.advance(d.Seq)
	return nil
}

// retry makes the retry that is due first. A degraded webhook gets retries too: a success ends its
// degradation.
func (r *reader) retry(ctx context.Context) error {
	d := r.setAside[0]
	it, err := eventlog.Read(ctx, r.d.Store, r.ref.OrgID, d.Seq)
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.d.Logger.WarnContext(ctx, "an event was deleted before its delivery to a webhook", "bot", d.BotID, "org", d.OrgID, "seq", d.Seq)
		r.setAside = r.setAside[1:]
		r.change(d.Seq, nil)
		return nil
	case err != nil:
		return fmt.Errorf("read an event for a retry: %w", err)
	}
	res, err := r.attempt(ctx, d.ID, it)
	if err != nil {
		return err
	}
	r.setAside = r.setAside[1:]
	r.settle(&d, res)
	return nil
}

// attempt makes one attempt. When the node stops, an attempt that has begun gets grace to finish.
func (r *reader) attempt(ctx context.Context, id string, it *eventlog.Item) (result, error) {
	if r.unreadable {
		return result{reason: keyLost, blocked: true}, nil
	}
	place, err := r.d.place(ctx, r.ref.OrgID, r.failing)
	if err != nil {
		return result{}, err
	}
	defer place.Leave()
	r.connection.body = append(append(r.connection.body[:0], bodyStart...), it.Wire[1:]...)
	begun := r.d.Clock.Now()
	span := r.beginSpan(ctx, it)
	res := r.connection.send(r.attemptCtx, id, r.connection.body, begun, span.context())
	span.end(r.ref, id, res)
	if err := r.attemptCtx.Err(); err != nil { // cut off, so the result is not known
		return result{}, err
	}
	r.failing = res.reason != ""
	if r.d.Attempted != nil {
		r.d.Attempted(res.outcome(), r.d.Clock.Now().Sub(begun))
	}
	r.d.Logger.LogAttrs(ctx, slog.LevelDebug, "webhook attempt",
		slog.String("bot", r.ref.BotID), slog.String("delivery", id), slog.Int("status", res.status), slog.String("failure", res.reason))
	return res, nil
}

// settle records the result of an attempt: delivered, set aside for a retry, or a dead letter.
func (r *reader) settle(d *store.WebhookDelivery, res result) {
	now := r.d.Clock.Now().UnixMilli()
	if res.reason == "" {
		r.outcomes = append(r.outcomes, outcome{now, true})
		if d.UpdatedAt != 0 { // the store has a row
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
	if res.blocked { // neither success nor failure
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
	i, _ := slices.BinarySearchFunc(r.setAside, at, func(w store.WebhookDelivery, at int64) int {
		if *w.NextAt <= at {
			return -1
		}
		return 1
	})
	r.setAside = slices.Insert(r.setAside, i, *d)
	r.change(d.Seq, d)
}

// deadLetter makes an event a dead letter.
func (r *reader) deadLetter(d *store.WebhookDelivery, reason string) {
	r.d.counts.dead.Add(1)
	d.NextAt, d.UpdatedAt, d.Reason = nil, r.d.Clock.Now().UnixMilli(), reason
	r.change(d.Seq, d)
}

// change notes the row to save for an event; nil deletes it.
func (r *reader) change(seq int64, d *store.WebhookDelivery) {
	r.changed[seq] = d
	r.unsaved()
}

// unsaved schedules a save, unless one is scheduled.
func (r *reader) unsaved() {
	if r.saveAt.IsZero() {
		r.saveAt = r.d.Clock.Now().Add(saveAfter)
	}
}
