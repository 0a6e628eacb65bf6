package store

import "context"

// Session roles.
const (
	RoleBotOwner   = "bot_owner"
	RoleOrgAdmin   = "org_admin"
	RoleSuperAdmin = "super_admin"
)

// Session is one login of a person. The cookie value is never stored, only its hash.
type Session struct {
	Hash              string  `bun:"hash,pk"`
	Ref               string  `bun:"ref"` // public handle, 16 hex
	Role              string  `bun:"role"`
	OrgID             *string `bun:"org_id"`
	BotID             *string `bun:"bot_id"`
	OwnerName         *string `bun:"owner_name"`
	Scopes            *string `bun:"scopes"` // JSON array
	IsScopedToken     bool    `bun:"is_scoped_token"`
	TokenID           *string `bun:"token_id"`    // the scoped token that opened it; nil: none, or older than this column
	SecretFingerprint *string `bun:"secret_mark"` // RoleSuperAdmin: of the admin secret that opened it
	CreatedAt         int64   `bun:"created_at"`
	ExpiresAt         int64   `bun:"expires_at"`
}

// SessionScope is a set of sessions that share one limit: those of a bot (Role
// RoleBotOwner and BotID), the org admins of an org (RoleOrgAdmin and
// OrgID), or all super admins.
type SessionScope struct {
	Role  string
	OrgID string
	BotID string
}

// SessionReader reads sessions.
type SessionReader interface {
	// SessionByHash returns the row also when it has expired.
	SessionByHash(ctx context.Context, hash string) (*Session, error)
	// SessionByRef finds a session of the org, expired or not.
	SessionByRef(ctx context.Context, org, ref string) (*Session, error)
	// Sessions lists the unexpired bot-owner and org-admin sessions of the
	// org, newest first (created_at, hash descending).
	Sessions(ctx context.Context, org string, now int64, limit, offset int) ([]Session, error)
	// SessionsOf lists the unexpired sessions of a scope, oldest first.
	SessionsOf(ctx context.Context, scope SessionScope, now int64, limit int) ([]Session, error)
}

// SessionWriter changes sessions: those of super admins inside Update(ctx, "", …).
type SessionWriter interface {
	CreateSession(ctx context.Context, s *Session) error
	// ExtendSession moves the expiry; a session that is gone is not an error.
	ExtendSession(ctx context.Context, hash string, expiresAt int64) error
	// DeleteSession removes and returns a session, or fails with ErrNotFound.
	DeleteSession(ctx context.Context, hash string) (*Session, error)
	// DeleteSessionsOf removes and returns all sessions of a scope.
	DeleteSessionsOf(ctx context.Context, scope SessionScope) ([]Session, error)
	// DeleteSessionsOfOtherSecrets removes the sessions of super admins that an admin secret with
	// another fingerprint opened, and returns their number.
	DeleteSessionsOfOtherSecrets(ctx context.Context, fingerprint string) (int64, error)
	// DeleteOrgSessions removes and returns all sessions of the org and its bots.
	DeleteOrgSessions(ctx context.Context, org string) ([]Session, error)
	// PurgeSessions removes at most limit sessions expired at now, of every
	// org, inside Update(ctx, "", …), and returns how many.
	PurgeSessions(ctx context.Context, now int64, limit int) (int64, error)
}
