package store

import "context"

// InviteCode lets a stranger create an org. MaxUses 0 is unlimited,
// ExpiresAt 0 is never. The code is found by its hash, and sealed (seal.Invite) for lists;
// Sealed is nil in imported rows of old versions, because their code is unknown.
type InviteCode struct {
	ID        string  `bun:"id,pk"`
	CodeHash  string  `bun:"code_hash"`
	Sealed    *string `bun:"sealed"`
	Label     *string `bun:"label"`
	MaxUses   int64   `bun:"max_uses"`
	UseCount  int64   `bun:"use_count"`
	ExpiresAt int64   `bun:"expires_at"`
	CreatedAt int64   `bun:"created_at"`
}

// InviteReader reads invite codes.
type InviteReader interface {
	// InviteCodes lists newest first (created_at, id descending) below before (nil:
	// from the newest).
	InviteCodes(ctx context.Context, before *PageKey, limit int) ([]InviteCode, error)
}

// InviteWriter changes invite codes, inside Update(ctx, "", …).
type InviteWriter interface {
	CreateInviteCode(ctx context.Context, c *InviteCode) error
	// DeleteInviteCode fails with ErrNotFound for an unknown id.
	DeleteInviteCode(ctx context.Context, id string) error
	// RedeemInviteCode spends one use of the code with this hash and returns it
	// after that. A code that is unknown, expired (expires_at not 0 and <= now) or
	// used up is ErrNotFound.
	RedeemInviteCode(ctx context.Context, codeHash string, now int64) (*InviteCode, error)
}
