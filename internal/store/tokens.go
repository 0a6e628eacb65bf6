package store

import "context"

// Token is a scoped token of a bot. ExpiresAt nil is never.
type Token struct {
	ID         string  `bun:"id,pk"`
	BotID      string  `bun:"bot_id"`
	TokenHash  string  `bun:"token_hash"`
	ParentID   *string `bun:"parent_id"` // the scoped token it was made with; nil: made with none, or older than this column
	Scopes     string  `bun:"scopes"`    // JSON array
	Label      *string `bun:"label"`
	ExpiresAt  *int64  `bun:"expires_at"`
	CreatedAt  int64   `bun:"created_at"`
	LastUsedAt *int64  `bun:"last_used_at"`
}

// EndBy makes a token expire at a time, Unix milliseconds, unless it expires earlier.
func (t *Token) EndBy(at int64) {
	if t.ExpiresAt == nil || *t.ExpiresAt > at {
		t.ExpiresAt = &at
	}
}

// Descendants counts what DeleteToken removed with a token.
type Descendants struct{ Tokens, Sessions int64 }

// TokenReader reads scoped tokens.
type TokenReader interface {
	// TokenByHash returns the row also when it has expired.
	TokenByHash(ctx context.Context, hash string) (*Token, error)
	// TokenByID finds a token of the bot, expired or not.
	TokenByID(ctx context.Context, bot, id string) (*Token, error)
	// Tokens lists those of a bot below before (nil: from the newest), newest first
	// (created_at, id descending), expired ones included.
	Tokens(ctx context.Context, bot string, before *PageKey, limit int) ([]Token, error)
}

// TokenWriter changes scoped tokens.
type TokenWriter interface {
	CreateToken(ctx context.Context, t *Token) error
	// DeleteToken removes a token of the bot, the tokens made with it, directly or not, and
	// the sessions opened with any of them. It returns the counts without the token itself, or
	// fails with ErrNotFound.
	DeleteToken(ctx context.Context, bot, id string) (Descendants, error)
	// TouchTokens raises last_used_at (token id to time); unknown ids are skipped.
	// It may span orgs, inside Update(ctx, "", …).
	TouchTokens(ctx context.Context, used map[string]int64) error
	// PurgeTokens removes at most limit tokens expired at now, of every org,
	// and returns how many.
	PurgeTokens(ctx context.Context, now int64, limit int) (int64, error)
}
