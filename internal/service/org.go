package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/b2b-protocol/b2b/internal/call"
	"github.com/b2b-protocol/b2b/internal/store"
	"github.com/b2b-protocol/b2b/internal/thread"
	b2bv1 "github.com/b2b-protocol/b2b/sdk/go/b2b/v1"
)

// orgService serves an org to its own members and admins.
type orgService struct {
	*core
	reads orgReads
}

// orgReads is what orgService reads of the store.
type orgReads interface {
	orgReader
	Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditEntry, error)
	Sessions(ctx context.Context, org string, now int64, limit, offset int) ([]store.Session, error)
	Tickets(ctx context.Context, org string, now int64, before *store.PageKey, limit int) ([]store.OrgTicket, error)
}

// orgView is what it reads on one snapshot.
type orgView interface {
	orgReader
	settingsReader
}

// orgTx is what its changes need.
type orgTx interface {
	secretTx
	settingsReader
	Bot(ctx context.Context, org, id string) (*store.Bot, error)
	SetBotRole(ctx context.Context, id, authRole string) error
	SetBotJoinStatus(ctx context.Context, id, status string, by *string, at int64, reason *string) error
	DeleteTombstone(ctx context.Context, org, name string) error
	UpdateOrg(ctx context.Context, org *store.Org) error
	SessionByRef(ctx context.Context, org, ref string) (*store.Session, error)
	DeleteSession(ctx context.Context, hash string) (*store.Session, error)
	PutOrgSettings(ctx context.Context, s *store.OrgSettings) error
	CreateTicket(ctx context.Context, t *store.OrgTicket) error
	DeleteTicket(ctx context.Context, org, hash, row string) (*store.OrgTicket, error)
}

func (s *orgService) GetOrg(ctx context.Context, _ *b2bv1.GetOrgRequest) (*b2bv1.GetOrgResponse, error) {
	org, err := liveOrg(ctx, s.reads, call.CallerOf(ctx).OrgID)
	if err != nil {
		return nil, err
	}
	return &b2bv1.GetOrgResponse{Org: orgOut(org)}, nil
}

func (s *orgService) GetOrgSettings(ctx context.Context, _ *b2bv1.GetOrgSettingsRequest) (*b2bv1.GetOrgSettingsResponse, error) {
	settings, err := view(ctx, s.core, func(r orgView) (*b2bv1.OrgSettings, error) {
		return readSettings(ctx, r, call.CallerOf(ctx).OrgID)
	})
	if err != nil {
		return nil, err
	}
	return &b2bv1.GetOrgSettingsResponse{Settings: settings}, nil
}

