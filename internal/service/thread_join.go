package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/limits"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// JoinThread adds the caller to a thread, or creates a request to join (B2B-JOIN-001,
// B2B-JOIN-002).
func (s *threadService) JoinThread(ctx context.Context, req *b2bv1.JoinThreadRequest) (*b2bv1.JoinThreadResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.JoinThreadResponse, error) {
		t, err := tx.Thread(ctx, caller.OrgID, req.GetThreadId())
		if err != nil {
			return nil, notFound(err, "thread")
		}
		p, err := participation(ctx, tx, t.ID, caller.BotID)
		if err != nil {
			return nil, err
		}
		pending, err := pendingRequest(ctx, tx, t.ID, caller.BotID)
		if err != nil {
			return nil, err
		}
		switch thread.DecideJoin(settingsOf(t), thread.Status(t.Status), p != nil, pending != nil) {
		case thread.JoinNotFound:
			return nil, call.NotFound("thread")
		case thread.JoinEnded:
			return nil, errThreadClosed(t)
		case thread.AlreadyJoined:
			return &b2bv1.JoinThreadResponse{Status: b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_ALREADY_JOINED}, nil
		case thread.InvitationNeeded:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVITE_ONLY, "This thread is by invitation only").
				WithHint("Ask a participant for an invitation.")
		case thread.AlreadyRequested:
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_ALREADY_REQUESTED, "Your request to join is still pending").
				With("request_id", pending.ID)
		case thread.RequestNeeded:
			return s.askToJoin(ctx, tx, t)
		}
		return s.joinAtOnce(ctx, tx, t)
	})
}

func pendingRequest(ctx context.Context, r joinRequestReader, threadID, bot string) (*store.JoinRequest, error) {
	pending, err := r.PendingJoinRequest(ctx, threadID, bot)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up a join request: %w", err)
	}
	return pending, nil
}

// askToJoin stores a request to join and emits its event to the participants.
func (s *threadService) askToJoin(ctx context.Context, tx threadTx, t *store.Thread) (*b2bv1.JoinThreadResponse, error) {
	caller := call.CallerOf(ctx)
	request := &store.JoinRequest{
		ID: newID(), ThreadID: t.ID, BotID: caller.BotID, Status: store.JoinPending, RequestedAt: s.nowMS(),
	}
	if err := tx.CreateJoinRequest(ctx, request); err != nil {
		return nil, fmt.Errorf("store a join request: %w", err)
	}
	if err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.join_requested", "thread", t.ID, nil); err != nil {
		return nil, err
	}
	err := s.emit(ctx, tx, toThread(t.ID), &b2bv1.Event{Event: &b2bv1.Event_ThreadJoinRequest{
		ThreadJoinRequest: &b2bv1.ThreadJoinRequestEvent{
			ThreadId: t.ID, RequestId: request.ID, BotId: caller.BotID, BotName: caller.BotName,
		},
	}})
	return &b2bv1.JoinThreadResponse{Status: b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_PENDING, RequestId: &request.ID}, err
}

func (s *threadService) joinAtOnce(ctx context.Context, tx threadTx, t *store.Thread) (*b2bv1.JoinThreadResponse, error) {
	caller := call.CallerOf(ctx)
	p, err := s.admit(ctx, tx, t, &admission{id: caller.BotID, name: caller.BotName, by: caller.BotID})
	if err != nil {
		return nil, err
	}
	var details any
	if d := (detail{}).via(ctx); len(d) > 0 {
		details = d
	}
	err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.join", "thread", t.ID, details)
	return &b2bv1.JoinThreadResponse{Status: b2bv1.JoinThreadStatus_JOIN_THREAD_STATUS_JOINED, JoinedAt: stamp(p.JoinedAt)}, err
}

// ListJoinRequests returns the pending requests (B2B-JOIN-006).
func (s *threadService) ListJoinRequests(ctx context.Context, req *b2bv1.ListJoinRequestsRequest) (*b2bv1.ListJoinRequestsResponse, error) {
	t, _, err := s.enterAsHost(ctx, s.reads, req.GetThreadId(), false)
	if err != nil {
		return nil, err
	}
	rows, err := s.reads.PendingJoinRequests(ctx, t.ID, limits.MaxJoinRequests)
	if err != nil {
		return nil, fmt.Errorf("list join requests: %w", err)
	}
	out := make([]*b2bv1.JoinRequest, len(rows))
	for i := range rows {
		r := &rows[i]
		out[i] = &b2bv1.JoinRequest{
			Id: r.ID, ThreadId: r.ThreadID, BotId: r.BotID, BotName: r.BotName,
			Status:      b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_PENDING,
			RequestedAt: stamp(r.RequestedAt), ResolvedAt: stampOf(r.ResolvedAt), ResolvedBy: r.ResolvedBy,
		}
	}
	return &b2bv1.ListJoinRequestsResponse{JoinRequests: out}, nil
}

