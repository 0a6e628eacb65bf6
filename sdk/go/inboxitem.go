package b2b

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	answerTime = 30 * time.Second // for an answer that the worker gives by itself
	mostReason = 1024             // UTF-16 code units, by the API
)

var (
	// ErrItemLost says that a delivery is lost: its lease has ended, and another worker may have it
	// (B2B-SDK-045). It is the cause of the end of the item's context.
	ErrItemLost = errors.New("b2b: the delivery is lost, do not act on it: its lease has ended")
	// ErrItemAnswered is the error of a further answer to a delivery.
	ErrItemAnswered = errors.New("b2b: the delivery is answered already")
)

// InboxItem is a delivery in the hands of a program. Its methods can be called from several
// goroutines; answers follow each other.
type InboxItem struct {
	*b2bv1.Delivery

	worker *worker
	ctx    context.Context
	end    context.CancelCauseFunc
	over   chan struct{} // closed with why
	kept   chan struct{} // closed when the lease is not extended any more

	mu    sync.Mutex
	why   error     // ErrItemAnswered or ErrItemLost; nil: it is open
	given bool      // the program may settle it by another call
	until time.Time // the lease lasts at least as long
}

// newInboxItem begins to extend the lease of a delivery. asked is when it was claimed; the lease of a
// repeated claim may be older.
func newInboxItem(ctx context.Context, w *worker, d *b2bv1.Delivery, asked time.Time, repeated bool) *InboxItem {
	i := &InboxItem{Delivery: d, worker: w, over: make(chan struct{}), kept: make(chan struct{}), until: asked.Add(w.options.lease)}
	i.ctx, i.end = context.WithCancelCause(ctx)
	pause := w.options.lease / 3
	if repeated {
		pause = 0
	}
	go i.keep(pause)
	return i
}

// Context ends when the delivery is lost, with the cause [ErrItemLost], and when the worker stops.
func (i *InboxItem) Context() context.Context { return i.ctx }