func readSettings(ctx context.Context, r orgView, id string) (*b2bv1.OrgSettings, error) {
	org, err := liveOrg(ctx, r, id)
	if err != nil {
		return nil, err
	}
	settings, err := r.OrgSettings(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return settingsOut(org, settings), nil
}

func settingsOut(org *store.Org, settings *store.OrgSettings) *b2bv1.OrgSettings {
	return &b2bv1.OrgSettings{
		OrgId:                         org.ID,
		MessagesPerMinutePerBot:       settings.MessagesPerMinutePerBot,
		ThreadsPerHourPerBot:          settings.ThreadsPerHourPerBot,
		FileUploadMbPerDayPerBot:      settings.FileUploadMBPerDayPerBot,
		MessageTtlDays:                settings.MessageTTLDays,
		ThreadAutoCloseDays:           settings.ThreadAutoCloseDays,
		ArtifactRetentionDays:         settings.ArtifactRetentionDays,
		DefaultThreadPermissionPolicy: settings.DefaultThreadPermissionPolicy,
		DeliveryAttempts:              settings.Attempts(),
		UpdatedAt:                     settings.UpdatedAt,
		JoinApprovalRequired:          org.JoinApprovalRequired,
		ThreadTurnLimit:               settings.ThreadTurnLimit,
		ThreadMessagesPerHourPerBot:   settings.ThreadMessagesPerHourPerBot,
		PublicAgentCards:              settings.PublicAgentCards,
	}
}

func (s *orgService) UpdateOrgSettings(ctx context.Context, req *b2bv1.UpdateOrgSettingsRequest) (*b2bv1.UpdateOrgSettingsResponse, error) {
	write, err := newSettingsWrite(req)
	if err != nil {
		return nil, err
	}
	id := call.CallerOf(ctx).OrgID
	return change(ctx, s.core, id, req, func(tx orgTx) (*b2bv1.UpdateOrgSettingsResponse, error) {
		org, err := liveOrg(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		settings, err := tx.OrgSettings(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("read settings: %w", err)
		}
		if len(write.fields) > 0 {
			for _, field := range write.fields {
				field(settings)
			}
			settings.UpdatedAt = s.nowMS()
			if err := tx.PutOrgSettings(ctx, settings); err != nil {
				return nil, fmt.Errorf("write settings: %w", err)
			}
		}
		if write.approval != nil {
			org.JoinApprovalRequired = *write.approval
			if err := tx.UpdateOrg(ctx, org); err != nil {
				return nil, fmt.Errorf("write join_approval_required: %w", err)
			}
		}
		if err := s.audit(ctx, tx, id, nil, "settings.update", "org_settings", id, write.details); err != nil {
			return nil, err
		}
		return &b2bv1.UpdateOrgSettingsResponse{Settings: settingsOut(org, settings)}, nil
	})
}

// settingsWrite is a checked change of settings.
type settingsWrite struct {
	fields   []func(*store.OrgSettings)
	approval *bool
	details  detail // for the audit entry: the fields that are written
}

// newSettingsWrite checks a request in this order (B2B-ORG-023): rates, days and limits, policy,
// approval, and that it names at least one setting.
func newSettingsWrite(req *b2bv1.UpdateOrgSettingsRequest) (*settingsWrite, error) {
	named := namedFields(req, req.GetUpdateMask())
	w := &settingsWrite{details: detail{}}
	for _, rate := range []struct {
		name  string
		value *int64
		into  func(*store.OrgSettings) *int64
	}{
		{"messages_per_minute_per_bot", req.MessagesPerMinutePerBot, func(s *store.OrgSettings) *int64 { return &s.MessagesPerMinutePerBot }},
		{"threads_per_hour_per_bot", req.ThreadsPerHourPerBot, func(s *store.OrgSettings) *int64 { return &s.ThreadsPerHourPerBot }},
		{"file_upload_mb_per_day_per_bot", req.FileUploadMbPerDayPerBot, func(s *store.OrgSettings) *int64 { return &s.FileUploadMBPerDayPerBot }},
	} {
		if !named(rate.name) {
			continue
		}
		if rate.value == nil {
			return nil, call.Invalid("%s must be a whole number", rate.name)
		}
		w.fields = append(w.fields, func(s *store.OrgSettings) { *rate.into(s) = *rate.value })
		w.details[rate.name] = *rate.value
	}
	for _, number := range []struct { // null turns it off
		name  string
		value *int64
		into  func(*store.OrgSettings) **int64
	}{
		{"message_ttl_days", req.MessageTtlDays, func(s *store.OrgSettings) **int64 { return &s.MessageTTLDays }},
		{"thread_auto_close_days", req.ThreadAutoCloseDays, func(s *store.OrgSettings) **int64 { return &s.ThreadAutoCloseDays }},
		{"artifact_retention_days", req.ArtifactRetentionDays, func(s *store.OrgSettings) **int64 { return &s.ArtifactRetentionDays }},
		{"thread_turn_limit", req.ThreadTurnLimit, func(s *store.OrgSettings) **int64 { return &s.ThreadTurnLimit }},
		{"thread_messages_per_hour_per_bot", req.ThreadMessagesPerHourPerBot, func(s *store.OrgSettings) **int64 { return &s.ThreadMessagesPerHourPerBot }},
	} {
		if !named(number.name) {
			continue
		}
		w.fields = append(w.fields, func(s *store.OrgSettings) { *number.into(s) = number.value })
		w.details[number.name] = number.value
	}
	if named("delivery_attempts") {
		if req.DeliveryAttempts == nil {
			return nil, call.Invalid("delivery_attempts must be a whole number")
		}
		w.fields = append(w.fields, func(s *store.OrgSettings) { s.DeliveryAttempts = req.DeliveryAttempts })
		w.details["delivery_attempts"] = *req.DeliveryAttempts
	}
	if named("public_agent_cards") {
		if req.PublicAgentCards == nil {
			return nil, call.Invalid("public_agent_cards must be true or false")
		}
		w.fields = append(w.fields, func(s *store.OrgSettings) { s.PublicAgentCards = *req.PublicAgentCards })
		w.details["public_agent_cards"] = *req.PublicAgentCards
	}
	if named("default_thread_permission_policy") {
		if err := w.policy(req.DefaultThreadPermissionPolicy); err != nil {
			return nil, err
		}
	}
	if named("join_approval_required") {
		if req.JoinApprovalRequired == nil {
			return nil, call.Invalid("join_approval_required must be true or false")
		}
		w.approval = req.JoinApprovalRequired
		w.details["join_approval_required"] = *w.approval
	}
	if len(w.details) == 0 {
		return nil, call.Invalid("No setting to update").WithHint("Name at least one setting.")
	}
	return w, nil
}

func (w *settingsWrite) policy(text *string) error {
	var policy *string
	if text != nil {
		var err error
		if policy, err = thread.ParsePolicy([]byte(*text)); err != nil {
			var refused *thread.PolicyError
			if errors.As(err, &refused) {
				return call.Invalid("default_thread_permission_policy: %s", refused.Error())
			}
			return err
		}
	}
	w.fields = append(w.fields, func(s *store.OrgSettings) { s.DefaultThreadPermissionPolicy = policy })
	w.details["default_thread_permission_policy"] = nil
	if policy != nil {
		w.details["default_thread_permission_policy"] = json.RawMessage(*policy)
	}
	return nil
}

func (s *orgService) RotateSecret(ctx context.Context, req *b2bv1.RotateSecretRequest) (*b2bv1.RotateSecretResponse, error) {
	id := call.CallerOf(ctx).OrgID
	return change(ctx, s.core, id, req, func(tx orgTx) (*b2bv1.RotateSecretResponse, error) {
		secret, err := s.rotateSecret(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		return &b2bv1.RotateSecretResponse{OrgSecret: secret}, nil
	})
}

func (s *orgService) ListAuditEntries(ctx context.Context, req *b2bv1.ListAuditEntriesRequest) (*b2bv1.ListAuditEntriesResponse, error) {
	before, err := parsePageToken(req.GetCursor(), "created_at")
	if err != nil {
		return nil, err
	}
	size := pageSize(req.Limit)
	entries, err := s.reads.Audit(ctx, store.AuditQuery{
		Before: before,
		OrgID:  call.CallerOf(ctx).OrgID, Since: millis(req.GetSince()), Action: req.GetAction(),
		TargetType: req.GetTargetType(), TargetID: req.GetTargetId(), BotID: req.GetBotId(), Limit: size + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("list audit entries: %w", err)
	}
	entries, more := page(entries, size)
	out := &b2bv1.ListAuditEntriesResponse{Entries: make([]*b2bv1.AuditEntry, len(entries))}
	for i := range entries {
		e := &entries[i]
		out.Entries[i] = &b2bv1.AuditEntry{
			Id: e.ID, OrgId: e.OrgID, BotId: e.BotID, Action: e.Action, TargetType: e.TargetType, TargetId: e.TargetID,
			Detail: e.Detail, CreatedAt: stamp(e.CreatedAt),
		}
	}
	entries, out.Entries, more = cutToSize(s.core, entries, out.Entries, more)
	if more {
		last := &entries[len(entries)-1]
		out.NextCursor = formatPageToken(last.CreatedAt, last.ID)
	}
	return out, nil
}
