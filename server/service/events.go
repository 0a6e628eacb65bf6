package service

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/store"
)

// emit appends an event to the org's log. to says who may see it; the event's
// OrgID, Seq, Type, Payload and Decoded are filled in here, and At unless it is set. Its
// readers get e itself: nothing in it may change from here on.
func (c *core) emit(ctx context.Context, tx store.Tx, to store.Event, e *b2bv1.Event) error {
	payload, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("marshal an event: %w", err)
	}
	m := e.ProtoReflect()
	which := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	to.Type = string(which.Name())
	if to.At == 0 {
		to.At = c.nowMS()
	}
	to.Payload, to.Decoded = payload, e
	if to.ActorID == nil {
		if caller := call.CallerOf(ctx); caller.Kind == call.Bot {
			to.ActorID = &caller.BotID
		}
	}
	if _, err := tx.Append(ctx, to); err != nil {
		return fmt.Errorf("append %s: %w", to.Type, err)
	}
	return nil
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

// at gives an event the time of what it tells of, Unix milliseconds.
func at(ms int64, e store.Event) store.Event {
	e.At = ms
	return e
}

// accessChanged tells every cache, on every node, that what is known of a bot's
// access (or with an empty id of the whole org's) is out of date. Whether the bot or
// the org may do anything at all has not changed.
func (c *core) accessChanged(ctx context.Context, tx store.Tx, bot string) error {
	return c.appendAccessChange(ctx, tx, bot, "", false)
}

// credentialEnded is accessChanged that says what connections are told whose
// credential it ended.
func (c *core) credentialEnded(ctx context.Context, tx store.Tx, bot, why string) error {
	return c.appendAccessChange(ctx, tx, bot, why, false)
}

// statusChanged is accessChanged when it has: ended says that they may do nothing
// from here on.
func (c *core) statusChanged(ctx context.Context, tx store.Tx, bot string, ended bool) error {
	return c.appendAccessChange(ctx, tx, bot, "", ended)
}

func (c *core) appendAccessChange(ctx context.Context, tx store.Tx, bot, why string, ended bool) error {
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

// audit writes an audit entry about a target. botID may be nil: a human did it.
// told may be nil; else it is written as JSON.
func (c *core) audit(ctx context.Context, tx store.Tx, org string, botID *string, action, targetType, targetID string, told any) error {
	entry := &store.AuditEntry{
		ID: newID(), OrgID: org, BotID: botID, Action: action,
		TargetType: targetType, TargetID: targetID, CreatedAt: c.nowMS(),
	}
	if told != nil {
		text, err := auditText(told)
		if err != nil {
			return fmt.Errorf("write the detail of audit %s: %w", action, err)
		}
		entry.Detail = &text
	}
	if err := tx.InsertAudit(ctx, entry); err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}

// auditText writes what an audit entry tells as JSON. Entries about messages, of
// which there are most, hold texts only.
func auditText(told any) (string, error) {
	if d, ok := told.(detail); ok {
		if text, ok := d.texts(); ok {
			return text, nil
		}
	}
	text, err := json.Marshal(told)
	return string(text), err
}

// actorBot is the caller's bot id, or nil for a human session without a bot.
func actorBot(ctx context.Context) *string {
	if c := call.CallerOf(ctx); c.Kind == call.Bot {
		return &c.BotID
	}
	return nil
}
