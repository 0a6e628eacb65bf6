package b2b

import (
	"encoding/json"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// Event is what a listener delivers: an event of the server, or a resync.
type Event struct {
	// Event is the typed event: e.GetMessage() and the others return nil if it is of another type.
	// It is nil for a type that this version of the package does not know.
	*b2bv1.Event
	// Type is the type on the wire, such as "thread_message", or Resync.
	Type string
	// Position is the place in the event log directly after the event. It is empty for events that
	// are not in the log, such as a bot that comes online.
	Position string
	// Raw is the JSON of the event as the server sent it.
	Raw json.RawMessage
	// Reason says why a resync was necessary.
	Reason b2bv1.ErrorCode

	commit func()
}

// Resync is the type of the item that a listener delivers in place of events that the server no
// longer has (B2B-SDK-022): they are older than the server keeps them, or the log was replaced. A
// program reads the state that it needs; later events are delivered as usual.
const Resync = "resync"

// Commit marks the event as processed, with all that were delivered before it, for listeners with
// WithManualCommit. Others do this themselves. It may be called from any goroutine while the
// listener runs.
func (e *Event) Commit() {
	if e.commit != nil {
		e.commit()
	}
}
