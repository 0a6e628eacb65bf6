package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

func (s *orgService) ListOrgSessions(ctx context.Context, req *b2bv1.ListOrgSessionsRequest) (*b2bv1.ListOrgSessionsResponse, error) {
	size := smallPage(req.Limit)
	rows, err := s.reads.Sessions(ctx, call.CallerOf(ctx).OrgID, s.nowMS(), size+1, max(int(req.GetOffset()), 0))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	sessions, more := page(rows, size)
	out := &b2bv1.ListOrgSessionsResponse{Items: make([]*b2bv1.OrgSession, len(sessions)), HasMore: more}
	for i := range sessions {
		row := &sessions[i]
		out.Items[i] = &b2bv1.OrgSession{
			Ref: row.Ref, Role: roleOf(row.Role), BotId: row.BotID, OwnerName: row.OwnerName,
			CreatedAt: stamp(row.CreatedAt), ExpiresAt: stamp(row.ExpiresAt),
		}
	}
	_, out.Items, out.HasMore = cutToSize(s.core, sessions, out.Items, more)
	return out, nil
}

func roleOf(text string) b2bv1.SessionRole {
	return enumOf[b2bv1.SessionRole](b2bv1.SessionRole_value, "SESSION_ROLE_", text)
}

// isRef reports whether a text has the form of the public handle of a session.
func isRef(text string) bool {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text) == 16
}

func (s *orgService) DeleteOrgSession(ctx context.Context, req *b2bv1.DeleteOrgSessionRequest) (*b2bv1.DeleteOrgSessionResponse, error) {
	caller := call.CallerOf(ctx)
	ref := req.GetRef()
	if !isRef(ref) {
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_INVALID_REF, "ref must be 16 lower-case hex characters")
	}
	return change(ctx, s.core, caller.OrgID, req, func(tx orgTx) (*b2bv1.DeleteOrgSessionResponse, error) {
		session, err := tx.SessionByRef(ctx, caller.OrgID, ref)
		if errors.Is(err, store.ErrNotFound) || err == nil && session.ExpiresAt <= s.nowMS() {
			return nil, call.NotFound("Session")
		}
		if err != nil {
			return nil, fmt.Errorf("find a session: %w", err)
		}
		if caller.Session != nil && caller.Session.Hash == session.Hash {
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_SELF_LOGOUT, "This is your own session").
				WithHint("Log out instead.")
		}
		if _, err := tx.DeleteSession(ctx, session.Hash); err != nil {
			return nil, fmt.Errorf("end a session: %w", err)
		}
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "auth.session_force_logout", "session", ref, detail{
			"target_role": session.Role, "target_bot_id": session.BotID, "revoked_by": revoker(caller),
		})
		if err != nil {
			return nil, err
		}
		if err := s.accessChanged(ctx, tx, deref(session.BotID)); err != nil {
			return nil, err
		}
		return &b2bv1.DeleteOrgSessionResponse{Deleted: true}, nil
	})
}

// revoker returns the name in audit entries of a caller that revokes something: the id of a bot,
// or the role of a session.
func revoker(caller *call.Caller) string {
	if caller.Kind == call.Bot {
		return caller.BotID
	}
	return caller.Session.Role
}

func deref(text *string) string { return textOr(text, "") }

// changedBy returns the name of the caller in changes of a bot's or an org's status: the handle of
// a session, or the id of a bot that used its token.
func changedBy(caller *call.Caller) string {
	switch {
	case caller.Session != nil:
		return "session:" + caller.Session.Ref
	case caller.Kind == call.Bot:
		return "bot:" + caller.BotID
	}
	return "operator" // in development, without a credential
}

func (s *orgService) UpdateBotRole(ctx context.Context, req *b2bv1.UpdateBotRoleRequest) (*b2bv1.UpdateBotRoleResponse, error) {
	caller := call.CallerOf(ctx)
	switch req.GetAuthRole() {
	case b2bv1.AuthRole_AUTH_ROLE_ADMIN, b2bv1.AuthRole_AUTH_ROLE_MEMBER:
	default:
		return nil, call.Invalid("auth_role must be admin or member")
	}
	role := textOf(req.GetAuthRole(), "AUTH_ROLE_")
	return change(ctx, s.core, caller.OrgID, req, func(tx orgTx) (*b2bv1.UpdateBotRoleResponse, error) {
		bot, err := tx.Bot(ctx, caller.OrgID, req.GetBotId())
		if err != nil {
			return nil, notFound(err, "Bot")
		}
		if caller.BotID == bot.ID && role == store.AuthMember {
			return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_SELF_DEMOTION, "A bot cannot make itself a member").
				WithHint("Let another admin do it.")
		}
		if bot.AuthRole != role {
			if err := tx.SetBotRole(ctx, bot.ID, role); err != nil {
				return nil, fmt.Errorf("set a bot's role: %w", err)
			}
			if err := s.accessChanged(ctx, tx, bot.ID); err != nil {
				return nil, err
			}
		}
		err = s.audit(ctx, tx, caller.OrgID, actorBot(ctx), "bot.role_change", "bot", bot.ID,
			detail{"auth_role": role, "changed_by": changedBy(caller)})
		if err != nil {
			return nil, err
		}
		return &b2bv1.UpdateBotRoleResponse{BotId: bot.ID, AuthRole: req.GetAuthRole()}, nil
	})
}

