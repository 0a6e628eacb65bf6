package service

import (
	"context"
	"time"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// heartbeat is the longest time between two items of a stream. With each heartbeat the stream also
// checks its credential again, because tokens and sessions can expire.
const heartbeat = 15 * time.Second

// eventService serves events: live streams and the catch-up after an absence.
type eventService struct {
	*core
	reads  eventReads
	driver subscription.Driver
}

// eventReads is what eventService reads of the store.
type eventReads interface {
	eventlog.Store
}

func newEventService(c *core, reads eventReads) *eventService {
	return &eventService{core: c, reads: reads, driver: subscription.Driver{
		Log: c.Events, Directory: reads, Now: c.Now, Forget: func(org string) { c.Access.Forget(org) }, Stopping: c.Streams,
	}}
}

func viewer(c *call.Caller) eventlog.Viewer {
	return eventlog.Viewer{OrgID: c.OrgID, BotID: c.BotID, Admin: c.Admin, Scopes: c.Scopes}
}

// Subscribe streams the events that the caller may see. The first item is a heartbeat with the
// position that the stream starts from.
func (s *eventService) Subscribe(ctx context.Context, req *b2bv1.SubscribeRequest, send func(*b2bv1.SubscribeResponse) error) error {
	from, err := subscription.ParseCursor(req.GetCursor())
	if err != nil {
		return err
	}
	filter, err := eventFilter(req)
	if err != nil {
		return err
	}
	info := call.From(ctx)
	sub, err := s.driver.Open(ctx, info.Caller, info, from, filter)
	if err != nil {
		return err
	}
	defer sub.Close()
	if c := info.Caller; s.Streaming != nil && c.Kind == call.Bot && !c.ViaSession() {
		s.Streaming.Join(ctx, c.OrgID, c.BotID)
		defer s.Streaming.Leave(c.OrgID, c.BotID)
	}
	call.Endless(ctx)
	push := info.Push
	if push == nil {
		push = func(p call.Pushed) error { return send(response(p)) }
	}
	return sub.Run(ctx, s.Heartbeat, pusher(push))
}

// response returns the message of an event or a heartbeat.
func response(p call.Pushed) *b2bv1.SubscribeResponse {
	res := &b2bv1.SubscribeResponse{Event: p.Event}
	if p.Cursor != "" || p.Event == nil {
		res.Cursor = &p.Cursor
	}
	return res
}

// pusher delivers a subscription to the stream of a binding.
type pusher func(call.Pushed) error

// Event implements subscription.Stream.
func (push pusher) Event(it *eventlog.Item) error {
	return push(call.Pushed{Type: it.Type(), Cursor: it.Cursor, Wire: it.Wire, Event: it.Event, Encodings: &it.Encodings})
}

// Heartbeat implements subscription.Stream.
func (push pusher) Heartbeat(cursor string) error { return push(call.Pushed{Cursor: cursor}) }

func eventFilter(req *b2bv1.SubscribeRequest) (eventlog.Filter, error) {
	f := eventlog.Filter{Types: req.Types, Threads: req.ThreadIds, Channels: req.ChannelIds}
	return f, subscription.CheckTypes(req.Types)
}
