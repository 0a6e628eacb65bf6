package service

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/eventlog"
	"github.com/b2b-protocol/b2b/internal/eventtype"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/subscription"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// emit appends an event to the org's log. to holds its audience; emit sets OrgID, Seq, Type,
// Payload and Decoded, and At unless it is set. Readers share e, so the caller must not modify it
// afterwards.
func (c *core) emit(ctx context.Context, tx eventTx, to store.Event, e *b2bv1.Event) error {
	_, err := c.emitSeq(ctx, tx, to, e, false)
	return err
}

// emitMessage is emit for the event of a message, which the caller then stores with the EventSeq that
// it returns. The log does not get a second copy of a message without parts.
func (c *core) emitMessage(ctx context.Context, tx eventTx, to store.Event, e *b2bv1.Event, parts *string) (*int64, error) {
	return c.emitSeq(ctx, tx, to, e, parts == nil)
}

// emitSeq returns the seq of the event. With named, the event names its message if that is possible.
func (c *core) emitSeq(ctx context.Context, tx eventTx, to store.Event, e *b2bv1.Event, named bool) (*int64, error) {
	m := e.ProtoReflect()
	which := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	to.Type = string(which.Name())
	if to.At == 0 {
		to.At = c.nowMS()
	}
	if to.ActorID == nil {
		if caller := call.CallerOf(ctx); caller.Kind == call.Bot {
			to.ActorID = &caller.BotID
		}
	}
	var err error
	if named {
		named, err = eventlog.NameMessage(&to, e)
	}
	if err == nil && !named {
		to.Payload, err = proto.Marshal(e)
	}
	if err != nil {
		return nil, fmt.Errorf("marshal an event: %w", err)
	}
	to.Decoded = e
	seq, err := tx.Append(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("append %s: %w", to.Type, err)
	}
	return &seq, nil
}

// cause returns the position in a trace that caused what the call in ctx writes (B2B-MSG-060). It
// is part of events, not of stored messages and artifacts.
func cause(ctx context.Context) (parent, state *string) {
	c := call.Cause(ctx)
	if c.Parent == "" {
		return nil, nil
	}
	if c.State != "" {
		state = &c.State
	}
	return &c.Parent, state
}

// The audiences of events.

func toOrg() store.Event { return store.Event{Audience: store.AudienceOrg} }

func toThread(id string) store.Event {
	return store.Event{Audience: store.AudienceThread, ThreadID: &id}
}

func toChannel(id string) store.Event {
	return store.Event{Audience: store.AudienceChannel, ChannelID: &id}
}

func toBot(id string) store.Event { return store.Event{Audience: store.AudienceBot, BotID: &id} }

func toAdmins() store.Event { return store.Event{Audience: store.AudienceAdmins} }

// at sets the time of an event, in Unix milliseconds.
func at(ms int64, e store.Event) store.Event {
	e.At = ms
	return e
}

// accessChanged appends the event that invalidates the cached access of a bot, or of the whole
// org with an empty id, on every node. It is for changes after which the bot or the org still
// has access; see statusChanged.
func (c *core) accessChanged(ctx context.Context, tx eventTx, bot string) error {
	return c.appendAccessChange(ctx, tx, bot, "", false)
}

// credentialEnded is accessChanged with the close reason of the connections that lose their
// credential by the change.
func (c *core) credentialEnded(ctx context.Context, tx eventTx, bot string, why subscription.Reason) error {
	return c.appendAccessChange(ctx, tx, bot, why.String(), false)
}

// statusChanged is accessChanged for a change of the status of a bot or an org. ended reports
// that it has no access from here on.
func (c *core) statusChanged(ctx context.Context, tx eventTx, bot string, ended bool) error {
	return c.appendAccessChange(ctx, tx, bot, "", ended)
}

func (c *core) appendAccessChange(ctx context.Context, tx eventTx, bot, why string, ended bool) error {
	e := &b2bv1.AccessChangedEvent{Ended: &ended}
	if bot != "" {
		e.BotId = &bot
	}
	if why != "" {
		e.CloseReason = &why
	}
	return c.emit(ctx, tx, store.Event{Audience: store.AudienceInternal},
		&b2bv1.Event{Event: &b2bv1.Event_AccessChanged{AccessChanged: e}})
}

// profileChanged appends the record that makes the profile of a bot indexed again (B2B-SRCH-020).
func (c *core) profileChanged(ctx context.Context, tx eventTx, bot string) error {
	return appendSearchChange(ctx, tx, store.Event{At: c.nowMS(), BotID: &bot})
}

// fileAdded appends the record that makes a file indexed.
func (c *core) fileAdded(ctx context.Context, tx eventTx, file string) error {
	return appendSearchChange(ctx, tx, store.Event{At: c.nowMS(), Payload: []byte(file)})
}

// removed appends the record that makes the search index forget what was removed.
func (c *core) removed(ctx context.Context, tx eventTx) error {
	return appendSearchChange(ctx, tx, store.Event{At: c.nowMS()})
}

// appendSearchChange appends a record for the search index, for what has no event.
func appendSearchChange(ctx context.Context, tx eventTx, e store.Event) error {
	e.Audience, e.Type = store.AudienceInternal, eventtype.SearchChanged
	if e.Payload == nil {
		e.Payload = []byte{}
	}
	if _, err := tx.Append(ctx, e); err != nil {
		return fmt.Errorf("append %s: %w", e.Type, err)
	}
	return nil
}

// audit writes an audit entry about a target. botID is nil for actions of humans. details is
// written as JSON; nil writes none.
func (c *core) audit(ctx context.Context, tx auditTx, org string, botID *string, action, targetType, targetID string, details any) error {
	entry := &store.AuditEntry{
		ID: newID(), OrgID: org, BotID: botID, Action: action,
		TargetType: targetType, TargetID: targetID, CreatedAt: c.nowMS(),
	}
	if details != nil {
		text, err := auditText(details)
		if err != nil {
			return fmt.Errorf("marshal the detail of the audit entry %s: %w", action, err)
		}
		entry.Detail = &text
	}
	if err := tx.InsertAudit(ctx, entry); err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}

// auditText returns the JSON of an audit entry's detail. Entries about messages are the most
// frequent; their details are strings only, which are written without reflection.
func auditText(details any) (string, error) {
	if d, ok := details.(detail); ok {
		if text, ok := d.texts(); ok {
			return text, nil
		}
	}
	text, err := json.Marshal(details)
	return string(text), err
}

// actorBot returns the id of the calling bot, or nil for a human without a bot.
func actorBot(ctx context.Context) *string {
	if c := call.CallerOf(ctx); c.Kind == call.Bot {
		return &c.BotID
	}
	return nil
}
