package b2b

import (
	"context"
	"errors"
	"fmt"
	"iter"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Transport is how a listener receives events.
type Transport int

// The transports.
const (
	// AnyTransport is a WebSocket, or server-sent events where WebSockets do not work.
	AnyTransport Transport = iota
	// WebSocket counts as presence: others see the bot online.
	WebSocket
	// ServerSentEvents does not count as presence.
	ServerSentEvents
)

// ListenOption configures a listener, see [Client.Listen].
type ListenOption func(*listenOptions)

type listenOptions struct {
	position  string
	store     PositionStore
	manual    bool
	transport Transport
	notice    func(error)
	ready     func()
	retries   int // of a handler
}

// FromPosition starts after a position of the event log, such as that of an event or the
// stream_cursor of catch-up, instead of at the present or the position of the store.
func FromPosition(position string) ListenOption {
	return func(o *listenOptions) { o.position = position }
}

// WithPositionStore keeps the position of the listener, and starts at the position in the store if
// there is one. Without it, a listener that starts again starts at the present.
func WithPositionStore(s PositionStore) ListenOption {
	return func(o *listenOptions) { o.store = s }
}

// WithManualCommit moves the position only when [Event.Commit] is called.
func WithManualCommit() ListenOption { return func(o *listenOptions) { o.manual = true } }

// WithTransport chooses the transport.
func WithTransport(t Transport) ListenOption { return func(o *listenOptions) { o.transport = t } }

// WithNotice sets a function that receives the errors that a listener overcomes by itself: a
// connection that ended, a position that was not saved, a handler that failed (*HandlerError). It is
// called from several goroutines and must not block.
func WithNotice(notice func(error)) ListenOption {
	return func(o *listenOptions) { o.notice = notice }
}

// WithReady sets a function that is called once, when the listener is connected for the first time:
// from then on it misses no event. It is called from another goroutine and must not block.
func WithReady(ready func()) ListenOption { return func(o *listenOptions) { o.ready = ready } }

// WithHandlerRetries sets how often [Client.Run] handles an event again after its handler failed; the
// default is 3.
func WithHandlerRetries(most int) ListenOption {
	return func(o *listenOptions) { o.retries = max(most, 0) }
}

const defaultHandlerRetries = 3

func listenOptionsOf(opts []ListenOption) listenOptions {
	o := listenOptions{notice: func(error) {}, ready: func() {}, retries: defaultHandlerRetries}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Listen returns the events that the bot may see, as they happen, in the order of the event log. It
// connects when a loop over it begins, and again whenever the connection ends, and continues where it
// was: no event is lost or delivered twice (B2B-SDK-010).
//
// An event is committed when the loop asks for the next one, or with [WithManualCommit] by
// [Event.Commit]. With a position store, the next listener continues after the last committed event;
// an event that was being processed when the program ended is delivered again.
//
// The loop ends when its body leaves it, when ctx ends, or with an error as its last element when
// trying again would not help: the token was revoked, the bot was deleted or rejected, the org was
// destroyed (B2B-SDK-020). [CodeOf] has the reason. An element of the type [Resync] says that
// events are missing.
//
// One loop has one connection at a time, and everything that it started has ended when it ends.
func (c *Client) Listen(ctx context.Context, opts ...ListenOption) iter.Seq2[*Event, error] {
	o := listenOptionsOf(opts)
	return func(yield func(*Event, error) bool) { c.listen(ctx, o, yield) }
}

func (c *Client) listen(ctx context.Context, o listenOptions, yield func(*Event, error) bool) {
	if c.config.err != nil {
		yield(nil, c.config.err)
		return
	}
	position := o.position
	if position == "" && o.store != nil {
		var err error
		if position, err = o.store.Load(ctx); err != nil {
			yield(nil, err)
			return
		}
	}
	commits := newCommits(ctx, o)
	ctx, cancel := context.WithCancel(ctx)
	q, ended := newQueue(), make(chan struct{})
	go func() {
		defer close(ended)
		r := &reader{client: c, options: o, queue: q, position: position}
		q.close(r.run(ctx))
	}()
	finished := false
	finish := func() error {
		finished = true
		cancel()
		<-ended
		return commits.close()
	}
	defer func() { // also if the loop panics
		if !finished {
			if err := finish(); err != nil {
				o.notice(err)
			}
		}
	}()
	for {
		i, err := q.pop(ctx)
		if err != nil {
			if unsaved := finish(); unsaved != nil {
				err = errors.Join(err, unsaved)
			}
			yield(nil, err)
			return
		}
		commit := commits.next(i.position)
		if i.event == nil {
			commits.reached(commit)
			continue
		}
		i.event.commit = commit.commit
		if !yield(i.event, nil) {
			return
		}
		if !o.manual {
			commit.commit()
		}
	}
}

// HandlerError is the notice of a handler that failed.
type HandlerError struct {
	Event   *Event
	Err     error
	Skipped bool // the event will not be handled again
}

// Error implements error.
func (e *HandlerError) Error() string {
	what := "will be handled again"
	if e.Skipped {
		what = "is skipped"
	}
	return fmt.Sprintf("b2b: the handler of a %s failed, the event %s: %v", e.Event.Type, what, e.Err)
}

// Unwrap returns the error of the handler.
func (e *HandlerError) Unwrap() error { return e.Err }

// Run calls a handler for each event of [Client.Listen], one after the other, until ctx ends or
// listening makes no sense any more; it returns that error. A handler that fails ends nothing: the
// error is a notice ([WithNotice]), the event is handled again after a pause, at most 3 times
// ([WithHandlerRetries]), then skipped (B2B-SDK-014).
func (c *Client) Run(ctx context.Context, handle func(context.Context, *Event) error, opts ...ListenOption) error {
	o := listenOptionsOf(opts)
	for event, err := range c.Listen(ctx, opts...) {
		if err != nil {
			return err
		}
		for attempt := 0; ; attempt++ {
			err := handle(ctx, event)
			if err == nil {
				break
			}
			if ctx.Err() != nil { // not committed: the event comes again
				return err
			}
			o.notice(&HandlerError{Event: event, Err: err, Skipped: attempt == o.retries})
			if attempt == o.retries {
				break
			}
			if err := sleep(ctx, jitter(min(firstPause<<min(attempt, 10), longestPause))); err != nil {
				return err
			}
		}
	}
	return nil
}

// Present returns the position of the present. A listener that begins there ([FromPosition]) gets all
// events after the call: those of what the program does before its loop begins, too.
func (c *Client) Present(ctx context.Context) (string, error) {
	res, err := c.Events.ListCatchupEvents(ctx, &b2bv1.ListCatchupEventsRequest{Since: endOfTime})
	return res.GetStreamCursor(), err
}
