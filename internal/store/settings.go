package store

import "context"

// Defaults of OrgSettings.
const (
	DefaultMessagesPerMinute = 120
	DefaultThreadsPerHour    = 30
	DefaultUploadMBPerDay    = 100
	DefaultDeliveryAttempts  = 5
)

// OrgSettings are the limits of an org. Days that are nil are off.
// JoinApprovalRequired lives in Org.
type OrgSettings struct {
	OrgID                         string  `bun:"org_id,pk"`
	MessagesPerMinutePerBot       int64   `bun:"messages_per_minute_per_bot"`
	ThreadsPerHourPerBot          int64   `bun:"threads_per_hour_per_bot"`
	FileUploadMBPerDayPerBot      int64   `bun:"file_upload_mb_per_day_per_bot"`
	MessageTTLDays                *int64  `bun:"message_ttl_days"`
	ThreadAutoCloseDays           *int64  `bun:"thread_auto_close_days"`
	ArtifactRetentionDays         *int64  `bun:"artifact_retention_days"`
	DefaultThreadPermissionPolicy *string `bun:"default_thread_permission_policy"` // JSON
	DeliveryAttempts              *int64  `bun:"delivery_attempts"`                // nil: DefaultDeliveryAttempts
	UpdatedAt                     int64   `bun:"updated_at"`                       // 0 until first saved
	ThreadTurnLimit               *int64  `bun:"thread_turn_limit"`                // nil: none
	ThreadMessagesPerHourPerBot   *int64  `bun:"thread_messages_per_hour_per_bot"` // nil: any number
	PublicAgentCards              bool    `bun:"public_agent_cards"`
}

// DefaultSettings are the settings of an org that never saved any.
func DefaultSettings(org string) *OrgSettings {
	return &OrgSettings{
		OrgID:                    org,
		MessagesPerMinutePerBot:  DefaultMessagesPerMinute,
		ThreadsPerHourPerBot:     DefaultThreadsPerHour,
		FileUploadMBPerDayPerBot: DefaultUploadMBPerDay,
	}
}

// Attempts returns how often a delivery is handed out before it is dead.
func (s *OrgSettings) Attempts() int64 {
	if s.DeliveryAttempts == nil {
		return DefaultDeliveryAttempts
	}
	return *s.DeliveryAttempts
}

// SettingsReader reads settings.
type SettingsReader interface {
	// OrgSettings returns the saved settings or DefaultSettings; it never fails with
	// ErrNotFound.
	OrgSettings(ctx context.Context, org string) (*OrgSettings, error)
}

// SettingsWriter changes settings.
type SettingsWriter interface {
	// PutOrgSettings writes the whole row.
	PutOrgSettings(ctx context.Context, s *OrgSettings) error
}