// enterAsHost is enter for participants that may resolve join requests.
func (s *threadService) enterAsHost(ctx context.Context, r hostReader, id string, live bool) (*store.Thread, *store.Participant, error) {
	t, p, err := s.enter(ctx, r, id, live)
	if err != nil {
		return nil, nil, err
	}
	ok, err := s.permitted(ctx, r, t, p, thread.ActionManage, thread.ActionInvite)
	switch {
	case err != nil:
		return nil, nil, err
	case !ok:
		return nil, nil, errForbiddenBy("manage or invite")
	}
	return t, p, nil
}

// pendingByID finds a request of the thread that is still pending.
func pendingByID(ctx context.Context, tx threadTx, threadID, id string) (*store.JoinRequest, error) {
	request, err := tx.JoinRequest(ctx, threadID, id)
	if err != nil {
		return nil, notFound(err, "join request")
	}
	if request.Status != store.JoinPending {
		return nil, call.NotFound("join request")
	}
	return request, nil
}

// ApproveJoinRequest adds a bot that asked to join (B2B-JOIN-007). The events go to the bot and to
// the participants.
func (s *threadService) ApproveJoinRequest(ctx context.Context, req *b2bv1.ApproveJoinRequestRequest) (*b2bv1.ApproveJoinRequestResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.ApproveJoinRequestResponse, error) {
		t, _, err := s.enterAsHost(ctx, tx, req.GetThreadId(), true)
		if err != nil {
			return nil, err
		}
		request, err := pendingByID(ctx, tx, t.ID, req.GetJoinRequestId())
		if err != nil {
			return nil, err
		}
		bot, err := tx.Bot(ctx, caller.OrgID, request.BotID)
		switch {
		case err != nil:
			return nil, notFound(err, "join request")
		case bot.JoinStatus != store.BotActive:
			return nil, errBotNotActive("join request", bot)
		}
		p, err := s.admit(ctx, tx, t, &admission{id: bot.ID, name: bot.Name, by: caller.BotID})
		if err != nil {
			return nil, err
		}
		details := detail{"approved_bot": bot.ID, "request_id": request.ID}.via(ctx)
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.join_approved", "thread", t.ID, details)
		return &b2bv1.ApproveJoinRequestResponse{
			Status: b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_APPROVED, JoinedAt: stamp(p.JoinedAt),
		}, err
	})
}

// RejectJoinRequest rejects a bot that asked to join (B2B-JOIN-008). The event goes to the bot.
func (s *threadService) RejectJoinRequest(ctx context.Context, req *b2bv1.RejectJoinRequestRequest) (*b2bv1.RejectJoinRequestResponse, error) {
	caller := call.CallerOf(ctx)
	return change(ctx, s.core, caller.OrgID, req, func(tx threadTx) (*b2bv1.RejectJoinRequestResponse, error) {
		t, _, err := s.enterAsHost(ctx, tx, req.GetThreadId(), false)
		if err != nil {
			return nil, err
		}
		request, err := pendingByID(ctx, tx, t.ID, req.GetJoinRequestId())
		if err != nil {
			return nil, err
		}
		if err := tx.ResolveJoinRequest(ctx, request.ID, store.JoinRejected, s.nowMS(), actorBot(ctx)); err != nil {
			return nil, fmt.Errorf("reject a join request: %w", err)
		}
		details := detail{"rejected_bot": request.BotID, "request_id": request.ID}.via(ctx)
		if err := s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "thread.join_rejected", "thread", t.ID, details); err != nil {
			return nil, err
		}
		err = s.emitJoinResolved(ctx, tx, t.ID, request.ID, request.BotID, b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_REJECTED, caller.BotID)
		return &b2bv1.RejectJoinRequestResponse{Status: b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_REJECTED}, err
	})
}

// rejectPending rejects all pending requests of a thread that no longer accepts any, and emits the
// events to the bots that asked.
func (c *core) rejectPending(ctx context.Context, tx pendingTx, t *store.Thread, now int64) error {
	waiting, err := tx.PendingJoinRequests(ctx, t.ID, limits.MaxRows)
	if err != nil {
		return fmt.Errorf("list join requests: %w", err)
	}
	if _, err := tx.RejectJoinRequests(ctx, t.ID, now, actorBot(ctx)); err != nil {
		return fmt.Errorf("reject join requests: %w", err)
	}
	by := call.CallerOf(ctx).Actor()
	for i := range waiting {
		err := c.emitJoinResolved(ctx, tx, t.ID, waiting[i].ID, waiting[i].BotID, b2bv1.JoinRequestStatus_JOIN_REQUEST_STATUS_REJECTED, by)
		if err != nil {
			return err
		}
	}
	return nil
}

// emitJoinResolved emits the event about a resolved request, to the bot that asked only.
func (c *core) emitJoinResolved(ctx context.Context, tx eventTx, threadID, request, bot string, status b2bv1.JoinRequestStatus, by string) error {
	return c.emit(ctx, tx, toBot(bot), &b2bv1.Event{Event: &b2bv1.Event_ThreadJoinResolved{
		ThreadJoinResolved: &b2bv1.ThreadJoinResolvedEvent{ThreadId: threadID, RequestId: request, Status: status, By: by},
	}})
}
