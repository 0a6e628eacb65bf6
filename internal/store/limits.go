package store

import (
	"context"
	"time"
)

// RateWriter counts uses against rate limits.
type RateWriter interface {
	// TakeRate counts one use of bucket by the bot, if fewer than limit were counted
	// in the window that ends at now. Otherwise ok is false, nothing is counted, and
	// retryAfter is the time until the oldest of them leave the window: at least 1, at
	// most the window, in whole seconds.
	//
	// Uses are kept in slots of a sixtieth of the window; a slot is counted until
	// its newest use leaves the window, so a limit is never exceeded, and a bot has
	// at most 61 rows for each bucket.
	TakeRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (ok bool, retryAfter int64, err error)
	// CheckRate returns what TakeRate would, and counts nothing. A change that counts against
	// several limits checks the others first: undoing what was written costs the changes that are
	// committed together.
	CheckRate(ctx context.Context, bot, bucket string, window time.Duration, limit, now int64) (ok bool, retryAfter int64, err error)
}

// IdempotencyRecord is the saved response to a request with a request id.
type IdempotencyRecord struct {
	OrgID     string `bun:"org_id,pk"` // "" for the platform
	Caller    string `bun:"caller,pk"`
	RequestID string `bun:"request_id,pk"`
	Hash      string `bun:"hash"`     // of the content of the request
	Response  []byte `bun:"response"` // sealed by the caller of the store
	CreatedAt int64  `bun:"created_at"`
}

// IdempotencyReader reads saved responses.
type IdempotencyReader interface {
	Idempotency(ctx context.Context, org, caller, requestID string) (*IdempotencyRecord, error)
}

// IdempotencyWriter saves responses.
type IdempotencyWriter interface {
	// PutIdempotency fails with ConflictRequestID when the request id is there.
	PutIdempotency(ctx context.Context, r *IdempotencyRecord) error
	// PurgeIdempotency removes at most limit of what was created before the given
	// time, of every org, inside Update(ctx, "", …), and returns how many.
	PurgeIdempotency(ctx context.Context, before int64, limit int) (int64, error)
}
