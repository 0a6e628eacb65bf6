package files

import (
	"context"
)

// Rows is what Sweep needs of the store.
type Rows interface {
	KnownFiles(ctx context.Context, org string, ids []string) ([]string, error)
}

// Database is what Claim needs of the store.
type Database interface {
	AnyFile(ctx context.Context) (bool, error)
	// Update runs fn as one change of an org ([store.Store]).
	Update(ctx context.Context, org string, fn func(Tx) error) error
}

// Tx is what the change of Claim needs.
type Tx interface {
	Installation(ctx context.Context, proposed string) (string, error)
}