// keep extends the lease until the item is answered or lost, also while a worker that was stopped
// waits for its handlers.
func (i *InboxItem) keep(pause time.Duration) {
	defer close(i.kept)
	for failures := 0; ; {
		timer := time.NewTimer(pause)
		select {
		case <-i.over:
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := i.extend(context.WithoutCancel(i.ctx), i.worker.options.lease); err == nil {
			failures, pause = 0, i.worker.options.lease/3
			continue
		}
		failures++
		pause = jitter(min(firstPause<<min(failures-1, 10), i.worker.options.lease/6))
	}
}

// extend sets a new end of the lease. If that is not possible before the lease ends, the item is lost.
func (i *InboxItem) extend(ctx context.Context, lease time.Duration) error {
	seconds := int32(lease / time.Second)
	return i.answer(ctx, false, func(ctx context.Context) error {
		asked := time.Now()
		bounded, cancel := context.WithDeadline(ctx, i.until)
		defer cancel()
		_, err := i.worker.client.Deliveries.ExtendDelivery(bounded, &b2bv1.ExtendDeliveryRequest{Id: i.Id, Lease: i.Lease, LeaseSeconds: &seconds})
		switch {
		case err == nil:
			i.until = asked.Add(lease)
		case !time.Now().Before(i.until):
			i.close(ErrItemLost)
		}
		return err
	})
}

// answer makes a call about an item that is open. last: with its success, the item is answered.
func (i *InboxItem) answer(ctx context.Context, last bool, call func(context.Context) error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.why != nil {
		return i.why
	}
	err := call(ctx)
	switch {
	case i.why != nil:
	case err == nil && last:
		i.close(ErrItemAnswered)
	case CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST && i.given:
		i.close(ErrItemAnswered)
	case CodeOf(err) == b2bv1.ErrorCode_ERROR_CODE_LEASE_LOST:
		i.close(ErrItemLost)
	}
	return err
}

// close ends an item. mu is held.
func (i *InboxItem) close(why error) {
	i.why = why
	close(i.over)
	if why == ErrItemLost {
		i.end(why)
		i.worker.options.notice(&ItemError{Item: i, Err: why})
	}
}

// Reply sends a message where the event of the delivery happened, in its thread as a reply to its
// message or in its channel, and settles the delivery: both happen, or neither (B2B-SDK-044). It
// returns the id of the message. A repeated Reply is one message.
func (i *InboxItem) Reply(ctx context.Context, content string, opts ...ReplyOption) (id string, err error) {
	o := replyOptions{requestID: i.Lease}
	for _, opt := range opts {
		opt(&o)
	}
	WithSettles(i.Delivery)(&o)
	to := placeOf(i.GetEvent())
	if to == (place{}) {
		to = place{thread: i.GetThreadId(), channel: i.GetChannelId()}
	}
	err = i.answer(ctx, true, func(ctx context.Context) error {
		id, err = i.worker.client.replyTo(ctx, to, content, &o)
		return err
	})
	return id, err
}

// Settles returns what settles the delivery in another call: a message, an artifact, a change of a
// thread.
func (i *InboxItem) Settles() *b2bv1.Settles {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.given = true
	return &b2bv1.Settles{DeliveryId: &i.Id, Lease: i.Lease}
}

// Ack settles the delivery.
func (i *InboxItem) Ack(ctx context.Context) error {
	return i.answer(ctx, true, func(ctx context.Context) error {
		_, err := i.worker.client.Deliveries.AckDelivery(ctx, &b2bv1.AckDeliveryRequest{Id: i.Id, Lease: i.Lease})
		return err
	})
}

// Nack gives the delivery back, with a reason that others can read. set may add when it is handed out
// again, or that it failed for good.
func (i *InboxItem) Nack(ctx context.Context, reason string, set ...func(*b2bv1.NackDeliveryRequest)) error {
	req := &b2bv1.NackDeliveryRequest{Id: i.Id, Lease: i.Lease, Reason: reasonOf(reason)}
	for _, s := range set {
		s(req)
	}
	return i.answer(ctx, true, func(ctx context.Context) error {
		_, err := i.worker.client.Deliveries.NackDelivery(ctx, req)
		return err
	})
}

// Progress says what the program does, as a text that others can read, and extends the lease.
func (i *InboxItem) Progress(ctx context.Context, text string) error {
	seconds := int32(i.worker.options.lease / time.Second)
	return i.answer(ctx, false, func(ctx context.Context) error {
		asked := time.Now()
		_, err := i.worker.client.Deliveries.ProgressDelivery(ctx, &b2bv1.ProgressDeliveryRequest{
			Id: i.Id, Lease: i.Lease, Text: &text, LeaseSeconds: &seconds,
		})
		if err == nil {
			i.until = asked.Add(i.worker.options.lease)
		}
		return err
	})
}

// Wait puts the delivery aside until a person or another bot has acted. It comes back when something
// else in its thread or channel is addressed to the bot, or after a time, which set can change.
func (i *InboxItem) Wait(ctx context.Context, on b2bv1.DeliveryWaitsFor, reason string, set ...func(*b2bv1.WaitDeliveryRequest)) error {
	req := &b2bv1.WaitDeliveryRequest{Id: i.Id, Lease: i.Lease, On: &on, Reason: reasonOf(reason)}
	for _, s := range set {
		s(req)
	}
	return i.answer(ctx, true, func(ctx context.Context) error {
		_, err := i.worker.client.Deliveries.WaitDelivery(ctx, req)
		return err
	})
}

// done settles an item that the program has not answered.
func (i *InboxItem) done() { i.finish(i.Ack) }

// fail gives back an item that the program has not answered.
func (i *InboxItem) fail(reason string) {
	i.finish(func(ctx context.Context) error { return i.Nack(ctx, reason) })
}

// giveBack is fail for an item that can be handed out at once.
func (i *InboxItem) giveBack(reason string) {
	i.finish(func(ctx context.Context) error {
		return i.Nack(ctx, reason, func(r *b2bv1.NackDeliveryRequest) { r.RetryInSeconds = proto.Int32(0) })
	})
}

// finish answers an item that is open, and ends it in any case. An answer that failed is a notice: the
// lease ends by itself.
func (i *InboxItem) finish(answer func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(i.ctx), answerTime)
	defer cancel()
	err := answer(ctx)
	i.mu.Lock()
	if i.why == nil {
		i.close(ErrItemAnswered)
		i.worker.options.notice(&ItemError{Item: i, Err: err})
	}
	i.mu.Unlock()
	<-i.kept
	i.end(nil)
}

// reasonOf returns a text as long as a reason may be; nil, no reason, if it is empty.
func reasonOf(text string) *string {
	units := utf16.Encode([]rune(strings.ReplaceAll(text, "\x00", "")))
	if len(units) > mostReason {
		units = units[:mostReason]
		if utf16.IsSurrogate(rune(units[mostReason-1])) && units[mostReason-1] < 0xdc00 {
			units = units[:mostReason-1]
		}
	}
	if len(units) == 0 {
		return nil
	}
	return proto.String(string(utf16.Decode(units)))
}
