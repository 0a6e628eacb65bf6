package service

import (
	"context"
	"errors"
	"sync"
	"time"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/eventlog"
)

// Events is the log of the orgs, live (package eventlog).
type Events interface {
	Subscribe(ctx context.Context, v eventlog.Viewer, from *eventlog.Position, f eventlog.Filter) (*eventlog.Subscription, error)
}

// heartbeat is how often a stream says at least where it stands. Each beat also asks
// whether the caller may still listen: tokens and sessions end with time alone.
const heartbeat = 15 * time.Second

// eventService serves what happened, live and after having been away.
type eventService struct {
	*core
}

func newEventService(c *core) *eventService {
	return &eventService{core: c}
}

func viewer(c *call.Caller) eventlog.Viewer {
	return eventlog.Viewer{OrgID: c.OrgID, BotID: c.BotID, Admin: c.Admin, Scopes: c.Scopes}
}

// Subscribe streams the events that the caller may see. The first item is a
// heartbeat: it says that the stream is live, and from where.
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
		return ended(err)
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
	f := follower{sub: sub, info: info, send: send}
	// What changes after Subscribe is told by the log; what changed before it is seen
	// here.
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
			return ended(eventlog.ErrClosed)
		case ctx.Err() != nil:
			return ctx.Err()
		case !over: // else an error that is final comes again
			return err
		}
		if err := f.recheck(ctx); err != nil {
			return err
		}
	}
}

// beat is how long a stream goes on before it says where it stands and asks whether its
// caller may still listen: a heartbeat, or until the credential ends (B2B-WS-030).
func (s *eventService) beat(c *call.Caller) time.Duration {
	if c.Ends() == 0 {
		return s.Heartbeat
	}
	const shortest = 100 * time.Millisecond // where clocks disagree
	left := time.Duration(c.Ends()+1-s.nowMS()) * time.Millisecond
	return min(s.Heartbeat, max(left, shortest))
}

// follower gives the items of a subscription to one caller.
type follower struct {
	sub    *eventlog.Subscription
	info   *call.Info
	send   func(*b2bv1.SubscribeResponse) error
	caller *call.Caller // as it was when it was looked at last
	last   bool         // the item that ends the stream is on its way
}

// recheck looks at the credential again. When the log says why it is no good any
// more, the stream ends where the log has come to by now.
func (f *follower) recheck(ctx context.Context) error {
	if f.last {
		return nil
	}
	caller, err := f.info.Recheck(ctx)
	if err == nil {
		f.caller = caller
		return nil
	}
	if !call.ReasonInLog(err) {
		return err
	}
	f.last = true
	f.sub.Last(err)
	return nil
}

// follow gives items until ctx is done or the stream is over.
func (f *follower) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		it, err := f.sub.Next(ctx)
		if err != nil {
			return ended(err)
		}
		switch {
		case it.Recheck:
			err = f.recheck(ctx)
		case it.Event != nil:
			err = f.give(it)
		default:
			err, _ = it.Local.(error)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *follower) give(it *eventlog.Item) error {
	if f.info.Push != nil {
		return f.info.Push(call.Pushed{Type: it.Type(), Cursor: it.Cursor, Wire: it.Wire, Event: it.Event, Forms: &it.Forms})
	}
	res := &b2bv1.SubscribeResponse{Event: it.Event}
	if it.Cursor != "" {
		res.Cursor = &it.Cursor
	}
	return f.send(res)
}

// ended says why there is no stream, or none any more, in words for the caller.
func ended(err error) error {
	var slow *eventlog.SlowError
	switch {
	case errors.As(err, &slow):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The reader fell behind").
			WithHint("Subscribe again from the cursor: nothing is lost.").With("cursor", slow.Resume.String())
	case errors.Is(err, eventlog.ErrClosed):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "The server stops").
			WithHint("Subscribe again from the last cursor: nothing is lost.")
	case errors.Is(err, eventlog.ErrAccess):
		return call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "The caller has no access any more")
	}
	return err
}

// position reads a cursor. None, and the empty one, is nil: now.
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
		if !eventTypes()[t] {
			return f, call.Invalid("types: there is no event of the type %.64q", t)
		}
	}
	return f, nil
}

// eventTypes are the types of events that anybody is told.
var eventTypes = sync.OnceValue(func() map[string]bool {
	choices := (&b2bv1.Event{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	types := make(map[string]bool, choices.Len())
	for i := range choices.Len() {
		types[string(choices.Get(i).Name())] = true
	}
	delete(types, "access_changed")
	return types
})
