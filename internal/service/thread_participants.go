package service

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// AddParticipant adds a bot, without a request or consent of the bot (B2B-JOIN-010).
func (s *threadService) AddParticipant(ctx context.Context, req *b2bv1.AddParticipantRequest) (*b2bv1.AddParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	named := namedFields(req, req.FieldMask)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.AddParticipantResponse, error) {
		t, p, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		ok, err := s.permitted(ctx, tx, t, p, thread.ActionInvite)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, errForbiddenBy(string(thread.ActionInvite))
		}
		if err := checkInvitation(req); err != nil {
			return nil, err
		}
		bot, err := tx.ResolveBot(ctx, caller.OrgID, req.GetBotId())
		switch {
		case err != nil:
			return nil, notFound(err, "bot")
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive("bot_id", bot)
		}
		there, err := participation(ctx, tx, t.ID, bot.ID)
		switch {
		case err != nil:
			return nil, err
		case there != nil && named("label"):
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CONFLICT, "bot_id: this bot is already a participant, and its label cannot be changed")
		case there != nil:
			return &b2bv1.AddParticipantResponse{Participant: participantOut(there), AlreadyJoined: true}, nil
		}
		added, err := s.admit(ctx, tx, t, &admission{
			id: bot.ID, name: bot.Name, by: caller.BotID, label: req.Label, eventLabel: &b2bv1.LabelValue{Value: req.Label},
		})
		if err != nil {
			return nil, err
		}
		details := detail{"invited_bot_id": bot.ID, "invited_bot_name": bot.Name}.via(ctx)
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.invite", "thread", t.ID, details)
		return &b2bv1.AddParticipantResponse{Participant: participantOut(added)}, err
	})
}

// invitation is a request to add a bot to a thread.
type invitation interface {
	proto.Message
	GetBotId() string
}

func checkInvitation(req invitation) error {
	if req.GetBotId() == "" {
		return call.Invalid("bot_id: is required")
	}
	return call.InTurn(req)
}

// RemoveParticipant removes a bot; a bot may remove itself (B2B-JOIN-014, B2B-JOIN-015).
func (s *threadService) RemoveParticipant(ctx context.Context, req *b2bv1.RemoveParticipantRequest) (*b2bv1.RemoveParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.RemoveParticipantResponse, error) {
		t, p, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		bot, err := tx.ResolveBot(ctx, caller.OrgID, req.GetBot())
		if err != nil {
			return nil, notFound(err, "bot")
		}
		if bot.ID != caller.BotID {
			ok, err := s.permitted(ctx, tx, t, p, thread.ActionRemove)
			switch {
			case err != nil:
				return nil, err
			case !ok:
				return nil, errForbiddenBy("remove others")
			}
		}
		return &b2bv1.RemoveParticipantResponse{Ok: true, BotId: bot.ID}, s.remove(ctx, tx, t, bot)
	})
}

// LeaveThread removes the caller from a thread (`thread_leave` of a WebSocket, B2B-WS-021).
func (s *threadService) LeaveThread(ctx context.Context, req *b2bv1.LeaveThreadRequest) (*b2bv1.LeaveThreadResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.LeaveThreadResponse, error) {
		t, _, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		if err := s.dismiss(ctx, tx, t, caller.BotID, caller.BotName, caller.BotID); err != nil {
			return nil, err
		}
		details := detail{"via": call.From(ctx).Via}
		return &b2bv1.LeaveThreadResponse{Ok: true}, s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.leave", "thread", t.ID, details)
	})
}

// remove removes a bot from a thread for a caller of any kind, and audits it.
func (c *core) remove(ctx context.Context, tx removeTx, t *store.Thread, bot *store.Bot) error {
	by := call.CallerOf(ctx).Actor()
	there, err := participation(ctx, tx, t.ID, bot.ID)
	switch {
	case err != nil:
		return err
	case there == nil:
		return call.NotFound("participant")
	}
	if err := c.dismiss(ctx, tx, t, bot.ID, bot.Name, by); err != nil {
		return err
	}
	details := detail{"removed_bot_id": bot.ID, "removed_bot_name": bot.Name, "removed_by": by}.via(ctx)
	return c.audit(ctx, tx, t.OrgID, actorBot(ctx), "thread.remove_participant", "thread", t.ID, details)
}

