package eventlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/wire"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Item is one delivery of a subscription. Subscriptions share items, so they must not be
// changed.
type Item struct {
	// Event is nil when the item is a Recheck, a WebhookChanged, a Presence or a Local.
	Event *b2bv1.Event
	// Wire is the event as wire JSON, encoded once for all readers. An event of the log has
	// its position as the last key, `cursor`.
	Wire []byte
	// Position is the position after the event; zero for an event that is not in the log.
	Position Position
	// Cursor is the text of Position; empty for an event that is not in the log.
	Cursor string
	// Encodings caches the encodings of the bindings.
	Encodings call.Encodings
	// Ephemeral is set for presence events: they have no position and are not replayed.
	Ephemeral bool
	// Presence is several presence events. Only Poll returns them together.
	Presence *Presence
	// Recheck asks to check the viewer's credential again: its access may have changed.
	Recheck bool
	// Change is the position after the change of access of a Recheck.
	Change Position
	// Why is the reason to send when a Recheck closes the connection; it may be empty.
	Why string
	// WebhookChanged informs a Viewer with Webhook that the state of its webhook in the store was
	// changed.
	WebhookChanged bool
	// Local is the argument of After, Last or Soon.
	Local any

	row  *store.Event
	last bool // by Last
}

// size estimates the memory of an item, in bytes.
func (i *Item) size() int {
	if i.row == nil {
		return 0
	}
	return len(i.Wire) + i.row.Size()
}

// Type returns the type of the event, such as "thread_message"; empty when there is no event.
func (i *Item) Type() string {
	if i.row == nil {
		return ""
	}
	return i.row.Type
}

// About returns the bot that the log has as the subject of the event, or nil.
func (i *Item) About() *string {
	if i.row == nil {
		return nil
	}
	return i.row.BotID
}

// Read returns one event of a log as an item. It does not check visibility: the caller must
// have received the event before. The error is store.ErrNotFound when the log does not have
// the event, or when its type is unknown to this version.
func Read(ctx context.Context, r Reader, org string, seq int64) (*Item, error) {
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

// wireRest is what an event has in wire JSON besides its payload and body, in bytes, nearly always.
const wireRest = 512

// newItem decodes and encodes the event of the log before a position. It returns nil for a type
// that this version does not know (of a newer node), and for an imported catch-up row.
func newItem(after Position, e *store.Event) (*Item, error) {
	if e.Type == eventtype.ImportedRow {
		return nil, nil
	}
	event, err := Decode(e)
	if err != nil || event.Event == nil {
		return nil, err
	}
	it := &Item{Event: event, Position: after, row: e}
	b := wire.AppendEvent(make([]byte, 0, 2*e.Size()+wireRest), event)
	it.Cursor = it.Position.String()
	b = append(b[:len(b)-1], `,"cursor":"`...)
	b = append(b, it.Cursor...)
	it.Wire = append(b, `"}`...)
	return it, nil
}

// newPresence returns an item for a presence event of the log, or nil for a type that this version
// does not know.
func newPresence(e *store.Event) (*Item, error) {
	event, err := Decode(e)
	if err != nil || event.GetBotOnline() == nil && event.GetBotOffline() == nil {
		return nil, err
	}
	return &Item{Event: event, Wire: wire.AppendEvent(nil, event), Ephemeral: true, row: e}, nil
}

// Filter narrows what a viewer receives. An empty list does not narrow. Threads and Channels
// select among the events of threads and channels; events of the org pass unless Types
// excludes them.
type Filter struct {
	// Types are types of events; AllTypes stands for all that need not be named, as the empty list
	// does (B2B-EVT-041).
	Types    []string
	Threads  []string
	Channels []string
	// WatchThreads and WatchChannels are what a human watches from the start (see
	// Subscription.Watch), in addition to Threads and Channels. A human that resumes names
	// them here to miss none of their events.
	WatchThreads  []string
	WatchChannels []string
}

// AllTypes in a list of types stands for all types that need not be named.
const AllTypes = "*"

// filter is a Filter with sets for its lists; nil is the empty Filter.
type filter struct {
	types    map[string]struct{}
	allTypes bool // that need not be named
	scopes   map[scope]struct{}
}

func newFilter(f Filter) *filter {
	if len(f.Types)+len(f.Threads)+len(f.Channels) == 0 {
		return nil
	}
	out := &filter{allTypes: len(f.Types) == 0 || slices.Contains(f.Types, AllTypes)}
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
		return !eventtype.IsNamed(e.Type)
	}
	if _, named := f.types[e.Type]; !named && (!f.allTypes || eventtype.IsNamed(e.Type)) {
		return false
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
