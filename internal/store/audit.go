package store

import "context"

// AuditEntry is one entry of the audit log.
type AuditEntry struct {
	ID         string  `bun:"id,pk"`
	OrgID      string  `bun:"org_id"`
	BotID      *string `bun:"bot_id"`
	Action     string  `bun:"action"`
	TargetType string  `bun:"target_type"`
	TargetID   string  `bun:"target_id"`
	Detail     *string `bun:"detail"` // JSON object
	CreatedAt  int64   `bun:"created_at"`
}

// AuditQuery selects entries of an org; empty fields select all.
type AuditQuery struct {
	OrgID      string
	Since      int64 // strictly newer; 0: all
	Action     string
	TargetType string
	TargetID   string
	BotID      string
	Before     *PageKey // older than this entry in the order
	Limit      int
}

// AuditReader reads the audit log.
type AuditReader interface {
	// Audit lists newest first (created_at, id descending).
	Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error)
}

// AuditWriter adds to the audit log.
type AuditWriter interface {
	InsertAudit(ctx context.Context, e *AuditEntry) error
	// SetAuditDetail rewrites the detail of an entry, found by org, time and id.
	SetAuditDetail(ctx context.Context, e *AuditEntry) error
}
