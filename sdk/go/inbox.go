package b2b

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

const (
	claimWait  = 30 * time.Second // that a claim waits for a delivery
	usualLease = time.Minute
	mostClaim  = 100 // deliveries of one claim, by the API
)

// InboxOption configures a worker of an inbox, see [Client.Inbox] and [Client.Work].
type InboxOption func(*inboxOptions)

type inboxOptions struct {
	claim       *b2bv1.ClaimInboxRequest
	lease       time.Duration
	concurrency int
	notice      func(error)
}

// WithConcurrency sets how many deliveries [Client.Work] handles at the same time; the default is 1.
func WithConcurrency(n int) InboxOption { return func(o *inboxOptions) { o.concurrency = max(n, 1) } }

// WithLease sets how long a lease lasts, in whole seconds; it is extended after a third of that. The
// default is a minute.
func WithLease(d time.Duration) InboxOption {
	return func(o *inboxOptions) { o.lease = max(d.Truncate(time.Second), time.Second) }
}

// WithClaim sets fields of the claims, such as the kinds of deliveries, their thread, or that each
// comes with its context. The worker decides how many it claims, for how long, and the request id.
func WithClaim(set func(*b2bv1.ClaimInboxRequest)) InboxOption {
	return func(o *inboxOptions) { set(o.claim) }
}

// WithInboxNotice sets a function that receives the errors that a worker overcomes by itself: a claim
// that failed, and with an *ItemError a handler or an answer that failed, a delivery that was lost. It
// is called from several goroutines and must not block.
func WithInboxNotice(notice func(error)) InboxOption {
	return func(o *inboxOptions) { o.notice = notice }
}

// ItemError is the notice of a delivery.
type ItemError struct {
	Item *InboxItem
	Err  error
}

// Error implements error.
func (e *ItemError) Error() string {
	return fmt.Sprintf("b2b: the delivery %s (%s): %v", e.Item.GetId(), e.Item.GetKind(), e.Err)
}

// Unwrap returns what happened.
func (e *ItemError) Unwrap() error { return e.Err }

func inboxOptionsOf(opts []InboxOption) *inboxOptions {
	o := &inboxOptions{claim: &b2bv1.ClaimInboxRequest{}, lease: usualLease, concurrency: 1, notice: func(error) {}}
	for _, opt := range opts {
		opt(o)
	}
	seconds, wait := int32(o.lease/time.Second), int32(claimWait/time.Second)
	o.claim.LeaseSeconds, o.claim.WaitSeconds = &seconds, &wait
	return o
}

// Inbox claims deliveries of the own inbox, one after the other (B2B-SDK-042). While the body of the
// loop has one, its lease is extended. It is settled when the loop asks for the next one, unless the
// body has answered it, and given back to be handed out at once when the body leaves the loop.
//
// The loop ends when its body leaves it, or with an error as its last element: that of ctx, or one
// that trying again would not help.
func (c *Client) Inbox(ctx context.Context, opts ...InboxOption) iter.Seq2[*InboxItem, error] {
	w := &worker{client: c, options: inboxOptionsOf(opts)}
	return func(yield func(*InboxItem, error) bool) {
		for {
			items, err := w.claim(ctx, 1)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range items {
				if !w.lend(item, yield) {
					return
				}
			}
		}
	}
}

// lend gives an item to the body of a loop. It returns false when the loop was left.
func (w *worker) lend(item *InboxItem, yield func(*InboxItem, error) bool) bool {
	left := true
	defer func() { // also if the body panics
		if left {
			item.giveBack("")
		}
	}()
	if !yield(item, nil) {
		return false
	}
	left = false
	item.done()
	return true
}

