package store

import "context"

// Org statuses.
const (
	OrgActive    = "active"
	OrgSuspended = "suspended"
	OrgDestroyed = "destroyed" // ended: read only by retention, which removes it
)

// Org is one org. Names are not unique.
type Org struct {
	ID                   string `bun:"id,pk"`
	Name                 string `bun:"name"`
	SecretHash           string `bun:"secret_hash"`
	PersistMessages      bool   `bun:"persist_messages"`
	Status               string `bun:"status"`
	JoinApprovalRequired bool   `bun:"join_approval_required"`
	CreatedAt            int64  `bun:"created_at"`
}

// OrgSummary is an org with the number of its bots, pending and rejected
// ones included.
type OrgSummary struct {
	Org      `bun:",extend"`
	BotCount int64 `bun:"bot_count"`
}

// PlatformStats counts the whole platform. Messages are those of channels and
// threads together.
type PlatformStats struct {
	OrgCount          int64
	BotCount          int64
	OnlineBotCount    int64
	ThreadCount       int64
	MessageCount      int64
	ActiveThreadCount int64
}

// PageKey is the key of the last row of a page that is ordered by a time and an
// id.
type PageKey struct {
	At int64
	ID string
}

// OrgReader reads orgs that have not ended.
type OrgReader interface {
	Org(ctx context.Context, id string) (*Org, error)
	// Orgs lists by created_at, id ascending, after the given row (nil: from the start).
	Orgs(ctx context.Context, after *PageKey, limit int) ([]OrgSummary, error)
	// PlatformStats counts; a thread is active when its last activity is at
	// activeSince or later.
	PlatformStats(ctx context.Context, activeSince int64) (PlatformStats, error)
}

// OrgWriter changes orgs. CreateOrg belongs into Update(ctx, "", …), the
// others into Update(ctx, id, …).
type OrgWriter interface {
	// CreateOrg adds an org and its empty log with a fresh epoch.
	CreateOrg(ctx context.Context, org *Org) error
	// UpdateOrg writes name, status, join_approval_required and persist_messages.
	UpdateOrg(ctx context.Context, org *Org) error
	SetOrgSecret(ctx context.Context, id, secretHash string) error
	// DeleteOrg removes the org and everything in it: bots, tokens,
	// channels, threads and all below, settings, rate slots, audit, tickets,
	// tombstones, sessions, idempotency records, the note of its import and the log.
	DeleteOrg(ctx context.Context, id string) error
}