// admission is a bot that is added to a thread.
type admission struct {
	id, name   string
	by         string            // the actor that adds it
	label      *string           // as stored
	eventLabel *b2bv1.LabelValue // in the event; nil: the event has no label
}

// admit adds a participant and emits the event to the participants, the new one included. A pending
// join request of the bot is approved by that, with its event. The revision of the thread increases
// by one.
func (c *core) admit(ctx context.Context, tx admitTx, t *store.Thread, a *admission) (*store.Participant, error) {
	switch count, err := tx.CountParticipants(ctx, t.ID); {
	case err != nil:
		return nil, fmt.Errorf("count participants: %w", err)
	case count >= limits.MaxParticipants:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_THREAD_FULL, "This thread has %d participants, which is the limit", count).
			WithHint("Remove a participant, or create another thread.")
	}
	now := c.nowMS()
	p := &store.Participant{ThreadID: t.ID, BotID: a.id, Label: a.label, JoinedAt: now}
	if err := tx.AddParticipant(ctx, p); err != nil {
		return nil, fmt.Errorf("add a participant: %w", err)
	}
	if err := c.bumpRevision(ctx, tx, t, now); err != nil {
		return nil, err
	}
	err := c.emitParticipant(ctx, tx, &b2bv1.ThreadParticipantEvent{
		ThreadId: t.ID, BotId: a.id, BotName: a.name,
		Action: b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED, By: a.by, Label: a.eventLabel,
	})
	if err != nil {
		return nil, err
	}
	request, err := pendingRequest(ctx, tx, t.ID, a.id)
	if err != nil || request == nil {
		return p, err
	}
	if err := tx.ResolveJoinRequest(ctx, request.ID, store.JoinApproved, now, actorBot(ctx)); err != nil {
		return nil, fmt.Errorf("approve a join request: %w", err)
	}
	return p, c.emitJoinResolved(ctx, tx, t.ID, request.ID, a.id, b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_APPROVED, a.by)
}

// dismiss emits that a participant leaves, to the participants including it, and removes it. The
// last participant cannot be removed. The revision of the thread increases by one.
func (c *core) dismiss(ctx context.Context, tx dismissTx, t *store.Thread, id, name, by string) error {
	count, err := tx.CountParticipants(ctx, t.ID)
	switch {
	case err != nil:
		return fmt.Errorf("count participants: %w", err)
	case count <= 1:
		return call.Invalid("Cannot remove the last participant of a thread").WithHint("Close the thread instead.")
	}
	if err := c.withdrawOfLeaving(ctx, tx, t, id, by); err != nil {
		return err
	}
	err = c.emitParticipant(ctx, tx, &b2bv1.ThreadParticipantEvent{
		ThreadId: t.ID, BotId: id, BotName: name,
		Action: b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT, By: by,
	})
	if err != nil {
		return err
	}
	if err := tx.RemoveParticipant(ctx, t.ID, id); err != nil {
		return fmt.Errorf("remove a participant: %w", err)
	}
	return c.bumpRevision(ctx, tx, t, c.nowMS())
}

// bumpRevision increases the revision of a thread by one.
func (c *core) bumpRevision(ctx context.Context, tx revisionTx, t *store.Thread, now int64) error {
	was := t.Revision
	t.Revision++
	t.UpdatedAt = now
	if err := tx.UpdateThread(ctx, t, was); err != nil {
		return staleOr(err, was)
	}
	return nil
}

// emitParticipant emits that a bot joins or leaves. The event is about that bot, so that it finds
// it among those of others (store.PartyOf).
func (c *core) emitParticipant(ctx context.Context, tx eventTx, e *b2bv1.ThreadParticipantEvent) error {
	to := toThread(e.ThreadId)
	to.BotID = &e.BotId
	return c.emit(ctx, tx, to, &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: e}})
}
