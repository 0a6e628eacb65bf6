package service

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
	"github.com/b2b-protocol/b2b/server/call"
	"github.com/b2b-protocol/b2b/server/limits"
	"github.com/b2b-protocol/b2b/server/store"
	"github.com/b2b-protocol/b2b/server/thread"
)

// AddParticipant invites a bot: it is a participant at once (B2B-JOIN-010).
func (s *threadService) AddParticipant(ctx context.Context, req *b2bv1.AddParticipantRequest) (*b2bv1.AddParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	named := naming(req, req.FieldMask)
	return change(ctx, s.core, caller.OrgID, req, func(tx store.Tx) (*b2bv1.AddParticipantResponse, error) {
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
			return nil, missing(err, "bot")
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive("bot_id", bot)
		}
		there, err := participation(ctx, tx, t.ID, bot.ID)
		switch {
		case err != nil:
			return nil, err
		case there != nil && named("label"):
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_CONFLICT, "This bot is a participant already; its label cannot be changed")
		case there != nil:
			return &b2bv1.AddParticipantResponse{Participant: participantOut(there), AlreadyJoined: true}, nil
		}
		added, err := s.admit(ctx, tx, t, &admission{
			id: bot.ID, name: bot.Name, by: caller.BotID, label: req.Label, told: &b2bv1.LabelValue{Value: req.Label},
		})
		if err != nil {
			return nil, err
		}
		told := detail{"invited_bot_id": bot.ID, "invited_bot_name": bot.Name}.via(ctx)
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.invite", "thread", t.ID, told)
		return &b2bv1.AddParticipantResponse{Participant: participantOut(added)}, err
	})
}

// invitation is a request to bring a bot into a thread.
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

// RemoveParticipant removes a bot, or lets the caller leave (B2B-JOIN-014, B2B-JOIN-015).
func (s *threadService) RemoveParticipant(ctx context.Context, req *b2bv1.RemoveParticipantRequest) (*b2bv1.RemoveParticipantResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx store.Tx) (*b2bv1.RemoveParticipantResponse, error) {
		t, p, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		bot, err := tx.ResolveBot(ctx, caller.OrgID, req.GetBot())
		if err != nil {
			return nil, missing(err, "bot")
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
	return change(ctx, s.core, caller.OrgID, req, func(tx store.Tx) (*b2bv1.LeaveThreadResponse, error) {
		t, _, err := s.enter(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		if err := s.dismiss(ctx, tx, t, caller.BotID, caller.BotName, caller.BotID); err != nil {
			return nil, err
		}
		told := detail{"via": call.From(ctx).Via}
		return &b2bv1.LeaveThreadResponse{Ok: true}, s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.leave", "thread", t.ID, told)
	})
}

// remove takes a bot out of a thread for the caller, of whatever kind, and audits it.
func (c *core) remove(ctx context.Context, tx store.Tx, t *store.Thread, bot *store.Bot) error {
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
	told := detail{"removed_bot_id": bot.ID, "removed_bot_name": bot.Name, "removed_by": by}.via(ctx)
	return c.audit(ctx, tx, t.OrgID, actorBot(ctx), "thread.remove_participant", "thread", t.ID, told)
}

// admission is a bot that comes into a thread.
type admission struct {
	id, name string
	by       string            // who let it in
	label    *string           // as stored
	told     *b2bv1.LabelValue // as told; nil: the event has no label
}

// admit adds a participant and tells the thread, the newcomer included. A request
// of the bot to join is granted by that, whichever way it came in, and the bot is
// told. The thread's revision moves by one.
func (c *core) admit(ctx context.Context, tx store.Tx, t *store.Thread, a *admission) (*store.Participant, error) {
	switch count, err := tx.CountParticipants(ctx, t.ID); {
	case err != nil:
		return nil, fmt.Errorf("count participants: %w", err)
	case count >= limits.MaxParticipants:
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_THREAD_FULL, "This thread has %d participants, as many as it may", count).
			WithHint("Let somebody leave, or begin another thread.")
	}
	now := c.nowMS()
	p := &store.Participant{ThreadID: t.ID, BotID: a.id, Label: a.label, JoinedAt: now}
	if err := tx.AddParticipant(ctx, p); err != nil {
		return nil, fmt.Errorf("add a participant: %w", err)
	}
	if err := c.moved(ctx, tx, t, now); err != nil {
		return nil, err
	}
	err := c.tellParticipant(ctx, tx, &b2bv1.ThreadParticipantEvent{
		ThreadId: t.ID, BotId: a.id, BotName: a.name,
		Action: b2bv1.ParticipantAction_PARTICIPANT_ACTION_JOINED, By: a.by, Label: a.told,
	})
	if err != nil {
		return nil, err
	}
	request, err := pendingRequest(ctx, tx, t.ID, a.id)
	if err != nil || request == nil {
		return p, err
	}
	if err := tx.ResolveJoinRequest(ctx, request.ID, store.JoinApproved, now, actorBot(ctx)); err != nil {
		return nil, fmt.Errorf("grant a join request: %w", err)
	}
	return p, c.tellResolved(ctx, tx, t.ID, request.ID, a.id, b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_APPROVED, a.by)
}

// dismiss tells the thread that a participant leaves, the leaver included, and
// removes it. The last one cannot go. The thread's revision moves by one.
func (c *core) dismiss(ctx context.Context, tx store.Tx, t *store.Thread, id, name, by string) error {
	count, err := tx.CountParticipants(ctx, t.ID)
	switch {
	case err != nil:
		return fmt.Errorf("count participants: %w", err)
	case count <= 1:
		return call.Invalid("Cannot remove the last participant of a thread").WithHint("Close the thread instead.")
	}
	err = c.tellParticipant(ctx, tx, &b2bv1.ThreadParticipantEvent{
		ThreadId: t.ID, BotId: id, BotName: name,
		Action: b2bv1.ParticipantAction_PARTICIPANT_ACTION_LEFT, By: by,
	})
	if err != nil {
		return err
	}
	if err := tx.RemoveParticipant(ctx, t.ID, id); err != nil {
		return fmt.Errorf("remove a participant: %w", err)
	}
	return c.moved(ctx, tx, t, c.nowMS())
}

// moved gives a thread its next revision.
func (c *core) moved(ctx context.Context, tx store.Tx, t *store.Thread, now int64) error {
	was := t.Revision
	t.Revision++
	t.UpdatedAt = now
	if err := tx.UpdateThread(ctx, t, was); err != nil {
		return staleOr(err, was)
	}
	return nil
}

func (c *core) tellParticipant(ctx context.Context, tx store.Tx, e *b2bv1.ThreadParticipantEvent) error {
	return c.emit(ctx, tx, toThread(e.ThreadId), &b2bv1.Event{Event: &b2bv1.Event_ThreadParticipant{ThreadParticipant: e}})
}
