package store

import "context"

// LoginFailures is the number of failed logins under one key.
type LoginFailures struct {
	Key    string `bun:"key,pk"`
	Failed int64  `bun:"failed"`
	EndsAt int64  `bun:"ends_at"` // the count is forgotten then
}

// LoginFailureReader reads counts of failed logins.
type LoginFailureReader interface {
	// LoginFailures returns the counts of these keys that there are, also those whose
	// time is over, in no order.
	LoginFailures(ctx context.Context, keys []string) ([]LoginFailures, error)
}

// LoginFailureWriter changes counts of failed logins, inside Update(ctx, "", …). A row that
// counts nothing may be put inside the Update of an org that is not there.
type LoginFailureWriter interface {
	// PutLoginFailures adds a count or replaces it.
	PutLoginFailures(ctx context.Context, f *LoginFailures) error
	// DeleteLoginFailures removes a count; one that is not there is not an error.
	DeleteLoginFailures(ctx context.Context, key string) error
	// PurgeLoginFailures removes at most limit counts that ended at or before now,
	// and returns how many.
	PurgeLoginFailures(ctx context.Context, now int64, limit int) (int64, error)
}
