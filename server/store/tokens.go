package store

import "context"

// Token is a scoped token of a bot. ExpiresAt nil is never.
type Token struct {
	ID         string  `bun:"id,pk"`
	BotID      string  `bun:"bot_id"`
	TokenHash  string  `bun:"token_hash"`
	Scopes     string  `bun:"scopes"` // JSON array
	Label      *string `bun:"label"`
	ExpiresAt  *int64  `bun:"expires_at"`
	CreatedAt  int64   `bun:"created_at"`
	LastUsedAt *int64  `bun:"last_used_at"`
}

// TokenReader reads scoped tokens.
type TokenReader interface {
	// TokenByHash returns the row also when it has expired.
	TokenByHash(ctx context.Context, hash string) (*Token, error)
	// Tokens lists those of a bot below before (nil: from the newest), newest first
	// (created_at, id descending), expired ones included.
	Tokens(ctx context.Context, bot string, before *TimeCursor, limit int) ([]Token, error)
}

// TokenWriter changes scoped tokens.
type TokenWriter interface {
	CreateToken(ctx context.Context, t *Token) error
	// DeleteToken removes and returns a token of the bot, or fails with ErrNotFound.
	DeleteToken(ctx context.Context, bot, id string) (*Token, error)
	// TouchTokens raises last_used_at (token id to time); unknown ids are skipped.
	// It may span organisations, inside Update(ctx, "", …).
	TouchTokens(ctx context.Context, used map[string]int64) error
	// PurgeTokens removes at most limit tokens expired at now, of every organisation,
	// and tells how many.
	PurgeTokens(ctx context.Context, now int64, limit int) (int64, error)
}
