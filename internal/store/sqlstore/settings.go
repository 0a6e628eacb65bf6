package sqlstore

import (
	"context"
	"errors"

	"github.com/b2b-protocol/b2b/internal/store"
)

func scanSettings(rows rowSet, s *store.OrgSettings) error {
	return rows.Scan(&s.OrgID, &s.MessagesPerMinutePerBot, &s.ThreadsPerHourPerBot, &s.FileUploadMBPerDayPerBot,
		&s.MessageTTLDays, &s.ThreadAutoCloseDays, &s.ArtifactRetentionDays, &s.DefaultThreadPermissionPolicy, &s.DeliveryAttempts, &s.UpdatedAt,
		&s.ThreadTurnLimit, &s.ThreadMessagesPerHourPerBot, &s.PublicAgentCards)
}

var selectOrgSettings = read(onOrgSettings, `SELECT org_id, messages_per_minute_per_bot,
		threads_per_hour_per_bot, file_upload_mb_per_day_per_bot, message_ttl_days, thread_auto_close_days,
		artifact_retention_days, default_thread_permission_policy, delivery_attempts, updated_at,
		thread_turn_limit, thread_messages_per_hour_per_bot, public_agent_cards FROM org_settings WHERE org_id = ?`)

func (r reader) OrgSettings(ctx context.Context, org string) (*store.OrgSettings, error) {
	s, err := scanner[store.OrgSettings](scanSettings).one(ctx, r, selectOrgSettings, org)
	if errors.Is(err, store.ErrNotFound) {
		return store.DefaultSettings(org), nil
	}
	return s, err
}

var putSettings = insertRow[store.OrgSettings](onOrgSettings, ` ON CONFLICT (org_id) DO UPDATE SET
	messages_per_minute_per_bot = excluded.messages_per_minute_per_bot,
	threads_per_hour_per_bot = excluded.threads_per_hour_per_bot,
	file_upload_mb_per_day_per_bot = excluded.file_upload_mb_per_day_per_bot,
	message_ttl_days = excluded.message_ttl_days,
	thread_auto_close_days = excluded.thread_auto_close_days,
	artifact_retention_days = excluded.artifact_retention_days,
	default_thread_permission_policy = excluded.default_thread_permission_policy,
	delivery_attempts = excluded.delivery_attempts,
	updated_at = excluded.updated_at,
	thread_turn_limit = excluded.thread_turn_limit,
	thread_messages_per_hour_per_bot = excluded.thread_messages_per_hour_per_bot,
	public_agent_cards = excluded.public_agent_cards`)

func (t *tx) PutOrgSettings(ctx context.Context, s *store.OrgSettings) error {
	return put(ctx, t, putSettings, s)
}
