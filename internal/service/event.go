package service

import (
	"context"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Events subscribes to the logs of orgs (package eventlog).
type Events interface {
	Subscribe(ctx context.Context, v eventlog.Viewer, from *eventlog.Position, f eventlog.Filter) (*eventlog.Subscription, error)
}

// heartbeat is the longest time between two items of a stream. With each heartbeat the stream also
// checks its credential again, because tokens and sessions can expire.
const heartbeat = 15 * time.Second

// eventService serves events: live streams and the catch-up after an absence.
type eventService struct {
	*core
	reads eventReads
}

// eventReads is what eventService reads of the store.
type eventReads interface {
	eventlog.Store
}

func newEventService(c *core, reads eventReads) *eventService {
	return &eventService{core: c, reads: reads}
}

func viewer(c *call.Caller) eventlog.Viewer {
	return eventlog.Viewer{OrgID: c.OrgID, BotID: c.BotID, Admin: c.Admin, Scopes: c.Scopes}
}

// Subscribe streams the events that the caller may see. The first item is a heartbeat with the
// position that the stream starts from.
func (s *eventService) Subscribe(ctx context.Context, req *b2bv1.SubscribeRequest, send func(*b2bv1.SubscribeResponse) error) error {
	from, err := position(req.Cursor)
	if err != nil {
		return err
	}
	filter, err := eventFilter(req)
	if err != nil {
		return err
	}
	info := call.From(ctx)
	sub, err := s.Events.Subscribe(ctx, viewer(info.Caller), from, filter)
	if err != nil {
		return subscription.Of(err)
	}
	defer sub.Close()
	call.Endless(ctx)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	defer context.AfterFunc(s.Streams, leave)()
	push := info.Push
	if push == nil {
		push = func(p call.Pushed) error { return send(&b2bv1.SubscribeResponse{Cursor: &p.Cursor}) }
	}
	f := follower{sub: sub, info: info, send: send, nowMS: s.nowMS}
	// Changes of access after Subscribe arrive as events of the log. This check finds changes
	// between the authentication and Subscribe.
	if f.caller, err = info.Recheck(ctx); err != nil {
		return err
	}
	for {
		if err := push(call.Pushed{Cursor: sub.Position().String()}); err != nil {
			return err
		}
		beat, stop := context.WithTimeout(ctx, s.beat(f.caller))
		err := f.follow(beat)
		over := beat.Err() != nil
		stop()
		switch {
		case s.Streams.Err() != nil:
			return subscription.For(subscription.ServerStopping)
		case ctx.Err() != nil:
			return ctx.Err()
		case !over: // if it is over, a final error is returned again by the next follow
			return err
		}
		if err := f.recheck(ctx); err != nil {
			return err
		}
	}
}

// beat returns the time until the next heartbeat and check of the credential: the configured
// interval, or less if the credential expires before (B2B-WS-030).
func (s *eventService) beat(c *call.Caller) time.Duration {
	if c.Ends() == 0 {
		return s.Heartbeat
	}
	const shortest = 100 * time.Millisecond // against a busy loop when clocks differ
	left := time.Duration(c.Ends()+1-s.nowMS()) * time.Millisecond
	return min(s.Heartbeat, max(left, shortest))
}

// follower sends the items of a subscription to one caller.
type follower struct {
	sub    *eventlog.Subscription
	info   *call.Info
	send   func(*b2bv1.SubscribeResponse) error
	caller *call.Caller // from the latest check
	last   bool         // the subscription already holds the item that ends the stream
	nowMS  func() int64
}

// recheck checks the credential again because time has passed. If it is refused and the log has a
// record of the reason, the stream ends after the events that the log holds now; otherwise it ends
// at once.
func (f *follower) recheck(ctx context.Context) error {
	if f.last {
		return nil
	}
	caller, err := f.info.Recheck(ctx)
	switch {
	case err == nil:
		f.caller = caller
		return nil
	case f.caller.Expired(f.nowMS()) || !call.ReasonInLog(err):
		return err
	}
	return f.endLast(err)
}

// changed checks the credential again because the log has a change of access. If it is refused, the
// stream ends at once, because the caller may not see the later events, unless the log itself ends
// the subscription.
func (f *follower) changed(ctx context.Context) error {
	caller, err := f.info.Recheck(ctx)
	switch {
	case err == nil:
		f.caller = caller
		return nil
	case !call.AccessEnded(err):
		return err
	}
	return f.endLast(err)
}

// endLast ends the stream with err after the events that the log holds now, unless the log ends it
// before.
func (f *follower) endLast(err error) error {
	if !f.last {
		f.last = true
		f.sub.Last(err)
	}
	return nil
}

// follow sends items until ctx is done or the stream ends.
func (f *follower) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		it, err := f.sub.Next(ctx)
		if err != nil {
			return subscription.Of(err)
		}
		switch {
		case it.Recheck:
			err = f.changed(ctx)
		case it.Event != nil:
			err = f.deliver(it)
		default:
			err, _ = it.Local.(error)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *follower) deliver(it *eventlog.Item) error {
	if f.info.Push != nil {
		return f.info.Push(call.Pushed{Type: it.Type(), Cursor: it.Cursor, Wire: it.Wire, Event: it.Event, Encodings: &it.Encodings})
	}
	res := &b2bv1.SubscribeResponse{Event: it.Event}
	if it.Cursor != "" {
		res.Cursor = &it.Cursor
	}
	return f.send(res)
}

// position parses a cursor. It returns nil, which means the end of the log, for an absent or empty
// one.
func position(cursor *string) (*eventlog.Position, error) {
	if cursor == nil || *cursor == "" {
		return nil, nil
	}
	p, err := eventlog.ParsePosition(*cursor)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

func eventFilter(req *b2bv1.SubscribeRequest) (eventlog.Filter, error) {
	f := eventlog.Filter{Types: req.Types, Threads: req.ThreadIds, Channels: req.ChannelIds}
	for _, t := range f.Types {
		if !eventtype.IsDelivered(t) {
			return f, call.Invalid("types: %.64q is not a type of event", t)
		}
	}
	return f, nil
}
