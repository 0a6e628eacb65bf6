package eventlog

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/wire"
)

// Item is what a subscription gives. Items are shared by all subscriptions: nobody
// may change one.
type Item struct {
	// Event is what happened; nil when the item is a Recheck or Local.
	Event *b2bv1.Event
	// Wire is the event as a frame of wire JSON, written once for all readers. An
	// event of the log has its position as the last key, `cursor`.
	Wire []byte
	// Position is behind the event. It is zero for what is not in the log.
	Position Position
	// Cursor is the text of Position; empty for what is not in the log.
	Cursor string
	// Forms are what the bindings made of the event.
	Forms call.Forms
	// Ephemeral marks events that are told once and have no position: presence.
	Ephemeral bool
	// Recheck says that what the viewer may do has changed: look at its credential
	// again.
	Recheck bool
	// Why is what a connection is told that a Recheck closes; it may be empty.
	Why string
	// Local is what the reader gave to After.
	Local any

	row *store.Event
}

// size is about what an item keeps in memory, in bytes.
func (i *Item) size() int {
	if i.row == nil {
		return 0
	}
	return len(i.Wire) + len(i.row.Payload)
}

// Type is the type of the event, "thread_message"; empty when the item is a Recheck
// or Local.
func (i *Item) Type() string {
	if i.row == nil {
		return ""
	}
	return i.row.Type
}

// Read gives one event of a log as an item, to whoever has a right to it: that it may
// be seen was decided when it was told first. It is store.ErrNotFound when the log has
// it no longer, or this program does not know such events.
func Read(ctx context.Context, r store.LogReader, org string, seq int64) (*Item, error) {
	top, err := r.LogTop(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	rows, err := r.ReadLog(ctx, org, seq-1, 1)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if len(rows) == 0 || rows[0].Seq != seq {
		return nil, store.ErrNotFound
	}
	it, err := newItem(positionOf(top.Epoch, &rows[0]), &rows[0])
	if err == nil && it == nil {
		err = store.ErrNotFound
	}
	return it, err
}

// newItem decodes and encodes the event of the log in front of a position. It is nil for
// an event of a type that this program does not know, one of a newer node, and for what
// an import carried.
func newItem(behind Position, e *store.Event) (*Item, error) {
	if e.Type == typeImportedRow {
		return nil, nil
	}
	event, err := decode(e)
	if err != nil || event.Event == nil {
		return nil, err
	}
	it := &Item{Event: event, Position: behind, row: e}
	b := wire.AppendEvent(make([]byte, 0, 2*len(e.Payload)+192), event)
	it.Cursor = it.Position.String()
	b = append(b[:len(b)-1], `,"cursor":"`...)
	b = append(b, it.Cursor...)
	it.Wire = append(b, `"}`...)
	return it, nil
}

// newEphemeral makes an item of an event of the org that is not in the log.
func newEphemeral(org string, event *b2bv1.Event) (*Item, error) {
	if event.GetEvent() == nil {
		return nil, fmt.Errorf("publish to org %s: the event is empty", org)
	}
	payload, err := proto.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("publish to org %s: %w", org, err)
	}
	m := event.ProtoReflect()
	kind := string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name())
	return &Item{
		Event: event, Wire: wire.AppendEvent(nil, event), Ephemeral: true,
		row: &store.Event{OrgID: org, Type: kind, Audience: store.AudienceOrg, Payload: payload},
	}, nil
}

// Filter narrows what a viewer may see to what it wants to see. An empty list
// narrows nothing. Of the events of threads and channels, those named are given;
// events of neither, which concern the org, pass unless their type does not.
type Filter struct {
	Types    []string
	Threads  []string
	Channels []string
	// WatchThreads and WatchChannels are watched from the beginning by a human (see
	// Watch), besides Threads and Channels. A human that resumes names them here to
	// miss nothing of them.
	WatchThreads  []string
	WatchChannels []string
}

// filter is a Filter made for looking up; nil lets everything pass.
type filter struct {
	types  map[string]struct{}
	scopes map[scope]struct{}
}

func newFilter(f Filter) *filter {
	if len(f.Types)+len(f.Threads)+len(f.Channels) == 0 {
		return nil
	}
	out := &filter{}
	if len(f.Types) > 0 {
		out.types = make(map[string]struct{}, len(f.Types))
		for _, t := range f.Types {
			out.types[t] = struct{}{}
		}
	}
	if len(f.Threads)+len(f.Channels) > 0 {
		out.scopes = make(map[scope]struct{})
		for _, id := range f.Threads {
			out.scopes[scope{store.MemberOfThread, id}] = struct{}{}
		}
		for _, id := range f.Channels {
			out.scopes[scope{store.MemberOfChannel, id}] = struct{}{}
		}
	}
	return out
}

func (f *filter) passes(e *store.Event) bool {
	if f == nil {
		return true
	}
	if f.types != nil {
		if _, ok := f.types[e.Type]; !ok {
			return false
		}
	}
	if f.scopes != nil {
		if s, scoped := scopeOf(e); scoped {
			if _, ok := f.scopes[s]; !ok {
				return false
			}
		}
	}
	return true
}