func (s *orgService) UpdateBotStatus(ctx context.Context, req *b2bv1.UpdateBotStatusRequest) (*b2bv1.UpdateBotStatusResponse, error) {
	caller := call.CallerOf(ctx)
	switch req.GetStatus() {
	case b2bv1.JoinStatus_JOIN_STATUS_ACTIVE, b2bv1.JoinStatus_JOIN_STATUS_REJECTED:
	default:
		return nil, call.Invalid("status must be active or rejected")
	}
	status := textOf(req.GetStatus(), "JOIN_STATUS_")
	return change(ctx, s.core, caller.OrgID, req, func(tx orgTx) (*b2bv1.UpdateBotStatusResponse, error) {
		bot, err := tx.Bot(ctx, caller.OrgID, req.GetBotId())
		if err != nil {
			return nil, notFound(err, "Bot")
		}
		was := bot.JoinStatus
		if was != status {
			by, now := changedBy(caller), s.nowMS()
			bot.JoinStatus, bot.JoinStatusChangedBy, bot.JoinStatusChangedAt, bot.JoinStatusReason = status, &by, &now, req.Reason
			if err := s.setJoinStatus(ctx, tx, bot, was); err != nil {
				return nil, err
			}
		}
		return &b2bv1.UpdateBotStatusResponse{
			BotId: bot.ID, Name: bot.Name, JoinStatus: req.GetStatus(), PreviousStatus: joinStatusOf(was),
			JoinStatusChangedBy: bot.JoinStatusChangedBy, JoinStatusChangedAt: stampOf(bot.JoinStatusChangedAt),
			JoinStatusReason: bot.JoinStatusReason,
		}, nil
	})
}

// setJoinStatus stores a bot's new join status, audits it, and emits its events.
func (s *orgService) setJoinStatus(ctx context.Context, tx orgTx, bot *store.Bot, was string) error {
	err := tx.SetBotJoinStatus(ctx, bot.ID, bot.JoinStatus, bot.JoinStatusChangedBy, *bot.JoinStatusChangedAt, bot.JoinStatusReason)
	if err != nil {
		return fmt.Errorf("set a bot's join status: %w", err)
	}
	err = s.audit(ctx, tx, bot.OrgID, actorBot(ctx), "bot.join_status_changed", "bot", bot.ID, detail{
		"old_status": was, "new_status": bot.JoinStatus, "reason": bot.JoinStatusReason, "changed_by": bot.JoinStatusChangedBy,
	})
	if err != nil {
		return err
	}
	err = s.emit(ctx, tx, toOrg(), &b2bv1.Event{Event: &b2bv1.Event_BotStatusChanged{
		BotStatusChanged: &b2bv1.BotStatusChangedEvent{
			BotId: bot.ID, Name: bot.Name, JoinStatus: joinStatusOf(bot.JoinStatus), PreviousStatus: joinStatusOf(was),
			Reason: bot.JoinStatusReason,
		},
	}})
	if err != nil {
		return err
	}
	return s.statusChanged(ctx, tx, bot.ID, bot.JoinStatus != store.BotActive)
}

func (s *orgService) DeleteTombstone(ctx context.Context, req *b2bv1.DeleteTombstoneRequest) (*b2bv1.DeleteTombstoneResponse, error) {
	caller := call.CallerOf(ctx)
	id, name := req.GetOrgId(), req.GetName()
	if caller.Kind != call.SuperAdmin && caller.OrgID != id { // the same error whether the org exists or not
		return nil, call.Errorf(b2bv1.ErrorCode_ERROR_CODE_FORBIDDEN, "This is not your org")
	}
	return change(ctx, s.core, id, req, func(tx orgTx) (*b2bv1.DeleteTombstoneResponse, error) {
		if _, err := liveOrg(ctx, tx, id); err != nil {
			return nil, err
		}
		if err := tx.DeleteTombstone(ctx, id, name); err != nil {
			return nil, notFound(err, "Tombstone")
		}
		err := s.audit(ctx, tx, id, nil, "bot.tombstone_cleared", "bot", name, detail{
			"cleared_by_session": caller.Session.Ref, "cleared_by_role": caller.Session.Role,
		})
		if err != nil {
			return nil, err
		}
		return &b2bv1.DeleteTombstoneResponse{Ok: true, Message: "The name is free again."}, nil
	})
}