// Work calls a handler with each delivery of the own inbox until ctx ends, and then returns the error
// of ctx when all handlers have returned. The context of the handler ends when the delivery is lost. A
// delivery is settled when its handler succeeds, unless the handler has answered it. If the handler
// fails, the delivery is given back with the text of the error as its reason, which others can read,
// and the error is a notice.
func (c *Client) Work(ctx context.Context, handle func(context.Context, *InboxItem) error, opts ...InboxOption) error {
	w := &worker{client: c, options: inboxOptionsOf(opts)}
	free := make(chan struct{}, w.options.concurrency)
	for range w.options.concurrency {
		free <- struct{}{}
	}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		n := 1 + drain(free)
		items, err := w.claim(ctx, n)
		if err != nil {
			return err
		}
		for range n - len(items) {
			free <- struct{}{}
		}
		for _, item := range items {
			running.Go(func() {
				defer func() { free <- struct{}{} }()
				w.handle(item, handle)
			})
		}
	}
}

// drain takes what a channel has.
func drain(c <-chan struct{}) (n int) {
	for {
		select {
		case <-c:
			n++
		default:
			return n
		}
	}
}

func (w *worker) handle(item *InboxItem, handle func(context.Context, *InboxItem) error) {
	returned := false
	defer func() { // if the handler panics
		if !returned {
			item.giveBack("the handler panicked")
		}
	}()
	err := handle(item.ctx, item)
	returned = true
	switch {
	case err == nil:
		item.done()
	case item.ctx.Err() != nil: // it failed because the worker stops, or the delivery is lost
		item.giveBack("")
	default:
		w.options.notice(&ItemError{Item: item, Err: err})
		item.fail(err.Error())
	}
}

// worker claims deliveries.
type worker struct {
	client  *Client
	options *inboxOptions
}

// claim returns at least one delivery, or the error with which the worker ends. A claim that failed is
// repeated with its request id, so that nothing is lost that the server had handed out.
func (w *worker) claim(ctx context.Context, free int) ([]*InboxItem, error) {
	req, failures := w.options.claim, 0
	most := int32(min(free, mostClaim))
	for ctx.Err() == nil {
		if failures == 0 {
			id := rand.Text()
			req = proto.CloneOf(w.options.claim)
			req.Max, req.RequestId = &most, &id
		}
		asked := time.Now()
		res, err := w.client.Deliveries.ClaimInbox(once(ctx), req)
		if err == nil {
			items := w.take(ctx, res.GetItems(), asked, failures > 0)
			if ctx.Err() != nil { // it ended meanwhile
				for _, item := range items {
					item.giveBack("")
				}
				break
			}
			if len(items) > 0 {
				return items, nil
			}
			failures = 0
			continue
		}
		e := endOf(err, false)
		if ctx.Err() != nil {
			w.takeBack(ctx, req)
			break
		}
		if e.action == stop {
			return nil, e.err
		}
		failures++
		pause := pauseOf(e, failures)
		w.options.notice(fmt.Errorf("b2b: a claim failed, next attempt in %v: %w", pause.Round(time.Millisecond), e.err))
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

// takeBackTime is how much longer a worker may take to stop, when nothing answers.
const takeBackTime = 5 * time.Second

// takeBack gives back what a claim took that the worker has given up on, without a response (B2B-DLV-008).
func (w *worker) takeBack(ctx context.Context, req *b2bv1.ClaimInboxRequest) {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	again, asked := proto.CloneOf(req), time.Now()
	again.WaitSeconds = nil
	res, err := w.client.Deliveries.ClaimInbox(once(within), again)
	if err != nil {
		w.options.notice(fmt.Errorf("b2b: it is not known whether a claim that was given up took deliveries, their leases end: %w", err))
		return
	}
	for _, item := range w.take(ctx, res.GetItems(), asked, true) {
		item.giveBack("")
	}
}

// take begins to keep deliveries. The leases of a repeated claim may be older than it.
func (w *worker) take(ctx context.Context, deliveries []*b2bv1.Delivery, asked time.Time, repeated bool) []*InboxItem {
	items := make([]*InboxItem, len(deliveries))
	for i, d := range deliveries {
		items[i] = newInboxItem(ctx, w, d, asked, repeated)
	}
	return items
}
